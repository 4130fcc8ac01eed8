# SPDX-License-Identifier: Apache-2.0
"""Write the tests of report.json as JUnit XML, for build servers.

pytest's own writer does this at the end of a run only: of a run that is killed it leaves nothing.
"""

import json
import platform
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Any, Final

_TAGS: Final = {"failed": "failure", "error": "error", "skipped": "skipped", "xfailed": "skipped"}
"""The element of an outcome. A test without one has passed."""

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(report: Mapping[str, Any]) -> bytes:
    """Return the content of junit.xml. report: the content of report.json.

    A file that could not be collected is an error among the tests. The property `state` says whether the run has ended.
    """
    broken = [{"outcome": "error", "duration_s": 0.0, **each} for each in report["collection_errors"]]
    tests: Sequence[Mapping[str, Any]] = [*broken, *report["tests"]]
    tags = [_TAGS.get(test["outcome"]) for test in tests]
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=report["board"],
        tests=str(len(tests)),
        failures=str(tags.count("failure")),
        errors=str(tags.count("error")),
        skipped=str(tags.count("skipped")),
        time=f"{report['duration_s']:.3f}",
        timestamp=report["started"],
        hostname=platform.node(),
    )
    _add_properties(suite, {name: report[name] for name in ("state", "reason", "hello") if report[name]})
    for test, tag in zip(tests, tags, strict=True):
        _add_test(suite, test, tag)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _add_test(suite: ElementTree.Element, test: Mapping[str, Any], tag: str | None) -> None:
    path, bracket, parameters = test["nodeid"].partition("[")
    *where, name = path.split("::")
    classname = ".".join(part.removesuffix(".py").replace("/", ".") for part in where)
    name = _text(name + bracket + parameters)
    case = ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time=f"{test['duration_s']:.3f}")
    _add_properties(case, test.get("properties", {}))
    if tag is not None:
        text = _text(test["text"])
        ElementTree.SubElement(case, tag, message=text.strip().partition("\n")[0]).text = text
    if test.get("captured"):
        ElementTree.SubElement(case, "system-out").text = _text(test["captured"])


def _add_properties(element: ElementTree.Element, values: Mapping[str, Any]) -> None:
    if values:
        properties = ElementTree.SubElement(element, "properties")
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            ElementTree.SubElement(properties, "property", name=_text(name), value=_text(text))


def _text(text: str) -> str:
    """Return `text` with a replacement for each character that XML cannot hold."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)

# SPDX-License-Identifier: Apache-2.0
"""The site of the documentation: its reference leaves nothing out, and it works on a phone without a network."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import pytest

from blsh_codegen.project import project_root
from blsh_tools.cli import VERBS

from . import chromium

Ours = Callable[[str], ModuleType]
ROOT = project_root()
DOCS = ROOT / "docs"
pytest.importorskip("sphinx", reason="Sphinx is a package for work on the checkout: make setup")


@pytest.fixture(scope="module")
def ours() -> Iterator[Callable[[str], ModuleType]]:
    """Return what imports a module of `docs/_ext` by its name."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def extension(ours: Ours) -> ModuleType:
    """Return the module that writes the reference pages."""
    return ours("reference_pages")


@pytest.fixture(scope="module")
def pages(extension: ModuleType) -> dict[str, str]:
    """Return the text of every page that is written, by its name."""
    return dict(extension.all_pages())


def test_the_reference_has_every_command_with_its_example_and_options(
    extension: ModuleType, pages: dict[str, str]
) -> None:
    told = "\n".join(text for name, text in pages.items() if name.startswith("options-"))
    parts = dict(re.findall(r"^## `blsh ([\w-]+)`\n(.*?)(?=^## |\Z)", told, re.MULTILINE | re.DOTALL))
    verbs = {verb.name: verb for each in VERBS.values() for verb in each}
    assert set(parts) == {*verbs, "corpus"}
    assert [name for name, verb in verbs.items() if f"`blsh {name} {verb.example}`" not in parts[name]] == []
    for panel in extension.panels().values():
        for name, command in panel.items():
            options = [parameter.opts[0] for parameter in command.params if parameter.param_type_name == "option"]
            missing = [option for option in options if option != "--help" and option not in parts[name]]
            assert missing == [], name
    assert "`--model <path>`" in parts["denoise"] and "[default: intercom]" in parts["denoise"].replace("\\", "")


def test_the_reference_has_every_board_and_what_each_key_means(extension: ModuleType, pages: dict[str, str]) -> None:
    source = (ROOT / "boards.toml").read_text(encoding="utf-8")
    boards = tomllib.loads(source)
    assert re.findall(r"^## `([\w-]+)`$", pages["board-facts"], re.MULTILINE) == list(boards)
    known = {word for key in extension.key_meanings(source) for word in key.split(", ")}
    assert {key for facts in boards.values() for key in facts} - known == set()


def test_the_reference_has_every_function_of_the_core(ours: Ours, pages: dict[str, str]) -> None:
    c_header = ours("c_header")
    source = c_header.with_stars((c_header.CORE / "blsh.h").read_text(encoding="utf-8"))
    declared = re.findall(r"^[a-z][\w *]*?\b(blsh_\w+)\([^;{]*\);", source, re.MULTILINE)
    told = re.findall(r"^/\*\*\n(?:(?! \*/).*\n)* \*/\n[a-z][\w *]*?\b(blsh_\w+)\(", source, re.MULTILINE)
    assert len(declared) > 7 and told == declared
    assert len(re.findall(r"^\| `BLSH_ERR_\w+` \| -\d+ \| ", pages["c-api"], re.MULTILINE)) == source.count(
        "X(BLSH_ERR"
    )


def test_a_comment_of_c_becomes_fields_and_code(ours: Ours) -> None:
    made = ours("c_header").restructured(
        [
            "Start it.",
            "",
            "model    stays",
            "         as is",
            "Returns OK_",
            "",
            "As here:",
            "",
            "    f(a | b);",
        ]
    )
    assert made == [
        *["Start it.", "", ":param model: stays", "    as is", ":returns: OK\\_", "", "As here:", ""],
        *["::", "", "    f(a | b);"],
    ]


def test_a_docstring_keeps_its_marks_and_gets_its_list(ours: Ours) -> None:
    lines = ["Return |x| of `|y|`.", "", "one: first,", "    which goes on", "two: *second_", ""]
    ours("docstrings").turn(lines)
    assert lines == [
        *[r"Return \|x\| of `|y|`.", "", "* ``one``: first,", "  which goes on", r"* ``two``: \*second\_", ""]
    ]


def test_every_room_for_users_is_in_the_reference(extension: ModuleType, pages: dict[str, str]) -> None:
    for package, folder in extension.PACKAGES.items():
        rooms = {each.parent.name for each in (ROOT / folder / package).glob("*/__init__.py")}
        assert rooms - set(extension.LEFT_OUT) == {
            name.split("-", 2)[2] for name in pages if name.startswith(f"python-{package}-")
        }


def test_what_a_browser_loads_from_a_network_is_found(ours: Ours) -> None:
    found = ours("self_contained").loaded_from_network
    assert found('<a href="https://a.org"><img src="x.png"><link rel="stylesheet" href="_static/a.css">') == []
    for element in ('<script async src="https://a.org/b.js">', "<img src=//a.org/b>", '<link href="http://a.org/c">'):
        assert len(found(element)) == 1, element


def sources() -> list[Path]:
    """Return the pages that the site is made of."""
    below = [path for name in ("docs", "examples") for path in (ROOT / name).rglob("*.md")]
    return [*ROOT.glob("*.md"), ROOT / "firmware" / "core" / "README.md", *below]


def test_every_page_is_in_a_list_of_contents() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    lists = re.findall(r"^```\{toctree\}\n(?::[^\n]*\n)*\n(.*?)^```", index, re.MULTILINE | re.DOTALL)
    entries = [row.split()[-1].strip("<>") for rows in lists for row in rows.splitlines()]
    patterns = [entry[3:] if entry.startswith("../") else f"docs/{entry}" for entry in entries]
    names = [path.relative_to(ROOT).with_suffix("").as_posix() for path in sources()]
    assert [name for name in names if name != "docs/index" and not any(fnmatch(name, each) for each in patterns)] == []


def test_every_diagram_can_be_drawn_and_has_a_title(ours: Ours) -> None:
    diagrams = ours("diagrams")
    found = 0
    for page in sources():
        for source in re.findall(r"^```mermaid\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            assert re.search(r"^ *accTitle: \S", source, re.MULTILINE), f"{page}: a diagram needs a line accTitle: ..."
            assert diagrams.drawn(source, "dark").startswith("<svg")
            found += 1
    assert found >= 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built anew; whatever Sphinx warns of is an error."""
    out = tmp_path_factory.mktemp("site")
    words = ["-b", "html", "-c", str(DOCS), "-d", str(out / "trees"), "-E", "-W", "--keep-going", "-q", str(ROOT)]
    done = subprocess.run([sys.executable, "-m", "sphinx", *words, str(out / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "html"


LOOKED_AT = ("docs/index", "docs/SPEC", "README", "docs/design", "docs/reference/generated/options-use")
LOOKED_AT += ("docs/reference/generated/c-api", "docs/reference/generated/python-blsh_codegen-pipeline")


@pytest.mark.slow
def test_the_site_is_readable_on_phone_and_desk_and_loads_nothing(site: Path, tmp_path: Path) -> None:
    if chromium.PROGRAM is None:
        pytest.skip("no Chromium here: tools/setup.sh --with-test-tools")
    with chromium.Chromium(tmp_path / "profile") as browser:
        for name in LOOKED_AT:
            for width in (360, 1280):
                for dark in (False, True):
                    browser.open(f"file://{site}/{name}.html", width, dark=dark)
                    assert browser.run("document.documentElement.scrollWidth") <= width, (name, width)
                    assert browser.run("[...document.images].every(each => each.naturalWidth > 0)"), name
        browser.open(f"file://{site}/search.html?q=attenuation")
        browser.wait_for("document.querySelectorAll('#search-results li').length > 2", 30)
        assert [each for each in browser.requests if not each.startswith(("file:", "data:"))] == []
        assert browser.complaints == []

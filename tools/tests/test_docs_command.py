# SPDX-License-Identifier: Apache-2.0
"""`blsh docs`, and the messages that send their readers there: a wheel has no folder docs/."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from blsh_codegen.project import project_root
from blsh_tools.manual import manual_page, manual_pages

from .blsh_command import Blsh

ROOT = project_root()
PACKAGES = ("trainer/blsh_trainer", "codegen/blsh_codegen", "hil_tests", "tools/blsh_firmware", "tools/blsh_tools")
OF_A_CHECKOUT = {
    "codegen/blsh_codegen/emit/sound_examples.py",
    "hil_tests/blsh_hil/boards/docs_tables.py",
    "hil_tests/blsh_hil/wire/spec_tables.py",
    "tools/blsh_tools/bench/latency_points.py",
    "tools/blsh_tools/bench/quality_points.py",
    "tools/blsh_tools/bench/report.py",
}
"""Modules that write pages of a checkout, or what is printed in them. They name the page as its neighbours do."""
NAMED = re.compile(r"blsh docs (?!PAGE\b)([a-zA-Z][\w/-]*)")


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module but for its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.value


def test_the_pages_are_listed_and_shown(blsh: Blsh) -> None:
    pages = blsh.json("docs")["pages"]
    assert set(pages) == set(manual_pages()) and {"tutorial", "howto/new-board", "results/peers"} <= set(pages)
    assert all(pages.values()) and pages["glossary"] == "Glossary"
    assert "howto/new-board" in blsh.succeed("docs").stdout
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert blsh.succeed("docs", "glossary").stdout == text
    found = blsh.json("docs", "glossary")
    assert found["text"] == text == Path(found["file"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("link", ["../howto/new-board.md#code", "docs/howto/new-board.md", "new-board.md", "new-board"])
def test_a_link_of_a_page_is_a_name_of_a_page(link: str) -> None:
    assert manual_page(link) == manual_pages()["howto/new-board"]


def test_a_page_that_is_not_there_is_refused(blsh: Blsh) -> None:
    expected = r"^page 'choosin' is unknown, did you mean choosing\?; choose one of SPEC, audio"
    blsh.refuse(expected, "docs", "choosin")


def test_a_wheel_carries_every_page() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried: set[str] = set()
    for source, place in given["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
        if place.startswith("blsh_tools/pages/"):
            assert place == f"blsh_tools/pages/{source.removeprefix('docs/')}"
            found = [ROOT / source] if source.endswith(".md") else list((ROOT / source).rglob("*"))
            carried |= {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in found}
    assert carried == set(manual_pages())


@pytest.mark.parametrize("package", PACKAGES)
def test_messages_send_to_pages_that_every_user_has(package: str) -> None:
    pages = manual_pages()
    modules = [path for path in (ROOT / package).rglob("*.py") if "tests" not in path.relative_to(ROOT).parts]
    assert modules
    for path in modules:
        for text in texts(path):
            assert all(name in pages for name in NAMED.findall(text)), f"{path}: {text}"
            if path.relative_to(ROOT).as_posix() not in OF_A_CHECKOUT:
                assert not re.search(r"\bdocs/[\w/-]+\.md", text), f"{path}: name it as blsh docs NAME: {text}"

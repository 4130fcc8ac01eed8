"""What documents and docstrings point to is there, and the figures that they repeat are right."""

import re

from blsh_codegen.project import project_root
from blsh_trainer.signals.masks import MASK_KINDS

FOLDERS = ("trainer", "codegen", "hil_tests", "tools", "firmware", "docs")
WRITTEN_BY_COMMANDS = {"NAME.md", "NOTES.md"}


def test_documents_that_are_named_exist() -> None:
    root = project_root()
    below = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    files = [root / "README.md", *(path for path in below if path.suffix in (".py", ".md", ".h", ".c"))]
    there = {path.name for path in files} | WRITTEN_BY_COMMANDS
    named = {(name, str(path)) for path in files for name in re.findall(r"\w[\w-]*\.md\b", path.read_text())}
    assert sorted(pair for pair in named if pair[0] not in there) == []


def test_the_design_tells_what_the_readme_promises() -> None:
    assert "how to add a stage, a message" in (project_root() / "README.md").read_text()
    design = (project_root() / "docs" / "design.md").read_text()
    assert "* **Add a stage**" in design and "* **Add a message**" in design


def test_the_tutorial_knows_what_a_mask_of_each_kind_costs() -> None:
    words = {name: 4 * -(-kind.width * kind.level_bits // 32) for name, kind in MASK_KINDS.items()}
    told = "its mask: {ibm} bytes of `ibm`, {bands}, {bands2} or {bands1} of `bands`, `bands2` or `bands1`".format(
        **words
    )
    assert told in " ".join((project_root() / "docs" / "tutorial.md").read_text().split())

# SPDX-License-Identifier: Apache-2.0
"""The targets that documents and docstrings point to exist, and the figures that they repeat are right."""

import hashlib
import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from blsh_codegen.spec.c_structs import BOARD_POINTER, CORE_LIMITS, Limits, board_bytes, state_struct, window_bit
from blsh_codegen.spec.constants import ModelKind
from blsh_tools.cli import app
from blsh_tools.demo_chain import TRAINING
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry
from blsh_trainer.signals.masks import MASK_KINDS

from .pages import PAGES, ROOT

FOLDERS = ("trainer", "codegen", "hil_tests", "tools", "firmware", "examples", "docs")
BELOW = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
WRITTEN_BY_COMMANDS = {"NAME.md", "NOTES.md"}
PATH_IN_CODE = re.compile(r"`((?:trainer|codegen|hil_tests|tools|firmware|examples|docs)/[\w./*-]+)`")
FILE_IN_CODE = re.compile(r"`([a-z][\w-]*\.(?:py|[ch]|toml|sh))`")
WRITTEN_BY_BUILDS = ("firmware/generated",)
ELSEWHERE = {
    "blsh.toml",
    "blsh_model.c",
    "blsh_model.h",
    "blsh_tables.c",
    "blsh_generated.json",
    "ear_model.h",
    "room_model.h",
    "stdatomic.h",
    "string.h",
}  # generated, or of the C library
APACHE_2_0 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # SHA-256 of the text as published


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have on a web page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_documents_that_are_named_exist() -> None:
    files = [*PAGES, *(path for path in BELOW if path.suffix in (".py", ".md", ".h", ".c"))]
    there = {path.name for path in files} | WRITTEN_BY_COMMANDS
    named = {(name, str(path)) for path in files for name in re.findall(r"\w[\w-]*\.md\b", path.read_text())}
    assert sorted(pair for pair in named if pair[0] not in there) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = page.parent / name if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_code_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = {path.name for path in BELOW} | {path.name for path in ROOT.iterdir()} | ELSEWHERE
    paths = [
        each for each in PATH_IN_CODE.findall(text) if not each.startswith(WRITTEN_BY_BUILDS) and "NAME" not in each
    ]
    missing = [path for path in paths if not any(ROOT.glob(path.rstrip("/")))]
    missing += [name for name in FILE_IN_CODE.findall(text) if name not in names]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_modules_that_are_named_can_be_found(page: Path) -> None:
    named = set(re.findall(r"(?:-m |-p |from |import )(blsh_\w+(?:\.\w+)+)", page.read_text(encoding="utf-8")))
    assert sorted(name for name in named if find_spec(name) is None) == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    places = [ROOT / "docs", *(ROOT / "docs" / name for name in ("start", "howto", "explain"))]
    pages = {path.relative_to(places[0]).as_posix() for place in places for path in place.glob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"| [{page}]({page}) |" not in index) == []


def test_the_index_answers_twelve_questions() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\| [A-Z].*\? \| .*\]\(", index, re.MULTILINE)) == 12


def test_every_command_has_a_line() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    assert set(re.findall(r"^\| `blsh ([\w-]+)`", page, re.MULTILINE)) == set(group.commands)  # type: ignore[attr-defined]


def test_the_design_says_how_to_add_things_in_eight_lines_each() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    part = "\n" + design.split("\n## How to add\n")[1].split("\n## ")[0]
    recipes = dict(text.split("\n", 1) for text in part.split("\n### ")[1:])
    things = ["a board", "a metric", "a behaviour", "a corpus layout", "a learner", "a feature kind", "a mask kind"]
    things += [
        "a command",
        "an output of `blsh run`",
        "a model in the box",
        "a build system for exports",
        "a stage",
        "a message",
    ]
    assert [name.lower() for name in recipes] == things
    assert {name for name, text in recipes.items() if len(text.strip().splitlines()) > 8} == set()


def test_what_the_recipes_name_is_in_the_sources() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    part = design.split("\n## How to add\n")[1].split("\n## ")[0]
    sources = [path for path in BELOW if path.suffix in (".py", ".c", ".h") and "tests" not in path.parts]
    words = {word for path in sources for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    assert sorted(set(re.findall(r"`([A-Za-z_]\w+)(?:\[\])?`", part)) - words) == []


def test_the_map_has_every_room() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    parts = re.split(r"^\*\*`(blsh_\w+)`\*\* \(`(\w+)/`\)", design.split("\n## One fact")[0], flags=re.MULTILINE)[1:]
    told = {
        f"{folder}/{name}": set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
        for name, folder, text in zip(*[iter(parts)] * 3, strict=True)
    }
    packages = [
        path.parent for path in BELOW if path.match("*/blsh_*/__init__.py") and path.parent.parent.parent == ROOT
    ]
    assert told == {page_id(each): {path.parent.name for path in each.glob("*/__init__.py")} for each in packages}


def _voting_limits(geometry: Geometry) -> Limits:
    """Return the limits of the voting model in the design's memory map, at this geometry."""
    model = (288, 16, geometry.bands, 96, 257, 8 * 16, ModelKind.SMALL_VOTES)
    return Limits(*model, window_bit(geometry), geometry.history, geometry.lag, one_geometry=True)


def test_the_memory_map_is_that_of_the_struct() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    sizes = (
        CORE_LIMITS,
        Limits.of_masks(64, 8, 80, 128, RECORDER),
        _voting_limits(RECORDER),
        _voting_limits(CLASSES["hearing"]),
    )
    structs = [state_struct(limits, BOARD_POINTER) for limits in sizes]
    expected = [
        (name, *(f"{getattr(each, name).offset}: {getattr(each, name).size}" for each in structs))
        for name, *_ in structs[0]._fields_
    ]
    columns = r" \| (\d+: \d+)" * len(sizes)
    rows = re.findall(rf"^\| `(\w+)`{columns} \|", design, re.MULTILINE)
    assert rows == expected
    totals = " | ".join(str(board_bytes(state_struct, limits)) for limits in sizes)
    assert f"| all | {totals} | |" in design


def test_the_constant_of_the_counter_is_the_measured_one() -> None:
    rows = json.loads((ROOT / "docs" / "results" / "bench-firmware.json").read_text())["rows"]
    costs = [row["instructions"]["reading_the_counter"] for row in rows]
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert f"{min(costs)} to {max(costs)} instructions" in " ".join(page.split())


def test_the_tutorial_knows_what_a_mask_of_each_kind_costs() -> None:
    words = {name: 4 * -(-kind.width * kind.level_bits // 32) for name, kind in MASK_KINDS.items()}
    told = "its mask: {ibm} bytes of `ibm`, {bands}, {bands2} or {bands1} of `bands`, `bands2` or `bands1`".format(
        **words
    )
    tutorial = " ".join((ROOT / "docs" / "tutorial.md").read_text().split())
    assert told in tutorial
    assert [name for name in MASK_KINDS if f"`{name}`" not in tutorial] == []


def test_the_tutorial_trains_as_the_demo_does() -> None:
    given = " ".join(f"--{name} {value}" for name, value in TRAINING.items())
    assert f"-o out/quick.npz {given}    # as `make demo TRAIN=1`: " in (ROOT / "docs" / "tutorial.md").read_text()


def test_the_arduino_page_talks_as_the_sketch_does() -> None:
    page = (ROOT / "docs" / "start" / "arduino.md").read_text(encoding="utf-8")
    sketch = ROOT / "codegen" / "blsh_codegen" / "templates" / "export" / "Denoise.ino.j2"
    rate = re.search(r"Serial\.begin\((\d+)\)", sketch.read_text(encoding="utf-8"))
    assert rate is not None and f'serial.Serial("/dev/ttyACM0", {rate[1]},' in page
    assert "export intercom" in page and f"hop = {CLASSES['intercom'].hop}  # BLSH_MODEL_HOP" in page


def test_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## \[(\d[^\]]*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert released[0][0] == version
    assert f"\nversion: {version}\n" in citation and f'\ndate-released: "{released[0][1]}"\n' in citation


def test_the_citation_can_be_read() -> None:
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["license"] == "Apache-2.0"
    for work in (citation["preferred-citation"], *citation["references"]):
        assert {"type", "title", "authors", "year"} <= set(work)
        assert all({"family-names", "given-names"} <= set(author) for author in work["authors"])


def test_the_licence_is_the_published_text() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0

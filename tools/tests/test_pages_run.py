# SPDX-License-Identifier: Apache-2.0
"""Each page's commands do what they say, typed in order in one prepared folder. See pages.py and page_folder.py."""

import shutil
from pathlib import Path

import pytest

from .conftest import MadeOnce
from .page_folder import fill_page_folder, run_page, write_programs
from .pages import PAGES, ROOT, blocks_of

IN_TWO_TERMINALS = ROOT / "docs" / "howto" / "prove-your-board.md"
"""Its commands run side by side; hil_tests/tests/test_prove_your_board.py follows it, line by line."""
RUNNING = [page for page in PAGES if page != IN_TWO_TERMINALS and any(block.runs for block in blocks_of(page))]


@pytest.fixture(scope="session")
def page_folder(made_once: MadeOnce) -> Path:
    """Return the folder that each page gets a copy of; read only."""
    return made_once("page-folder", fill_page_folder)


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm", "gcc", "cmake")
@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_can_be_followed(page: Path, page_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page_folder, folder, symlinks=True)
    if said := run_page(blocks_of(page), folder):
        pytest.fail(said)


# ---- that the runner catches what it is for ------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a folder with the programs alone."""
    write_programs(tmp_path / ".venv" / "bin")
    return tmp_path


def followed(folder: Path, text: str) -> str:
    page = folder / "NOTES.md"
    page.write_text(text, encoding="utf-8")
    return run_page(blocks_of(page), folder)


def test_blocks_run_in_order_and_keep_what_they_made(bare: Path) -> None:
    text = "```sh\nmake setup\nA=5\n```\n"
    text += "<!-- file: d/a.txt -->\n```text\none\n```\n<!-- added to: d/a.txt -->\n```text\ntwo\n```\n"
    text += "```sh\n[ $A = 5 ]\ncat d/a.txt > b.txt\n```\n"
    text += "```python\nassert open('b.txt').read() == 'one\\ntwo\\n'\nprint('seen', file=open('c.txt', 'w'))\n```\n"
    assert followed(bare, text) == ""
    assert (bare / "c.txt").read_text() == "seen\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("```sh\ntrue\n```\n\n```sh\ncat nowhere | sort\necho on\n```\n", 5),
        ("```sh\ntrue\n```\n```python\nassert 1 + 1 == 3\n```\n", 4),
        ("```sh\nblsh denoise nowhere.wav out.wav\n```\n", 1),
    ],
)
def test_the_block_that_fails_is_named(bare: Path, text: str, line: int) -> None:
    said = followed(bare, text)
    assert said.startswith(f"{bare}/NOTES.md:{line}: exit code"), said
    assert "nowhere" in said or "AssertionError" in said


def test_a_block_with_a_mark_is_not_run(bare: Path) -> None:
    assert followed(bare, "<!-- not run: needs a board -->\n```sh\nfalse\n```\n") == ""


PRINTING = "```sh\nprintf 'one\\ntwo  2.5 s\\n'\nprintf 'three\\n\\nfour\\n' >&2\n```\n"


@pytest.mark.parametrize(
    "shown",
    [
        "```text\none\ntwo  2.5 s\nthree\nfour\n```\n",
        "\n```text\ntwo  2.5 s\nthree\n```\n",
        "```text\none\n...\nfour\n```\n",
        "<!-- output: numbers differ -->\n```text\none\ntwo  1,017 s\n```\n",
        "In words:\n```text\nfive\n```\n",
        "<!-- file: a.txt -->\n```text\nfive\n```\n",
    ],
)
def test_an_output_that_is_shown_may_skip_lines(bare: Path, shown: str) -> None:
    assert followed(bare, PRINTING + shown) == ""


@pytest.mark.parametrize(
    ("shown", "missing"),
    [
        ("```text\none\nthree\n```\n", "one\nthree"),
        ("```text\nfour\n...\none\n```\n", "one"),
        ("```text\none\ntwo  2.6 s\n```\n", "one\ntwo  2.6 s"),
        ("<!-- output: numbers differ -->\n```text\ntwo  2.5 ms\n```\n", "two  2.5 ms"),
        ("```text\nthr\n```\n", "thr"),
    ],
)
def test_an_output_that_is_not_printed_is_named(bare: Path, shown: str, missing: str) -> None:
    said = followed(bare, f"```sh\necho {missing.split()[0]}\n```\n{PRINTING}{shown}")
    line = 9 if shown.startswith("<") else 8
    told = f"{bare}/NOTES.md:{line}: {bare}/NOTES.md:4 does not print these lines:\n{missing}\nIt prints:\none\n"
    assert said.startswith(told), said


@pytest.mark.needs("cmake", "gcc")
def test_lines_of_cmake_build_a_program(bare: Path) -> None:
    (bare / "lib").mkdir()
    (bare / "lib" / "blsh_model.h").write_text(
        "typedef int blsh_state_t;\nstatic int blsh_model;\n#define blsh_init(state, model) (*(state) + *(model))\n",
        encoding="utf-8",
    )
    block = "```cmake\ntarget_include_directories(firmware PRIVATE lib)\n```\n"
    assert followed(bare, block) == ""
    assert "nowhere" in followed(bare, block.replace("(firmware ", "(nowhere "))

# SPDX-License-Identifier: Apache-2.0
"""What the pages tell to type can be typed: commands and options exist, C compiles, files parse. See pages.py.

test_pages_run.py executes the same blocks.
"""

import configparser
import csv
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from blsh_codegen.emit.export import ExportedModel, export_models
from blsh_codegen.emit.generate import GenerateOptions
from blsh_firmware.build.proof_files import proof_server
from blsh_tools.cli import app
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models

from .conftest import MadeOnce
from .page_output import shown_outputs
from .pages import FREE, MARKS, NOT_RUN, OUTPUT, PAGES, PARSED, ROOT, RUN, Block, blocks_of, commands

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS: Any = typer.main.get_command(app)


def faults_of(line: list[str]) -> list[str]:
    """Return what the command line `blsh` objects to in the words behind `blsh`; files need not exist."""
    options = [word for word in line if word.startswith("-")]
    group, name = COMMANDS, "blsh"
    try:
        while hasattr(group, "commands"):
            if not line or line[0].startswith("-"):
                known = {text for each in group.params for text in each.opts} | {"--help"}
                return [f"{name}: no option {option}" for option in options if option not in known]
            if line[0] not in group.commands:
                return [f"{name}: no command {line[0]}"]
            group, name, line = group.commands[line[0]], line[0], line[1:]
        if "--help" not in line:
            group.make_context(name, line)
    except (BlshError, typer.Abort) as error:
        return [f"{name}: {error}"]
    except Exception as error:  # what the command line library raises has no common public class
        if not hasattr(error, "format_message"):
            raise
        return [f"{name}: {error.format_message()}"]
    return []


def faults_of_script(text: str) -> list[str]:
    """Return what is wrong with a shell script: its grammar, its lines of `blsh`, its targets of `make`."""
    read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if read.returncode:
        return [read.stderr]
    faults = []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(text):
        if Path(words[0]).name == "blsh":
            faults += faults_of(words[1:])
        elif words[0] == "make" and "-C" not in words:
            asked = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            faults += [f"make: no target {name}" for name in sorted(asked - targets)]
    return faults


def parse(language: str, text: str) -> None:
    """Parse a file's text; raise what the parser raises."""
    if language == "toml":
        tomllib.loads(text)
    elif language == "json":
        json.loads(text)
    elif language == "ini":
        configparser.ConfigParser(strict=True).read_string(text if "[" in text else f"[all]\n{text}")
    elif language == "yaml":
        pytest.importorskip("yaml").safe_load(text)
    elif language == "csv":
        rows = list(csv.reader(text.splitlines()))
        assert len({len(row) for row in rows}) == 1, "rows of different lengths"


def place(block: Block) -> str:
    return block.place


@pytest.fixture(scope="session")
def exported(made_once: MadeOnce) -> Path:
    """Return a folder with an export and its proof, and one of two models with the prefixes room and ear; read only."""

    def export(folder: Path) -> None:
        box = boxed_models()
        small, ear = (load_model(box[name]) for name in ("intercom-small", "hearing"))
        options = GenerateOptions()
        export_models([ExportedModel(small, options)], folder / "one", server=proof_server())
        export_models([ExportedModel(small, options, "room"), ExportedModel(ear, options, "ear")], folder / "two")

    return made_once("exported-for-pages", export)


def compiled(text: str, exported: Path) -> str:
    """Compile C against the export that has the headers it includes, and return what the compiler says of it.

    Lines without an #include are those of a function, between two hops; what they call besides the library is the
    reader's own.
    """
    own = "error: implicit declaration of function 'blsh_"
    flags = ["-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-xc", "-"]
    if "#include" not in text:
        flags.insert(0, "-Wno-error=implicit-function-declaration")
        head = '#include <stdbool.h>\n#include "blsh_model.h"\nvoid own(blsh_state_t *);\nstatic blsh_state_t state;\n'
        text = f"{head}static int16_t samples[BLSH_MODEL_HOP];\nint main(void) {{\n(void)samples;\n{text}\n}}\n"
        flags.insert(0, "-Wno-unused")
    library = exported / ("two" if re.search(r'"(?:room|ear)_model\.h"', text) else "one")
    includes = [f"-I{library / folder}" for folder in ("src", "proof")]
    done = subprocess.run(["gcc", *includes, *flags], input=text, capture_output=True, text=True, check=False)
    said = done.stderr.replace("‘", "'").replace("warning:", "error:")
    return said if done.returncode or own in said else ""


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_a_block_has_a_language_and_a_mark_that_are_known(block: Block) -> None:
    directive = block.language.startswith("{")  # of MyST, which Sphinx reads
    assert directive or block.language in RUN | PARSED | FREE
    assert set(block.marks) <= MARKS
    assert block.marks.get("not run") in {None, *NOT_RUN}
    assert block.marks.get("output") in {None, *OUTPUT}
    assert "first" not in block.marks or faults_of_script(block.marks["first"]) == []
    if block.language == "":
        assert not re.search(r"^\s*(\$ |blsh |make |python )", block.text, re.MULTILINE), "a command: write ```sh"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_mark_of_an_output_stands_before_an_output(page: Path) -> None:
    blocks = blocks_of(page)
    shown = [block.place for _, block in shown_outputs(blocks)]
    assert [block.place for block in blocks if "output" in block.marks and block.place not in shown] == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "sh"], ids=place)
def test_commands_and_their_options_exist(block: Block) -> None:
    assert faults_of_script(block.text) == []
    assert not block.runs or "&&" not in block.text, "write two lines: bash -e overlooks what fails before &&"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in PARSED - {"c"}], ids=place)
def test_files_can_be_parsed(block: Block) -> None:
    parse(block.language, block.text)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=place)
def test_python_compiles_and_finds_what_it_imports(block: Block) -> None:
    compile(block.text, block.place, "exec")
    imports = [line for line in block.text.splitlines() if re.match(r"(from|import) blsh_", line)]
    exec("\n".join(imports), {})


@pytest.mark.needs("gcc")
@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "c" and "not run" not in b.marks], ids=place)
def test_c_compiles_against_an_export(block: Block, exported: Path) -> None:
    assert compiled(block.text, exported) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_within_the_text_exist(page: Path) -> None:
    """Of `blsh NAME --option ...` in the text; capitals and brackets stand for values."""
    faults = []
    for span in re.findall(r"`blsh ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        words = span.split()
        group = COMMANDS
        while words and hasattr(group, "commands"):
            name, words = words[0], words[1:]
            if name not in group.commands:
                faults.append(f"{span}: no command {name}")
                break
            group = group.commands[name]
        else:
            known = {text for each in group.params for text in (*each.opts, *each.secondary_opts)} | {"--help"}
            asked = re.findall(r"(?<![\w-])--[a-z][\w-]*", " ".join(words))
            hands_on = group.context_settings.get("ignore_unknown_options")
            faults += [f"{span}: no option {each}" for each in asked if each not in known and not hands_on]
    assert faults == []


# ---- that the checks catch what they are for -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("blsh denois noisy.wav clean.wav", "no command denois"),
        ("blsh denoise noisy.wav clean.wav --modle intercom", "--modle"),
        ("blsh denoise noisy.wav", "Missing argument"),
        ("blsh train recordings/ -o out/model.npz --projections 99999", "choose 1 to"),
        ("cat noisy.wav | blsh denoise - - --nope > out.wav  # a comment", "--nope"),
        ("export A=1 && B=2 .venv/bin/blsh hil --board", "--board"),
        ("blsh corpus chekc recordings/", "no command chekc"),
        ("make demmo", "no target demmo"),
        ("echo 'open", "unexpected EOF"),
    ],
)
def test_a_broken_script_is_caught(text: str, fault: str) -> None:
    assert any(fault in each for each in faults_of_script(text)), faults_of_script(text)


def test_comments_and_values_of_a_script_are_no_commands() -> None:
    text = "blsh models   # blsh nope\nA=1 blsh card hearing > 'a file' 2>&1 &\n"
    text += "blsh live --port socket://H:1 \\\n  --input n.wav"
    assert list(commands(text)) == [
        ["blsh", "models"],
        ["blsh", "card", "hearing"],
        ["blsh", "live", "--port", "socket://H:1", "--input", "n.wav"],
    ]


@pytest.mark.needs("gcc")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("blsh_set_atenuation(&state, 12);", "blsh_set_atenuation"),
        ('#include "blsh_model.h"\nint n = BLSH_MODEL_HOPS;', "BLSH_MODEL_HOPS"),
        ('#include "nose_model.h"', "nose_model.h"),
    ],
)
def test_broken_c_is_caught(text: str, fault: str, exported: Path) -> None:
    assert fault in compiled(text, exported)


def test_c_of_the_readers_own_is_none_of_the_library(exported: Path) -> None:
    assert compiled("show_meter(blsh_reduction_db(&state));", exported) == ""


@pytest.mark.parametrize(
    ("language", "text"), [("toml", "a = "), ("json", "{"), ("csv", "a,b\nc"), ("yaml", "a: [1"), ("ini", "x")]
)
def test_a_broken_file_is_caught(language: str, text: str) -> None:
    with pytest.raises((ValueError, AssertionError, configparser.Error, *yaml_errors())):
        parse(language, text)


def yaml_errors() -> list[type[Exception]]:
    """Return the class of errors of the YAML parser, where there is one."""
    try:
        import yaml
    except ImportError:
        return []
    return [yaml.YAMLError]


def test_contributing_lists_the_marks_and_the_reasons() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {mark for mark in MARKS if f"<!-- {mark}: " not in page} == set()
    row = re.search(r"^\| `<!-- not run: .*$", page, re.MULTILINE)
    assert row is not None and [reason for reason in NOT_RUN if f"`{reason}`" not in row[0]] == []


def test_a_mark_belongs_to_the_block_behind_it(tmp_path: Path) -> None:
    page = tmp_path / "NOTES.md"
    page.write_text(
        "# P\n<!-- not run: needs a board -->\n\n```sh\na\n```\ntext\n\n  ```c\n  int a;\n  ```\n", encoding="utf-8"
    )
    first, second = blocks_of(page)
    assert (first.marks, first.line, first.text, first.runs) == ({"not run": "needs a board"}, 4, "a\n", False)
    assert (second.marks, second.language, second.line, second.text) == ({}, "c", 9, "int a;\n")

# SPDX-License-Identifier: Apache-2.0
"""Builds while others generate or edit, and builds in folders with a path that external tools cannot take."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.emit.generated_record import write_record
from blsh_codegen.project import project_root
from blsh_firmware.build import platformio as build
from blsh_firmware.build.images import build_host_image, build_image, built_image, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards import host as host_board
from blsh_hil.boards.project_lock import project_lock
from blsh_hil.boards.table import find_board
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model

from .bench import Bench
from .blsh_command import TIMEOUT_S, Blsh
from .projects import BOARD

pytestmark = pytest.mark.heavy

ODD = "odd a,b'c\"d(e)&f$g;h#i%j`k é"
NUCLEO = "nucleo_f446re"
needs_compiler = pytest.mark.needs(build.CROSS_COMPILER)


def quiet(line: str) -> None:
    """Take a line of the build's output, and drop it."""


# ---- others at work -------------------------------------------------------------------------------------------------


@needs_compiler
def test_nothing_that_changes_during_a_build_gets_into_it(generated: Blsh, built_project: Path, model: Path) -> None:
    """Another program writes a model over the generated files as PlatformIO starts, without asking for the lock."""
    board, root, artifact = find_board(BOARD), generated.project, load_model(model)
    folder, other = generated_folder(root), GenerateOptions(neighbours=2)
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def edit(line: str) -> None:
        if line.startswith("Processing"):
            integers = integer_model(artifact, other)
            write_record(integers, other, generate(integers, other, folder), folder)

    told, compiled = list[tuple[int, int]](), list[str]()
    image = build_image(
        board,
        lambda line: (edit(line), compiled.append(line) if line.startswith("Compiling ") else None),
        root,
        progress=lambda _, done, total: told.append((done, total)),
    )
    assert told == [(done, len(compiled) + 1) for done in range(len(compiled) + 2)]
    assert {path: path.read_bytes() for path in folder.iterdir()} != before
    with pytest.raises(BlshError, match="out of date: built as"):
        built_image(board, root)
    for path, content in before.items():
        path.write_bytes(content)
    assert built_image(board, root) == image
    right = built_image(board, built_project)
    assert image.build_id == right.build_id
    assert image.elf.with_suffix(".bin").read_bytes() == right.elf.with_suffix(".bin").read_bytes()


def test_nothing_that_changes_as_it_is_compiled_gets_into_the_host_build(
    generated: Blsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = generated_folder(generated.project) / "blsh_model.c"
    run = subprocess.run

    def edit_and_run(command: list[str], **options: object) -> object:
        if "-c" not in command and "--version" not in command:
            with source.open("a") as stream:
                stream.write('const char changed[] = "changed during the build";\n')
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(host_board.subprocess, "run", edit_and_run)
    program = build_host_image(root=generated.project).program.program
    assert "changed" in source.read_text()
    assert b"changed during the build" not in program.read_bytes()


@pytest.mark.parametrize("command", ["generate", "build"])
def test_who_generates_or_builds_waits_for_the_one_who_does(generated: Blsh, model: Path, command: str) -> None:
    source = generated_folder(generated.project) / "blsh_model.c"
    source.write_text("of yesterday")
    with project_lock(generated.project):
        process = generated.start(command, *([model] if command == "generate" else []))
        assert process.stderr is not None
        said = process.stderr.readline()
        assert re.match(rf"waiting for `.*` \(pid {os.getpid()}, since .*\), which generates or builds in ", said), said
        assert source.read_text() == "of yesterday"
    _, rest = process.communicate(timeout=TIMEOUT_S)
    if command == "generate":
        assert (process.returncode, rest) == (0, "")
        assert source.read_text() != "of yesterday"
    else:
        assert process.returncode == 2 and "blsh_model.c was changed after it was generated" in rest


def test_a_users_settings_of_platformio_do_not_reach_a_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's PlatformIO settings: flags that the build id would not tell, and another folder for the result."""
    settings = {"PLATFORMIO_BUILD_FLAGS": "-O0", "PLATFORMIO_BUILD_DIR": "elsewhere"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert not settings.keys() & build.platformio_environment().keys()


# ---- paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_compiler
def test_project_in_a_folder_of_every_character(
    tmp_path: Path, generated_project: Path, built_project: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An odd path works for building, running and flashing, also where the Python that starts PlatformIO lies in it."""
    folder = tmp_path / ODD
    root = copy_project(generated_project, folder, generated=True)
    python = Path(sys.executable).relative_to(sys.prefix)
    (folder / ".venv").symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "prefix", str(folder / ".venv"))
    monkeypatch.setattr(sys, "executable", str(folder / ".venv" / python))
    image = build_image(find_board(BOARD), quiet, root)
    assert image.elf == root / ".pio" / "build" / BOARD / "firmware.elf"
    assert image.elf.read_bytes() == built_image(find_board(BOARD), built_project).elf.read_bytes()
    blsh = Blsh(bench.folder, root)
    bench.audio("in.wav", bench.noisy)
    for board in ("host", BOARD) if shutil.which("qemu-system-arm") else ("host",):
        blsh.succeed(
            "denoise", "in.wav", f"{board}.wav", "--engine", "device", "--model", bench.model, "--board", board
        )
    words = blsh.json("flash", "--board", NUCLEO, "--dry-run")["words"]
    assert f"program {{.pio/build/{NUCLEO}/firmware.elf}} verify reset exit" in words


def test_temporary_folder_that_platformio_does_not_bear(
    generated: Blsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ODD).mkdir()
    monkeypatch.setattr(build.tempfile, "tempdir", str(tmp_path / ODD))
    with pytest.raises(BlshError, match="does not take every character of that path; set TMPDIR to a folder"):
        build_image(find_board(BOARD), quiet, generated.project)
    assert list((tmp_path / ODD).iterdir()) == []


MAKE_TARGETS = {
    "demo": ["demo", "--corpus", "CORPUS"],
    "bench": ["bench", "--board", "mps2-an386", "--model", "MODEL"],
    "hil": ["hil", "--board", "mps2-an386", "--model", "MODEL", "--corpus", "CORPUS"],
    "bench-firmware": ["bench-firmware", "--corpus", "CORPUS", "--model", "MODEL"],
    "bars-trainer": ["experiment", "bars", "CORPUS", "--model", "EXTENDED"],
}


@pytest.mark.needs("make")
@pytest.mark.parametrize("target", MAKE_TARGETS)
def test_make_hands_on_paths_of_every_character(tmp_path: Path, target: str) -> None:
    """Python lies in an odd folder, too; a program that prints its arguments stands for it."""
    folder = tmp_path / ODD
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "tools").mkdir()
    shutil.copy(project_root() / "Makefile", folder)
    say = f'#!/bin/sh\nexec "{sys.executable}" -c "import json, sys; print(json.dumps(sys.argv[1:]))" "$@"\n'
    for name, text in ((".venv/bin/python", say), ("tools/setup.sh", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    names = {"CORPUS": str(folder), "MODEL": str(folder / "Makefile"), "EXTENDED": str(folder / "other")}
    given = [f"{name}={value.replace('$', '$$')}" for name, value in names.items()]
    done = subprocess.run(["make", "-s", target, *given], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "-m",
        "blsh_tools.cli",
        *(names.get(word, word) for word in MAKE_TARGETS[target]),
    ]

# SPDX-License-Identifier: Apache-2.0
"""The firmware behind the commands: what is generated and built, and that nothing stale or foreign is used."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_firmware.build.images import STAMP_NAME, build_image, built_image, generate_firmware, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.virtual import VirtualBoard
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model

from .bench import FIRMWARE_COMMANDS, Bench, firmware_command
from .blsh_command import Blsh
from .projects import BOARD, copy_built

pytestmark = pytest.mark.heavy


def quiet(line: str) -> None:
    """Take a line of the build's output, and drop it."""


# ---- images -------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, built_project: Path) -> Path:
    """Return a built project of the test's own."""
    return copy_built(built_project, tmp_path / "project")


def test_current_image_is_used_as_it_is(own: Path) -> None:
    said: list[str] = []
    image = build_image(find_board(BOARD), said.append, own)
    assert said == [f"{BOARD}: up to date"]
    assert built_image(find_board(BOARD), own) == image
    assert image.record.model_name == "tiny"
    assert (image.expected.model_sha256, image.expected.build_id) == (image.record.model_sha256, image.build_id)


def test_image_carries_its_build_id(own: Path) -> None:
    """The ELF file holds the build id that HELLO will report."""
    image = build_image(find_board(BOARD), quiet, own)
    assert image.build_id.to_bytes(4, "little") in image.elf.read_bytes()


def test_same_sources_elsewhere_have_the_same_build_id(own: Path, built_project: Path) -> None:
    assert built_image(find_board(BOARD), own).build_id == built_image(find_board(BOARD), built_project).build_id


def touch(project: Path) -> None:
    for path in (project / "firmware").rglob("*.[ch]"):
        path.touch()


def notes(project: Path) -> None:
    (project / "firmware" / "NOTES.md").write_text("not compiled")


@pytest.mark.parametrize("change", [touch, notes])
def test_what_is_not_compiled_makes_no_image_stale(own: Path, change: Callable[[Path], None]) -> None:
    before = built_image(find_board(BOARD), own)
    change(own)
    assert built_image(find_board(BOARD), own) == before


def header_changed(project: Path) -> None:
    with (project / "firmware" / "core" / "blsh.h").open("a") as stream:
        stream.write("/* changed */\n")


def source_added(project: Path) -> None:
    (project / "firmware" / "app" / "more.c").write_text("extern int more;\nint more;\n")


def source_renamed(project: Path) -> None:
    path = project / "firmware" / "app" / "main.c"
    path.rename(path.with_name("principal.c"))


def board_changed(project: Path) -> None:
    (project / "boards.toml").write_text((project / "boards.toml").read_text().replace("0x8000", "0x4000"))


@pytest.mark.parametrize("change", [header_changed, source_added, source_renamed, board_changed])
def test_whatever_is_compiled_makes_an_image_stale(own: Path, change: Callable[[Path], None]) -> None:
    change(own)
    board = load_boards(own / "boards.toml")[BOARD]
    with pytest.raises(BlshError, match=r"out of date: built as .*run: blsh build"):
        built_image(board, own)


def test_dictionary_of_another_size_makes_an_image_stale(own: Path, model: Path) -> None:
    generate_firmware(load_model(model), GenerateOptions(entries=50), generated_folder(own))
    with pytest.raises(BlshError, match="out of date"):
        built_image(find_board(BOARD), own)


def test_stale_image_is_built_anew_and_back(own: Path, built_project: Path) -> None:
    before = built_image(find_board(BOARD), own)
    main = own / "firmware" / "app" / "main.c"
    source = main.read_bytes()
    main.write_bytes(source + b'const char more[] = "changed";\n')
    changed = build_image(find_board(BOARD), quiet, own)
    assert changed == built_image(find_board(BOARD), own)
    assert changed.build_id != before.build_id
    main.write_bytes(source)
    again = build_image(find_board(BOARD), quiet, own)
    assert (again.build_id, again.size) == (before.build_id, before.size)


def test_real_board_has_no_target_without_a_port(own: Path) -> None:
    image = built_image(find_board(BOARD), own)
    real = dataclasses.replace(image, board=dataclasses.replace(image.board, qemu_machine=None))
    assert real.target("/dev/ttyACM0") == "/dev/ttyACM0"
    with pytest.raises(BlshError, match="mps2-an386 is a real board: give its serial port with --port"):
        real.target(None)


# ---- what the commands refuse -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["build", "hil host", "denoise"])
def test_nothing_generated(blsh: Blsh, bench: Bench, command: str) -> None:
    blsh.refuse("generated holds no generated code; run: blsh generate MODEL", *firmware_command(bench, command))


@pytest.mark.parametrize("command", ["bench", "hil", "hil host", "denoise"])
def test_headers_generated_from_another_model(built: Blsh, bench: Bench, other_model: Path, command: str) -> None:
    ours, theirs = load_model(bench.model).sha256[:12], load_model(other_model).sha256[:12]
    expected = rf"generated from model {ours} \(tiny\), not from {theirs} \(tiny\); run blsh generate with the model"
    built.refuse(expected, *firmware_command(bench, command, other_model))


def test_generated_file_edited_by_hand(generated: Blsh, bench: Bench) -> None:
    path = generated.project / "firmware" / "generated" / "blsh_model.c"
    path.write_text(path.read_text().replace("0x", "0X", 1))
    expected = (
        r"generated/blsh_model.c was changed after it was generated .*; run: blsh generate MODEL.npz --entries \d+"
    )
    for command in FIRMWARE_COMMANDS:
        generated.refuse(expected, *firmware_command(bench, command))


def test_generated_folder_is_incomplete(generated: Blsh) -> None:
    folder = generated.project / "firmware" / "generated"
    (folder / "blsh_tables.c").unlink()
    generated.refuse(r"blsh_tables.c is missing; run: blsh generate MODEL.npz", "build")
    for record in ("{", "[]", '{"runtime_format": 9}'):
        (folder / "blsh_generated.json").write_text(record)
        generated.refuse(r"blsh_generated.json is not a record of generated code .*; run blsh generate again", "build")


def test_nothing_built_to_flash(generated: Blsh) -> None:
    generated.refuse(f"there is no firmware for {BOARD}; run: blsh build --board {BOARD}", "flash")


def source_changed(project: Path) -> None:
    with (project / "firmware" / "app" / "main.c").open("a") as stream:
        stream.write("/* changed */\n")


def flags_changed(project: Path) -> None:
    with (project / "platformio.ini").open("a") as stream:
        stream.write("; changed\n")


def image_changed(project: Path) -> None:
    with (project / ".pio" / "build" / BOARD / "firmware.elf").open("ab") as stream:
        stream.write(b"\0")


def stamp_changed(project: Path) -> None:
    (project / ".pio" / "build" / BOARD / STAMP_NAME).write_text('{"build_id": "soon"}')


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (source_changed, r"firmware of mps2-an386 is out of date: built as [0-9a-f]{8}.*run: blsh build --board"),
        (flags_changed, r"firmware of mps2-an386 is out of date: built as [0-9a-f]{8}.*run: blsh build --board"),
        (image_changed, r"firmware of mps2-an386 is out of date: built as [0-9a-f]{8}.*run: blsh build --board"),
        (stamp_changed, r"there is no firmware for mps2-an386; run: blsh build --board"),
    ],
)
def test_stale_build_is_not_flashed(built: Blsh, tmp_path: Path, change: Callable[[Path], None], expected: str) -> None:
    project = copy_built(built.project, tmp_path / "project")
    change(project)
    Blsh(built.cwd, project).refuse(expected, "flash")


def test_build_of_another_model_is_not_flashed(built: Blsh, tmp_path: Path, other_model: Path) -> None:
    stale = Blsh(built.cwd, copy_built(built.project, tmp_path / "project"))
    stale.succeed("generate", other_model)
    stale.refuse(r"firmware of mps2-an386 is out of date: built as [0-9a-f]{8}, .*run: blsh build", "flash")


@pytest.mark.needs("arm-none-eabi-gcc")
def test_firmware_that_does_not_compile(generated: Blsh) -> None:
    with (generated.project / "firmware" / "app" / "main.c").open("a") as stream:
        stream.write("\nthis is no C;\n")
    message = generated.refuse(rf"'{BOARD}' .*the end of (the|its) output:\n", "build")
    assert "main.c" in message and "error: " in message
    generated.refuse(f"there is no firmware for {BOARD}", "flash")


@pytest.mark.needs("arm-none-eabi-gcc")
def test_project_that_cannot_be_built_in(generated: Blsh) -> None:
    (generated.project / ".pio").write_text("a file in its place")
    generated.refuse(r"cannot build in .*/\.pio: .*; make it a writable folder", "build")


# ---- real boards --------------------------------------------------------------------------------------------


@pytest.fixture
def real_board(built: Blsh, tmp_path: Path) -> Callable[[str], Blsh]:
    """Return `blsh` with a built project, whose board is a real one that a command flashes."""

    def project(upload_command: str) -> Blsh:
        folder = copy_project(built.project, tmp_path / "project", generated=True)
        table = (folder / "boards.toml").read_text()
        assert 'qemu = { machine = "mps2-an386" }' in table
        upload = f'upload = [{{ method = "openocd", command = "{upload_command}" }}]'
        (folder / "boards.toml").write_text(table.replace('qemu = { machine = "mps2-an386" }', upload))
        blsh = Blsh(built.cwd, folder)
        blsh.succeed("boards", "--write")
        blsh.succeed("build")
        return blsh

    return project


@pytest.mark.xdist_group("probe")
def test_real_board_is_flashed_by_its_command_and_read_back(real_board: Callable[[str], Blsh], emulator: None) -> None:
    """The command copies the image. The emulator behind the port runs what should have been flashed."""
    blsh = real_board("cp $SOURCE flashed.elf")
    image = blsh.json("build")
    with VirtualBoard(find_board(BOARD), Path(image["elf"])) as board:
        flashed = blsh.json("flash", "--port", board.url)
    assert (flashed["build_id"], flashed["model_sha256"]) == (image["build_id"], image["model_sha256"])
    assert (blsh.project / "flashed.elf").read_bytes() == Path(image["elf"]).read_bytes()


@pytest.mark.xdist_group("probe")
def test_real_board_that_cannot_be_used(real_board: Callable[[str], Blsh], bench: Bench) -> None:
    blsh = real_board("false")
    blsh.refuse(f"{BOARD} is a real board: give its serial port with --port", "flash")
    blsh.refuse(f"{BOARD} is a real board: give its serial port with --port", *firmware_command(bench, "denoise"))
    blsh.refuse(f"{BOARD} is a real board; instructions are counted on virtual ones", *firmware_command(bench, "bench"))
    blsh.refuse(f"upload .*{BOARD}.* failed", "flash", "--port", "/dev/no-such-port")

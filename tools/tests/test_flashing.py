# SPDX-License-Identifier: Apache-2.0
"""`blsh flash` on a real board where there is none: fake probe programs on PATH, and the emulator behind the port."""

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blsh_firmware.build.images import built_image
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.board import CROSS_COMPILER
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_lock import Lock, port_key
from blsh_tools.boards import flash_board as flash_module
from blsh_tools.boards.flash_board import flash_board, planned_command
from blsh_tools.boards.last_times import LAST_TIMES, keep_time, last_time_s
from blsh_tools.boards.upload_command import UploadCommand, upload_command
from blsh_tools.options.flash import FlashOptions
from blsh_trainer.errors import BlshError

from .blsh_command import TIMEOUT_S, Blsh
from .conftest import MadeOnce, Require
from .processes import is_running, running, wait_for
from .projects import BOARD

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("probe")]  # one program at a time holds the probe of a board

NUCLEO = "nucleo_f446re"
REAL = [name for name, board in load_boards().items() if board.uploads]
PROGRAMS = ("openocd", "st-flash", "pyocd")

# It records its arguments, then does as $FAKE_PROBE says. To flash, it copies the image to $FAKE_CHIP, and waits until
# the test has started the emulator with that.
FAKE = """\
#!{python}
import json, os, pathlib, re, sys, time
log = pathlib.Path(os.environ["FAKE_LOG"])
log.write_text(json.dumps({{"words": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]], "pid": os.getpid()}}))
act, chip = os.environ.get("FAKE_PROBE", ""), pathlib.Path(os.environ["FAKE_CHIP"])
print("** Programming Started **", flush=True)
if act == "fail":
    sys.exit("Error: open failed")
if act == "hang":
    os.system("sleep 600")
if act == "unplug":
    pathlib.Path(os.environ["FAKE_PORT"]).unlink()
    sys.exit("Error: libusb_bulk_write: LIBUSB_ERROR_NO_DEVICE")
if act == "unplug after":
    pathlib.Path(os.environ["FAKE_PORT"]).unlink()
if act == "flash":
    elf = re.search("[^ {{]+[.]elf", " ".join(sys.argv))[0]
    chip.write_bytes(pathlib.Path(elf).read_bytes())
    log.with_suffix(".asks").touch()
    while not log.with_suffix(".goes").exists():
        time.sleep(0.05)
print("** Verified OK **")
"""


@dataclass(frozen=True)
class Bench:
    """`blsh` with a project built for a Nucleo, fake probes on its PATH, and a link that is the board's port."""

    blsh: Blsh
    folder: Path
    log: Path
    chip: Path  # the image that the "board" has
    port: Path

    def with_probe(self, act: str) -> Blsh:
        return replace(self.blsh, environment={**self.blsh.environment, "FAKE_PROBE": act})

    def recorded(self) -> Any:
        return json.loads(self.log.read_text())


@pytest.fixture(scope="session")
def nucleo_project(made_once: MadeOnce, generated_project: Path, require: Require) -> Path:
    """Return a project whose firmware was generated and built for the Nucleo; read only."""
    require(CROSS_COMPILER)

    def build(folder: Path) -> None:
        project = copy_project(generated_project, folder, generated=True)
        Blsh(folder, project).succeed("build", "--board", NUCLEO)

    return made_once("nucleo-project", build)


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    """Return a folder with the fake programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        program = folder / name
        program.write_text(FAKE.format(python=sys.executable))
        program.chmod(0o755)
    return folder


@pytest.fixture
def bench(tmp_path: Path, blsh: Blsh, nucleo_project: Path, probes: Path) -> Bench:
    log, chip, port = tmp_path / "probe.json", tmp_path / "chip.elf", tmp_path / "port"
    environment = {
        "PATH": f"{probes}:{os.environ['PATH']}",
        "FAKE_LOG": str(log),
        "FAKE_CHIP": str(chip),
        "FAKE_PORT": str(port),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    return Bench(Blsh(blsh.cwd, nucleo_project, environment), tmp_path, log, chip, port)


@pytest.fixture
def twin(bench: Bench, emulator: None) -> Iterator[VirtualBoard]:
    """Yield the board behind the port: an emulated STM32F405, with the Nucleo's USART2, and an image of yesterday."""
    board = replace(find_board(NUCLEO), qemu_machine="netduinoplus2", uploads=())
    image = built_image(find_board(NUCLEO), bench.blsh.project)
    yesterday = image.elf.read_bytes()
    build_id = image.build_id.to_bytes(4, "little")
    assert yesterday.count(build_id) == 1, "the build id stands in the image once"
    bench.chip.write_bytes(yesterday.replace(build_id, b"\xad\x0b\x00\x00"))
    with VirtualBoard(board, bench.chip, link="pty", extra_args=["-serial", "null"], restarts=True) as virtual:
        bench.port.symlink_to(virtual.url)
        yield virtual


# ---- commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", REAL)
def test_every_way_of_every_board_is_a_whole_command(board: str) -> None:
    row, elf = find_board(board), Path("/there/firmware.elf")
    for upload in row.uploads:
        probe = "066DFF555" if upload.probe else None
        command = upload_command(row, elf, upload.method, probe)
        assert command.method == upload.method
        assert "$" not in str(command)
        assert any("/there/firmware." in word for word in command.words)
        assert any("066DFF555" in word for word in command.words) == bool(upload.probe)
        assert shlex.split(str(command)) == list(command.words)


def test_dry_run_prints_the_exact_command_and_runs_nothing(bench: Bench) -> None:
    elf = built_image(find_board(NUCLEO), bench.blsh.project).elf
    expected = upload_command(find_board(NUCLEO), elf, "st-flash", "066A")
    options = ("flash", "--board", NUCLEO, "--method", "st-flash", "--probe", "066A", "--dry-run")
    assert bench.blsh.succeed(*options).stdout == f"{expected}\n"
    plan = bench.blsh.json(*options)
    assert (plan["method"], plan["command"], plan["words"]) == ("st-flash", str(expected), list(expected.words))
    assert not bench.log.exists()


def test_dry_run_of_a_virtual_board_prints_the_emulators_command(built: Blsh, emulator: None) -> None:
    assert f"-machine {BOARD} -kernel {built.project}" in built.succeed("flash", "--dry-run").stdout


def test_commands_are_those_that_the_programs_take() -> None:
    """They were tried with OpenOCD 0.12, st-flash 1.7 and pyocd 0.46, without a probe."""
    nucleo, elf = find_board(NUCLEO), Path("/a b/firmware.elf")
    program = "program {/a b/firmware.elf} verify reset exit"
    assert upload_command(nucleo, elf, None, "066A").words == (
        "openocd", "-f", "interface/stlink.cfg", "-c", "adapter serial 066A", "-f", "target/stm32f4x.cfg",
        "-c", program,
    )  # fmt: skip
    assert upload_command(nucleo, elf, "st-flash", "066A").words == (
        "st-flash", "--serial", "066A", "--reset", "write", "/a b/firmware.bin", "0x08000000",
    )  # fmt: skip
    assert upload_command(find_board("nrf52840_dk"), elf, "pyocd").words == (
        "pyocd", "flash", "--no-wait", "--target", "nrf52840", "/a b/firmware.elf",
    )  # fmt: skip
    assert upload_command(nucleo, elf, "mass-storage").words == (
        sys.executable, "-m", "blsh_hil.boards.mass_storage", "NODE_F446RE", "/a b/firmware.bin",
    )  # fmt: skip


def test_pyocd_never_waits_for_a_probe() -> None:
    commands = [upload.command for board in load_boards().values() for upload in board.uploads]
    of_pyocd = [command for command in commands if command.startswith("pyocd")]
    assert of_pyocd and all("--no-wait" in command for command in of_pyocd)


@pytest.mark.parametrize(
    ("board", "options", "expected"),
    [
        (NUCLEO, {"method": "dfu"}, "--method dfu: nucleo_f446re is flashed by openocd, st-flash, mass-storage"),
        (NUCLEO, {"probe": "1; rm -rf"}, "--probe '1; rm -rf'; expected the number of a probe"),
        (NUCLEO, {"probe": "1", "method": "mass-storage"}, "mass-storage cannot choose among probes"),
        (BOARD, {"probe": "1"}, "--probe 1: mps2-an386 is a virtual board"),
        (BOARD, {"method": "pyocd"}, "--method pyocd: mps2-an386 is a virtual board"),
    ],
)
def test_what_cannot_be_flashed_is_refused(board: str, options: dict[str, Any], expected: str) -> None:
    for act in (planned_command, flash_board):
        with pytest.raises(BlshError, match=expected):
            act(find_board(board), FlashOptions(**options))


def test_board_that_is_not_attached_is_refused(bench: Bench) -> None:
    expected = "nucleo_f446re is a real board: give its serial port .*none with the USB ids 0483:374b or .* is attached"
    bench.blsh.refuse(expected, "flash", "--board", NUCLEO)
    assert not bench.log.exists()


def test_program_that_is_missing_is_named(bench: Bench, probes: Path) -> None:
    (probes / "st-flash").unlink()
    if shutil.which("st-flash") is not None:
        pytest.skip("st-flash is installed here")
    expected = "st-flash is missing; install the Debian package stlink-tools, or choose another way with --method"
    bench.blsh.refuse(expected, "flash", "--board", NUCLEO, "--method", "st-flash", "--port", "/dev/ttyACM0")


# ---- uploads ------------------------------------------------------------------------------------------------


def test_board_is_flashed_and_read_back(bench: Bench, twin: VirtualBoard) -> None:
    """The old image is replaced by the new one, which then says its build id, and that its clock did not start."""
    options = ("flash", "--board", NUCLEO, "--port", bench.port, "--probe", "066A")
    with running(bench.with_probe("flash"), *options, "--json") as process:
        wait_for(bench.log.with_suffix(".asks"), process)
        held = [each for each in bench.blsh.json("boards")["attached"] if each["boards"] == [NUCLEO]]
        assert {each["kind"] for each in held} == {"port", "probe"}
        assert all("blsh flash" in each["held_by"] and str(process.pid) in each["held_by"] for each in held)
        twin.restart()
        bench.log.with_suffix(".goes").touch()
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, stderr
    image = built_image(find_board(NUCLEO), bench.blsh.project)
    flashed = json.loads(stdout)
    assert (flashed["build_id"], flashed["board"]) == (f"{image.build_id:08x}", NUCLEO)
    assert (flashed["core_hz"], flashed["clock"]) == (16_000_000, "the crystal (HSE) does not start")
    told = rf"^{NUCLEO}: {image.size.flash_bytes:,} bytes, [0-9a-z. ]+: openocd "
    assert re.search(told, stderr, re.MULTILINE), stderr
    assert last_time_s(bench.blsh.project, f"flash {NUCLEO} by openocd") is not None
    assert "the core runs at 16 MHz, not 180: the crystal (HSE) does not start" in stderr
    assert bench.recorded()["words"] == bench.blsh.json(*options, "--dry-run")["words"]
    assert bench.chip.read_bytes() == image.elf.read_bytes()


def test_the_time_that_an_upload_took_is_told_at_the_next_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100.0, 6.5)
    monkeypatch.setattr(flash_module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(flash_module, "project_root", lambda: tmp_path)
    monkeypatch.setattr(flash_module, "upload_firmware", lambda *_, **__: None)
    image: Any = SimpleNamespace(board=find_board(NUCLEO), size=SimpleNamespace(flash_bytes=88_892))
    for method in ("openocd", "openocd", "st-flash"):
        assert flash_module._upload(image, UploadCommand(method, (method,)), 60.0) == 6.5
    known = ["not timed here before: openocd", "6.5 s the last time: openocd", "not timed here before: st-flash"]
    assert capsys.readouterr().err.splitlines() == [f"{NUCLEO}: 88,892 bytes, {each}" for each in known]


@pytest.mark.parametrize("text", ["{", "[]", '{"work": "long"}'])
def test_times_that_are_none_are_not_known_and_kept_anew(tmp_path: Path, text: str) -> None:
    file = tmp_path.joinpath(*LAST_TIMES)
    file.parent.mkdir()
    file.write_text(text)
    assert last_time_s(tmp_path, "work") is None
    keep_time(tmp_path, "work", 3.26)
    assert last_time_s(tmp_path, "work") == 3.3
    keep_time(tmp_path / "nowhere", "work", 1.0)
    (tmp_path / "taken").joinpath(*LAST_TIMES).mkdir(parents=True)
    keep_time(tmp_path / "taken", "work", 1.0)
    assert not (tmp_path / "nowhere").exists()


def test_board_that_runs_something_else_afterwards_is_refused(bench: Bench, twin: VirtualBoard) -> None:
    """The program says that all went well, and the board has its old image."""
    bench.blsh.refuse(r"build id of the board: 00000bad; expected: ", "flash", "--board", NUCLEO, "--port", bench.port)
    assert bench.recorded()["words"][0] == "openocd"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("fail", r"the upload for 'nucleo_f446re' failed; the end of its output:\n(.*\n)*Error: open failed"),
        ("unplug", r"the upload for 'nucleo_f446re' failed; .*\n(.*\n)*Error: libusb.*NO_DEVICE"),
        ("unplug after", r"cannot open .*/port: .*; the board did not say within 2 s what it runs"),
    ],
)
def test_upload_that_fails_is_told_with_the_programs_own_words(bench: Bench, act: str, expected: str) -> None:
    bench.port.symlink_to("/dev/null")
    options = ("flash", "--board", NUCLEO, "--port", bench.port, "--boot-timeout", "2")
    bench.with_probe(act).refuse(expected, *options)


def test_upload_that_hangs_is_ended_with_all_that_it_started(bench: Bench) -> None:
    options = ("flash", "--board", NUCLEO, "--port", "/dev/null", "--flash-timeout", "5")
    bench.with_probe("hang").refuse("the upload for 'nucleo_f446re' did not end within 5 s", *options)
    assert bench.log.exists(), "it was ended before it began: this machine is too slow for this test"
    assert not is_running(bench.recorded()["pid"])


def test_silent_board_is_given_up(bench: Bench, twin: VirtualBoard) -> None:
    os.kill(twin.process.pid, signal.SIGSTOP)
    options = ("flash", "--board", NUCLEO, "--port", bench.port, "--boot-timeout", "1")
    bench.blsh.refuse("no answer to HELLO .*; the board did not say within 1 s what it runs", *options)


def test_port_in_use_is_not_flashed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", bench.blsh.environment["XDG_RUNTIME_DIR"])
    key = port_key("/dev/ttyACM7")
    assert key is not None
    with Lock(key):
        expected = rf"/dev/ttyACM7 is in use by `.*` \(pid {os.getpid()}, since "
        bench.blsh.refuse(expected, "flash", "--board", NUCLEO, "--port", "/dev/ttyACM7", alone=True)
    assert not bench.log.exists()


def test_board_is_flashed_by_a_drive(bench: Bench, twin: VirtualBoard, tmp_path: Path) -> None:
    """The right image is on the board already: copying does nothing there."""
    image = built_image(find_board(NUCLEO), bench.blsh.project)
    bench.chip.write_bytes(image.elf.read_bytes())
    twin.restart()
    drive = tmp_path / "drives" / "NODE_F446RE"
    drive.mkdir(parents=True)
    blsh = replace(bench.blsh, environment={**bench.blsh.environment, "BLSH_DRIVES": str(drive.parent)})
    flashed = blsh.json("flash", "--board", NUCLEO, "--port", bench.port, "--method", "mass-storage")
    assert flashed["build_id"] == f"{image.build_id:08x}"
    assert (drive / "firmware.bin").read_bytes() == image.elf.with_suffix(".bin").read_bytes()


def test_real_board_is_not_emulated(bench: Bench) -> None:
    bench.blsh.refuse(f"board '{NUCLEO}' is a real one", "emulate", "--board", NUCLEO)


def test_bad_probe_number_never_reaches_a_shell() -> None:
    for probe in ("$(id)", "a b", "-x", "", "a'b"):
        with pytest.raises(BlshError, match="expected the number of a probe"):
            upload_command(find_board(NUCLEO), Path("x.elf"), None, probe)

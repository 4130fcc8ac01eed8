"""Build the firmware of a board by PlatformIO, and measure what came out."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from blsh_hil.boards import Board, project_root
from blsh_tools.processes import run_watched
from blsh_trainer.errors import BlshError

COMPILER = "arm-none-eabi-gcc"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi"


@dataclass(frozen=True)
class Footprint:
    """What an ELF file takes on the part, in bytes.

    flash_bytes: code, tables and start values of variables. ram_bytes: variables, without the stack.
    sections: every section that takes room, by name.
    """

    flash_bytes: int
    ram_bytes: int
    sections: dict[str, int]


@dataclass(frozen=True)
class BuildResult(Footprint):
    """A built firmware: the files and the room they take. `stack_bytes` of RAM are kept free besides."""

    elf: Path
    bin: Path
    stack_bytes: int


def build_firmware(board: Board, build_id: int, *, log: Callable[[str], None], root: Path | None = None) -> BuildResult:
    """Build `firmware/` with its generated tables for `board`; nothing is compiled when nothing has changed.

    build_id: 32 bits that the firmware reports in HELLO. log: takes each line of the build's output.
    root: another project folder than this checkout.
    Raises BlshError if the compiler is missing or the build fails, with the end of its output.
    """
    if not 0 <= build_id < 1 << 32:
        raise BlshError(f"build id {build_id:#x}; expected an integer of 32 bits")
    compiler_version()  # before PlatformIO, whose own words for a missing compiler are many
    root = root or project_root()
    folder = root / ".pio" / "build" / board.name
    with _only_builder(root / ".pio"):
        _run_platformio(root, board.name, build_id, log)
        elf = folder / "firmware.elf"
        size = measure(elf)
    return BuildResult(
        flash_bytes=size.flash_bytes,
        ram_bytes=size.ram_bytes,
        sections=size.sections,
        elf=elf,
        bin=folder / "firmware.bin",
        stack_bytes=board.stack_bytes,
    )


@cache
def compiler_version() -> str:
    """What the cross-compiler says of itself. Raises BlshError if it is missing."""
    if shutil.which(COMPILER) is None:
        raise BlshError(f"{COMPILER} is missing; install the Debian packages {PACKAGES} (or `make setup`)")
    return subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout


def upload_firmware(
    board: Board, build_id: int, command: str, *, timeout_s: float, log: Callable[[str], None], root: Path | None = None
) -> None:
    """Put the image that build_firmware made on `board` by `command`, without building it again.

    Raises BlshError if the command fails, with the end of its output, or takes more than timeout_s seconds.
    """
    root = root or project_root()
    variables = {"BLSH_UPLOAD_COMMAND": command}
    with _only_builder(root / ".pio"):
        _run_platformio(root, board.name, build_id, log, ("nobuild", "upload"), timeout_s, variables)


def measure(elf: Path) -> Footprint:
    """The room that an ELF file takes, from its section table.

    Raises BlshError if the file cannot be read or is no ELF file.
    """
    flash = ram = 0
    sections: dict[str, int] = {}
    try:
        with elf.open("rb") as stream:
            for section in ELFFile(stream).iter_sections():
                flags, size = section["sh_flags"], section["sh_size"]
                if not flags & SH_FLAGS.SHF_ALLOC or not size:
                    continue
                sections[section.name] = size
                flash += size if section["sh_type"] != "SHT_NOBITS" else 0
                ram += size if flags & SH_FLAGS.SHF_WRITE else 0
    except OSError as error:
        raise BlshError(f"cannot read {elf}: {error.strerror or error}; build it first: blsh build") from error
    except ELFError as error:
        raise BlshError(f"{elf} is not an ELF file ({error}); build it again: blsh build") from error
    return Footprint(flash_bytes=flash, ram_bytes=ram, sections=sections)


def platformio_environment() -> dict[str, str]:
    """Variables for PlatformIO: it asks no server for news, tells none of us, and leaves no caches in firmware/."""
    return {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    }


@contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    """Wait for another build of this checkout to end; PlatformIO itself does not."""
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / "build.lock").open("w")
    except OSError as error:
        raise BlshError(f"cannot build in {folder}: {error.strerror or error}; make it a writable folder") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_platformio(
    root: Path,
    environment: str,
    build_id: int,
    log: Callable[[str], None],
    targets: tuple[str, ...] = (),
    timeout_s: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> None:
    command = [sys.executable, "-m", "platformio", "run", "-e", environment, "-d", str(root)]
    command += [word for target in targets for word in ("-t", target)]
    variables = {**platformio_environment(), "BLSH_BUILD_ID": f"{build_id:08x}", **(variables or {})}
    ended = run_watched(command, folder=root, environment=variables, log=log, timeout_s=timeout_s)
    doing = "upload" if "upload" in targets else "build"
    if ended.code is None:
        raise BlshError(
            f"the {doing} for {environment!r} did not end within {timeout_s:g} s; the end of its output:\n{ended.said}"
        )
    if ended.code:
        raise BlshError(f"the {doing} for {environment!r} failed; the end of its output:\n{ended.said}")

# SPDX-License-Identifier: Apache-2.0
"""Build the firmware of a board by PlatformIO, and measure the result."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from blsh_codegen.project import project_root
from blsh_codegen.source_snapshot import Snapshot
from blsh_firmware.build.external_program import VERBOSE, Ended, run_watched
from blsh_firmware.build.project_files import GENERATED, project_sources
from blsh_hil.boards.board import CROSS_COMPILER, Board
from blsh_hil.boards.project_lock import project_lock
from blsh_trainer.errors import BlshError
from blsh_trainer.files import UnwritableError, full_temporary, replacing
from blsh_trainer.progress import Progress

PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi"
PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./+@:=-]+")
"""Paths with no character that a tool of the build stumbles over."""

WITH_MODEL: Final = (GENERATED, "app", "core")
"""The folders in firmware/ of which every source is compiled."""

_COMPILING: Final = "compiling"
_COMPILES: Final = "Compiling "
"""The start of PlatformIO's line for a source."""
_BUILT: Final = (".pio", "build")
_PUBLISHED: Final = (".elf", ".bin", ".hex", ".map", ".su")


@dataclass(frozen=True)
class Footprint:
    """The size of an ELF file on the part, in bytes.

    flash_bytes: code, tables and start values of variables. ram_bytes: variables, without the stack.
    sections: the size of each section that takes room, by its name.
    """

    flash_bytes: int
    ram_bytes: int
    sections: dict[str, int]


@dataclass(frozen=True)
class BuildResult(Footprint):
    """A built firmware: its files, and their size. stack_bytes: RAM that the linker keeps free besides."""

    elf: Path
    bin: Path
    stack_bytes: int


def build_firmware(
    board: Board,
    build_id: int,
    *,
    log: Callable[[str], None],
    root: Path | None = None,
    sources: Snapshot | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Build the firmware for `board` into the build folder of the project; only a build that succeeds replaces it.

    build_id: 32 bits that the firmware reports in HELLO. log: takes each line of the build's output. root: the project
    folder, by default this project's. sources: what to build, by default the files there as they are now. progress: is
    told of each source that is compiled, and of the link as one more.

    PlatformIO works on a copy of the sources in a temporary folder. So its sources cannot change meanwhile, nothing of
    an earlier build is in its way, and it does not see the path of the project, of which it may not take every
    character. The files that others may be reading, such as the ELF file, are replaced whole.
    Raises BlshError if the compiler is missing, or with the end of the build's output if it fails.
    """
    if not 0 <= build_id < 1 << 32:
        raise BlshError(f"build id {build_id:#x}; expected an integer of 32 bits")
    compiler_version()  # PlatformIO's own message about a missing compiler is long
    root = root or project_root()
    with project_lock(root), tempfile.TemporaryDirectory(prefix="blsh-build-") as scratch:
        place = _build_folder(root, board)
        sources = _all_sources(root) if sources is None else sources
        try:
            sources.write(Path(scratch))
        except UnwritableError as error:
            raise full_temporary(f"build {board.name}", error.fault) from error
        steps = len(compiled_sources(board, sources)) + 1
        _run_platformio(_plain(Path(scratch)), board.name, build_id, _counted(log, progress, steps))
        if progress is not None:
            progress(_COMPILING, steps, steps)
        _publish(Path(scratch, *_BUILT, board.name), place)
        elf = place / "firmware.elf"
        size = measure(elf)
    return BuildResult(
        flash_bytes=size.flash_bytes,
        ram_bytes=size.ram_bytes,
        sections=size.sections,
        elf=elf,
        bin=place / "firmware.bin",
        stack_bytes=board.stack_bytes,
    )


def compiled_sources(board: Board, sources: Snapshot) -> list[str]:
    """Return which of `sources` PlatformIO compiles for `board`: paths below the project."""
    own = set(board.sources())
    whole = [f"firmware/{name}/*.c" for name in WITH_MODEL]
    return [path for path in sources.files if path in own or any(map(PurePosixPath(path).match, whole))]


def _counted(log: Callable[[str], None], progress: Progress | None, steps: int) -> Callable[[str], None]:
    """Return a log that hands each line on to `log`, and tells `progress` of the compilations among `steps`."""
    if progress is None:
        return log
    done = 0
    progress(_COMPILING, done, steps)

    def take(line: str) -> None:
        nonlocal done
        log(line)
        if line.startswith(_COMPILES) and done < steps - 1:
            done += 1
            progress(_COMPILING, done, steps)

    return take


@cache
def compiler_version() -> str:
    """Return the version line of the cross-compiler. Raises BlshError if it is missing."""
    if shutil.which(CROSS_COMPILER) is None:
        raise BlshError(f"{CROSS_COMPILER} is missing; install the Debian packages {PACKAGES} (or `make setup`)")
    return subprocess.run([CROSS_COMPILER, "--version"], capture_output=True, text=True, check=True).stdout


def upload_firmware(
    board: Board, command: Sequence[str], *, timeout_s: float, log: Callable[[str], None], root: Path | None = None
) -> None:
    """Put the image that build_firmware made on `board` by running `command` in the project folder.

    Raises BlshError, with the end of its output, if the command fails or takes more than timeout_s seconds.
    """
    root = root or project_root()
    with project_lock(root):
        ended = run_watched(command, folder=root, environment=os.environ, log=log, timeout_s=timeout_s)
    _require_success("upload", board.name, ended, timeout_s)


def measure(elf: Path) -> Footprint:
    """Return the size of an ELF file, by its section table.

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
    """Return the environment for PlatformIO: no look for updates, no telemetry, no caches in firmware/.

    A user's own settings of PlatformIO are left out: they could change what is built, and the build id would not tell.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLATFORMIO_")}
    return {
        **ours,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    }


def _all_sources(root: Path) -> Snapshot:
    return project_sources(root) | Snapshot.of(root, (root / "firmware" / GENERATED).glob("*.[ch]"))


def _build_folder(root: Path, board: Board) -> Path:
    folder = root.joinpath(*_BUILT, board.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        pio = root / _BUILT[0]
        raise BlshError(f"cannot build in {pio}: {error.strerror or error}; make it a writable folder") from error
    return folder


def _plain(scratch: Path) -> Path:
    if not PLAIN_PATH.fullmatch(str(scratch)):
        raise BlshError(
            f"cannot build in {scratch}: PlatformIO does not take every character of that path; set TMPDIR to a "
            "folder whose path has only letters, digits and -_./"
        )
    return scratch


def _publish(built: Path, place: Path) -> None:
    """Copy the build, without object files, to the folder `place`, where it is read; remove all else there."""
    kept = [path for path in built.rglob("*") if path.is_file() and path.suffix in _PUBLISHED]
    try:
        for path in place.rglob("*"):
            if path.is_file() and built / path.relative_to(place) not in kept:
                path.unlink()
        for path in kept:
            target = place / path.relative_to(built)
            with replacing(target) as temporary:
                shutil.copyfile(path, temporary)
    except OSError as error:
        raise BlshError(f"cannot write {place}: {error.strerror or error}; remove that folder") from error


def _run_platformio(project: Path, environment: str, build_id: int, log: Callable[[str], None]) -> None:
    command = [_plain_python(project), "-m", "platformio", "run", "-e", environment, "-d", str(project)]
    if os.environ.get(VERBOSE):
        command.append("--verbose")
    variables = {**platformio_environment(), "BLSH_BUILD_ID": f"{build_id:08x}"}
    _require_success("build", environment, run_watched(command, folder=project, environment=variables, log=log))


def _plain_python(project: Path) -> str:
    """Return a path of this Python that SCons takes: its own, or that of a link in `project`."""
    if PLAIN_PATH.fullmatch(sys.executable):
        return sys.executable
    link = project / ".pio" / "python"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(sys.prefix, target_is_directory=True)
    return str(link / Path(sys.executable).relative_to(sys.prefix))


def _require_success(doing: str, board: str, ended: Ended, timeout_s: float | None = None) -> None:
    if ended.code is None:
        raise BlshError(
            f"the {doing} for {board!r} did not end within {timeout_s:g} s; the end of its output:\n{ended.said}"
        )
    if ended.code:
        raise BlshError(f"the {doing} for {board!r} failed; the end of its output:\n{ended.said}")

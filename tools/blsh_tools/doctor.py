# SPDX-License-Identifier: Apache-2.0
"""Look at this machine: what the commands need, what is there, and the one command that mends each miss."""

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

from blsh_codegen.project import project_place
from blsh_hil.boards.attached import attached
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import load_boards
from blsh_trainer.errors import BlshError
from blsh_trainer.extras import EXTRAS, is_there, mend

OK, OPTIONAL, MISSING = "ok", "not here", "MISSING"
"""The states of a finding: there, not there and not needed by every user, not there and needed."""

_PACKAGE: Final = "blsh-mcu"
_FREE_BYTES: Final = 2 << 30  # a virtual environment and the builds of all boards take less
_TIMEOUT_S: Final = 20.0
_WIDTH: Final = 60  # characters of a version that are shown


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for. what: it is for. mend: the command that brings it; empty where it is there."""

    name: str
    state: str
    told: str
    what: str
    mend: str = ""


def examine(folder: Path) -> list[Finding]:
    """Return what was found on this machine. folder: where the user works."""
    return [finding for look in _LOOKS for finding in look(folder)]


def findings_as_json(found: list[Finding]) -> dict[str, Any]:
    """Return findings as JSON values, and whether everything is there that is needed."""
    return {
        "findings": [asdict(each) for each in found],
        "complete": all(each.state != MISSING for each in found),
    }


def _python(_folder: Path) -> Iterator[Finding]:
    told = f"{sys.version.split()[0]} at {sys.executable}"
    yield Finding("Python", OK, told, "all commands")
    try:
        asked = [Requirement(each) for each in metadata.requires(_PACKAGE) or []]
    except metadata.PackageNotFoundError:
        yield Finding(_PACKAGE, MISSING, "not installed", "all commands", f"pip install {_PACKAGE}")
        return
    needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [told for each in needed if (told := _unfit(each))]
    state, told = (MISSING, "; ".join(wrong)) if wrong else (OK, f"{len(needed)} packages, each of a version that fits")
    mend = f"{sys.executable} -m pip install --upgrade {_PACKAGE}" if wrong else ""
    yield Finding(f"{_PACKAGE} {metadata.version(_PACKAGE)}", state, told, "all commands", mend)


def _extras(_folder: Path) -> Iterator[Finding]:
    for package, extra in EXTRAS.items():
        if is_there(package):
            yield Finding(f"{_PACKAGE}[{extra.name}]", OK, f"{package} is installed", extra.use)
        else:
            yield Finding(f"{_PACKAGE}[{extra.name}]", OPTIONAL, f"no {package}", extra.use, mend(package))


def _unfit(asked: Requirement) -> str:
    """Return what is wrong with an installed distribution, in words; "" for nothing."""
    try:
        found = metadata.version(asked.name)
    except metadata.PackageNotFoundError:
        return f"{asked.name} is not installed"
    return (
        "" if asked.specifier.contains(found, prereleases=True) else f"{asked.name} is {found}, not {asked.specifier}"
    )


def _tools(_folder: Path) -> Iterator[Finding]:
    for name, state, what, package in (
        ("arm-none-eabi-gcc", MISSING, "building firmware", "gcc-arm-none-eabi libnewlib-arm-none-eabi"),
        ("qemu-system-arm", MISSING, "virtual boards", "qemu-system-arm"),
        ("gcc", MISSING, "the board `host`, counting instructions", "gcc libc6-dev"),
        ("espeak-ng", OPTIONAL, "synthetic recordings: demo, corpus make", "espeak-ng"),
        ("clang", OPTIONAL, "playground, fuzzing", "clang libclang-rt-dev"),
        ("wasm-ld", OPTIONAL, "playground", "lld"),
    ):
        told = _version(name)
        if told is None:
            yield Finding(name, state, "not on PATH", what, _install(package))
        else:
            yield Finding(name, OK, told, what)
    specs = _output(["arm-none-eabi-gcc", "-print-file-name=nano.specs"])
    if specs is not None and "/" not in specs:
        yield Finding("newlib", MISSING, "no nano.specs", "building firmware", _install("libnewlib-arm-none-eabi"))


def _machines(_folder: Path) -> Iterator[Finding]:
    listed = _output(["qemu-system-arm", "-machine", "help"])
    if listed is None:
        return
    names = {line.split()[0] for line in listed.splitlines() if line.strip()}
    wanted = {board.name: board.qemu_machine for board in _boards().values() if board.qemu_machine}
    lacking = [f"{name} ({machine})" for name, machine in wanted.items() if machine not in names]
    if lacking:
        told = f"QEMU has no machine for {', '.join(lacking)}"
        yield Finding("virtual boards", MISSING, told, "hil --board all", _install("--only-upgrade qemu-system-arm"))
    else:
        yield Finding("virtual boards", OK, f"{len(wanted)}: {', '.join(wanted)}", "hil, demo")


def _ports(_folder: Path) -> Iterator[Finding]:
    found = attached(_boards())
    ports = [each for each in found if each.kind == "port" and each.usb]
    if not ports:
        yield Finding("serial ports", OPTIONAL, "none is attached", "real boards", "blsh boards")
    for port in ports:
        device = Path(port.port)
        of = f"{port.product or 'serial port'}; may be {', '.join(port.boards)}" if port.boards else port.product
        if port.held_by:
            yield Finding(port.port, OPTIONAL, f"held by {port.held_by}", "real boards", "end that program")
        elif os.access(device, os.R_OK | os.W_OK):
            yield Finding(port.port, OK, of, "real boards")
        else:
            group = _group(device)
            mend = f"sudo usermod -a -G {group} {_user()}, then log in again"
            yield Finding(port.port, MISSING, f"not allowed: it belongs to the group {group}", "real boards", mend)
    for probe in (each for each in found if each.kind == "probe"):
        yield Finding(f"probe {probe.usb}", OK, f"{probe.product}, of {', '.join(probe.boards)}", "flash")


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    state = OK if free >= _FREE_BYTES else MISSING
    mend = "" if state == OK else f"free some of the disk of {folder.resolve()}"
    yield Finding("disk", state, f"{free / 1e9:.1f} GB free, {_FREE_BYTES / 1e9:.1f} are enough", "builds", mend)


def _project(_folder: Path) -> Iterator[Finding]:
    try:
        root = project_place()
    except BlshError as error:
        yield Finding("project", MISSING, str(error), "generate, build", "unset BLSH_PROJECT")
        return
    if os.access(root if root.exists() else root.parent, os.W_OK):
        told = str(root) if root.exists() else f"{root}, made by the first command that builds"
        yield Finding("project", OK, told, "generate, build")
    else:
        mend = "work in a folder of your own, or set BLSH_PROJECT to a copy"
        yield Finding("project", MISSING, f"{root} may not be written", "generate, build", mend)


_LOOKS: Final[tuple[Callable[[Path], Iterator[Finding]], ...]] = (
    _python,
    _extras,
    _tools,
    _machines,
    _ports,
    _disk,
    _project,
)


def _boards() -> dict[str, Board]:
    """Return the table of boards; none where there is no project, which is a finding of its own."""
    try:
        return load_boards()
    except BlshError:
        return {}


def _install(packages: str) -> str:
    told = "install what corresponds to Debian's packages"
    return f"{'sudo apt-get install' if sys.platform.startswith('linux') else told} {packages}"


def _version(program: str) -> str | None:
    """Return the first line that `program --version` prints; None where the program is not on PATH."""
    found = _output([program, "--version"])
    return None if found is None else (found.splitlines() or [""])[0][:_WIDTH]


def _output(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _group(device: Path) -> str:
    if sys.platform != "win32":
        import grp

        with suppress(OSError, KeyError):
            return grp.getgrgid(device.stat().st_gid).gr_name
    return "dialout"


def _user() -> str:
    return os.environ.get("USER") or getpass.getuser()

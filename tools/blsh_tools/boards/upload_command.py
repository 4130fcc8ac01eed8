# SPDX-License-Identifier: Apache-2.0
"""Make the command that flashes a real board from its row in boards.toml."""

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from blsh_hil.boards.board import Board
from blsh_trainer.errors import BlshError

_PROBE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]*")
_PROVIDED_BY = {
    "openocd": "install the Debian package openocd",
    "st-flash": "install the Debian package stlink-tools",
    "pyocd": "install it with: pipx install pyocd",
}


@dataclass(frozen=True)
class UploadCommand:
    """The words of a command, the program first. method: its name in boards.toml."""

    method: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(self.words)

    def require(self) -> None:
        """Raise BlshError if its program is not installed."""
        program = self.words[0]
        if shutil.which(program) is None:
            advice = _PROVIDED_BY.get(program, "install it")
            raise BlshError(f"{program} is missing; {advice}, or choose another way with --method")


def upload_command(board: Board, elf: Path, method: str | None = None, probe: str | None = None) -> UploadCommand:
    """Return the command that flashes `elf`, or the .bin or .hex file beside it, on `board`.

    method: one of the board's uploads; None: the first. probe: the serial number of the debug probe to use. Raises
    BlshError for a method that the board does not have, and for a probe where the method cannot choose one.
    """
    upload = next((each for each in board.uploads if method in (None, each.method)), None)
    if upload is None:
        known = ", ".join(each.method for each in board.uploads)
        raise BlshError(f"--method {method}: {board.name} is flashed by {known}")
    if probe is not None and not _PROBE_ID.fullmatch(probe):
        raise BlshError(f"--probe {probe!r}; expected the number of a probe, as `blsh boards` lists it")
    if probe is not None and upload.probe is None:
        raise BlshError(
            f"--probe {probe}: {upload.method} cannot choose among probes; choose another way with --method"
        )
    chosen = [] if probe is None or upload.probe is None else shlex.split(upload.probe.replace("$ID", probe))
    files = {
        "$SOURCE": str(elf),
        "$BIN": str(elf.with_suffix(".bin")),
        "$HEX": str(elf.with_suffix(".hex")),
        "$PYTHON": sys.executable,
    }
    words: list[str] = []
    for word in shlex.split(upload.command):
        words += chosen if word == "$PROBE" else [_filled(word, files)]
    return UploadCommand(upload.method, tuple(words))


def _filled(word: str, files: dict[str, str]) -> str:
    return re.sub(r"\$[A-Z]+", lambda found: files.get(found[0], found[0]), word)

# SPDX-License-Identifier: Apache-2.0
"""Tell on stderr what a command does, for `blsh --verbose`: programs that it runs, files it takes and writes, when.

Python reports programs and files to its audit hooks, so no place that runs or opens one can be forgotten.
"""

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from blsh_firmware.build.external_program import VERBOSE
from blsh_tools.console import say

_READ: Final = (".npz", ".toml", ".ini", ".elf", ".wav", ".blsm")
"""The files whose reading is told: what a user chooses. Recordings of corpora are read by a library, without report."""

_SHOWN: Final = 2000  # characters of a command line


class _Narrator:
    """Tells of events while it is on; a hook cannot be removed. started: the moment that times count from."""

    def __init__(self) -> None:
        self.on = False
        self.started = 0.0
        self._hooked = False
        self._told: set[str] = set()
        self._tells: dict[str, Callable[..., str | None]] = {
            "subprocess.Popen": self._program,
            "open": self._reading,
            "os.rename": self._writing,
        }

    def start(self) -> None:
        self.on, self.started = True, time.monotonic()
        self._told.clear()
        if not self._hooked:
            self._hooked = True
            sys.addaudithook(self._hear)

    def tell(self, text: str) -> None:
        say(f"[{time.monotonic() - self.started:6.2f} s] {text}")

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in self._tells:
            self.on = False  # what telling itself opens is not told
            try:
                told = self._tells[event](*arguments)
                if told is not None:
                    self.tell(told)
            finally:
                self.on = True

    def _program(self, program: Any, arguments: Any, folder: Any, _environment: Any) -> str:
        words = [arguments] if isinstance(arguments, str | bytes) else arguments or [program]
        line = shlex.join(os.fsdecode(word) for word in words)
        short = line if len(line) <= _SHOWN else f"{line[:_SHOWN]} ..."
        return f"runs {short}" + (f"  (in {os.fsdecode(folder)})" if folder else "")

    def _reading(self, path: Any, mode: Any, _flags: Any) -> str | None:
        if not isinstance(path, str | bytes) or "r" not in (mode or ""):
            return None
        name = os.fsdecode(path)
        if Path(name).suffix not in _READ or name in self._told:
            return None
        self._told.add(name)
        return f"reads {name}"

    def _writing(self, _made: Any, path: Any, *_folders: Any) -> str:
        return f"writes {os.fsdecode(path)}"


_narrator = _Narrator()


def be_verbose() -> None:
    """Tell from now on what is run, read and written; PlatformIO shows its compiler's commands, too."""
    os.environ[VERBOSE] = "1"
    _narrator.start()
    _narrator.tell(f"blsh-mcu {version('blsh-mcu')}, Python {platform.python_version()}, {platform.system()}")


def detail(line: str) -> None:
    """Tell a line of another program's output, if we are verbose."""
    if _narrator.on and line:
        _narrator.tell(line)


def tell_end(code: int) -> None:
    """Tell that the command is done, if we are verbose, and nothing after it."""
    if _narrator.on:
        _narrator.on = False
        _narrator.tell(f"ends with exit code {code}")

# SPDX-License-Identifier: Apache-2.0
"""Lock a board: one lock for each port, probe and running emulator, seen by every process of this user.

    with Lock(port_key("/dev/ttyACM0")):
        ...

A lock is a file that its holder keeps locked, and that names the holder's pid, command and start. When the holder
ends, in whatever way, the system gives the file's lock up. A file without a holder is stale; the next program that
wants the lock takes the file over.
"""

import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from blsh_hil.link.board_errors import BusyError
from blsh_trainer.errors import BlshError
from blsh_trainer.file_lock import rewrite, try_lock

_PATIENCE_S: Final = 0.3  # a program that only looks at a lock holds it for a moment
_RETRY_S: Final = 0.02
_SUFFIX: Final = ".lock"
_SHOWN_CHARACTERS: Final = 200
_PRIVATE: Final = re.compile(r"(loop|spy|alt|hwgrep)://")
"""Ports without a lock: nobody else can open them, or the device behind them is not known beforehand."""

_WINDOWS_PORT: Final = re.compile(r"(?:\\\\[.?]\\)?(COM[0-9]+)", re.IGNORECASE)

_ELSEWHERE: Final = "set XDG_RUNTIME_DIR to a folder of yours that can be written to"

STARTED_AS: Final = "BLSH_STARTED_AS"
"""The variable of the environment in which a command tells its child processes how its user knows them."""

SCRIPTS: Final = {"blsh_tools.cli": "blsh"}
"""The modules that are scripts, too, by their names in pyproject.toml."""

EMULATOR: Final = "emulator "
"""What the keys of emulators' locks begin with; then comes the emulator's pid."""

_PASSING: Final = (EMULATOR, "port socket://127.0.0.1", "port /dev/pts/")
"""What the keys of locks begin with that nobody will want again: emulators and their ports."""


@dataclass(frozen=True)
class Holder:
    """The program that holds, or held, a lock.

    since: when it took the lock, in seconds of the epoch. board, url: the board that it uses, where it knows them.
    restarts: whether it starts its emulator anew on SIGHUP.
    """

    key: str
    pid: int
    command: str
    since: float
    board: str = ""
    url: str = ""
    restarts: bool = False

    def __str__(self) -> str:
        begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"`{self.command}` (pid {self.pid}, since {begun})"


@dataclass(frozen=True)
class Entry:
    """A lock file that was found. stale: whether its holder has ended without giving the lock back."""

    holder: Holder
    stale: bool


def runtime_folder() -> Path:
    """Return the folder of this user's locks, made if need be.

    It is $XDG_RUNTIME_DIR/blsh, or else /tmp/blsh-<uid>, on Windows %LOCALAPPDATA%\\blsh.

    Raises BlshError if it cannot be made, or belongs to another user, who could then keep us from every board.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base) / "blsh" if base and Path(base).is_dir() else _usual_folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise BlshError(
            f"cannot make {folder}, for the locks of boards: {error.strerror or error}; {_ELSEWHERE}"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or not _is_own(found):
        raise BlshError(f"{folder}, for the locks of boards, is not a folder of yours; remove it, or {_ELSEWHERE}")
    return folder


if sys.platform == "win32":

    def _usual_folder() -> Path:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "blsh"

    def _is_own(_found: os.stat_result) -> bool:
        return True  # no other user may write to %LOCALAPPDATA%
else:

    def _usual_folder() -> Path:
        # Not tempfile's folder: it follows $TMPDIR, and all programs of a user must find the same locks.
        return Path(f"/tmp/blsh-{os.getuid()}")  # noqa: S108  # runtime_folder checks whose it is

    def _is_own(found: os.stat_result) -> bool:
        return found.st_uid == os.getuid()


def windows_port(url: str) -> str | None:
    """Return the name of a port as Windows names them, in capitals: COM3, also for \\\\.\\com3. None for another."""
    found = _WINDOWS_PORT.fullmatch(url)
    return None if found is None else found[1].upper()


def port_key(url: str) -> str | None:
    """Return the key of a port's lock, the same for all names of the port; None for one that gets no lock (loop://)."""
    if _PRIVATE.match(url):
        return None
    if (name := windows_port(url)) is not None:
        return f"port {name}"
    if "://" in url:
        return "port " + re.sub(r"://localhost(?=[:/]|$)", "://127.0.0.1", url.split("?")[0].rstrip("/").lower())
    return f"port {os.path.realpath(url)}"


class Lock:
    """Holds the lock of `key` while the `with` block runs. board, url, restarts: shown to others, see Holder.

    Raises BusyError, which names the holder, if another process or another part of this one has the lock.
    """

    def __init__(self, key: str, *, board: str = "", url: str = "", restarts: bool = False) -> None:
        self.key = key
        self._board, self._url, self._restarts = board, url, restarts
        self._file: int | None = None

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._taken():
            if time.monotonic() > deadline:
                raise self._busy()
            time.sleep(_RETRY_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the lock back, and leave no file behind. Does nothing the second time."""
        if self._file is not None and sys.platform == "win32":
            os.close(self._file)  # Windows removes no open file
            with suppress(OSError):  # another program has locked it meanwhile
                self._path().unlink(missing_ok=True)
        elif self._file is not None:
            self._path().unlink(missing_ok=True)  # still locked, so the file is ours
            os.close(self._file)
        self._file = None

    def _path(self) -> Path:
        return runtime_folder() / (re.sub(r"[^A-Za-z0-9.-]+", "_", self.key) + _SUFFIX)

    def _taken(self) -> bool:
        path = self._path()
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise BlshError(
                f"cannot lock {self.key}: {path}: {error.strerror or error}; make it writable, or {_ELSEWHERE}"
            ) from error
        try:
            # its holder may have given it back and removed it meanwhile
            ours = try_lock(file) and os.path.samestat(os.fstat(file), path.stat())
        except OSError:
            ours = False
        if not ours:
            os.close(file)
            return False
        self._file = file
        holder = Holder(self.key, os.getpid(), running_command(), time.time(), self._board, self._url, self._restarts)
        rewrite(file, json.dumps(asdict(holder)))
        return True

    def _busy(self) -> BusyError:
        holder = read_holder(self._path())
        what = self.key.removeprefix("port ")
        if holder is None:
            return BusyError(f"{what} is in use by another program; try again when that program has ended")
        here = ", this very program" if holder.pid == os.getpid() else ""
        return BusyError(f"{what} is in use by {holder}{here}; wait for it or end it (`blsh boards` lists all holders)")


def entries() -> list[Entry]:
    """Return all locks of this user, held or stale, in the order of their keys."""
    found = []
    for path in sorted(runtime_folder().glob(f"*{_SUFFIX}")):
        holder = read_holder(path)
        if holder is not None:
            found.append(Entry(holder, stale=not _is_held(path)))
    return found


def sweep() -> None:
    """Remove the stale locks of emulators and their ports, which cannot come again; leave those of real boards."""
    for entry in entries():
        if entry.stale and entry.holder.key.startswith(_PASSING):
            with suppress(BusyError), Lock(entry.holder.key):  # BusyError: another program has just taken it over
                pass


def openers(device: Path) -> list[tuple[int, str]]:
    """Return pid and command of the other processes that have `device` open, as far as this user may see them."""
    found = []
    wanted = Path(os.path.realpath(device))
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):  # the process has just ended, or belongs to another user
            if any(link.readlink() == wanted for link in (folder / "fd").iterdir()):
                found.append((int(folder.name), _command_of(folder)))
    return found


def _command_of(process: Path) -> str:
    """Return the command line of a folder of /proc; the program's name while the process starts and has no line yet."""
    words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    line = _one_line(word.decode(errors="replace") for word in words)
    return line or _one_line([(process / "comm").read_text(encoding="utf-8", errors="replace")])


def _is_held(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(file)
    except OSError:
        return True
    finally:
        os.close(file)


def read_holder(path: Path) -> Holder | None:
    """Return the holder that a lock file names; None if the file names none, or has just gone."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # the file was just made, or has just gone


def running_command() -> str:
    """Return the command line of this process as its user knows it, to be shown to others: `blsh flash --port COM3`.

    It is $BLSH_STARTED_AS in a process that a command starts for itself.
    """
    return os.environ.get(STARTED_AS) or _one_line((_program(), *sys.argv[1:]))


def _program() -> str:
    """Return what comes before the arguments: the script's name, `blsh` also for its module, or `python -m MODULE`."""
    if sys.argv[0] == "-c":
        return "python -c"
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = "__main__" if spec is None else spec.name.removesuffix(".__main__")
    if module == "__main__":  # a script or a folder
        return Path(sys.argv[0]).name
    return SCRIPTS.get(module, f"python -m {module}")


def _one_line(words: Iterable[str]) -> str:
    return " ".join(" ".join(words).split())[:_SHOWN_CHARACTERS]

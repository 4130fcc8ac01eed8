# SPDX-License-Identifier: Apache-2.0
"""Run `blsh` as on Windows, as far as Linux can: our modules see a Python without what Windows lacks.

    python as_on_windows.py '["card", "intercom"]' '["export", "--to", "lib"]'

Each argument is the command line of a run, as JSON. The last line of standard output is a list of exit codes. The
libraries, PortAudio and pyserial among them, see the system as it is.
"""

import builtins
import contextlib
import fcntl
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import types
from typing import Any

# By the stubs of typeshed: what stands under `if sys.platform != "win32"`, as far as somebody might think of it.
MODULES = frozenset({"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"})
LACKING = {
    "os": "fork forkpty getuid geteuid getgid getegid getpgid getpgrp killpg openpty pread pwrite preadv setsid "
    "ttyname mkfifo mknod sched_getaffinity statvfs uname chown fchown lchown getloadavg nice sysconf wait3 wait4 "
    "O_NOCTTY O_NONBLOCK O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_SYNC posix_fallocate",
    "signal": "SIGHUP SIGKILL SIGPIPE SIGALRM SIGCHLD SIGSTOP SIGCONT SIGUSR1 SIGUSR2 SIGQUIT alarm setitimer pause "
    "pthread_sigmask sigwait siginterrupt",
    "sys": "",
    "subprocess": "",
    "time": "clock_gettime pthread_getcpuclockid tzset",
}
CHANGED: dict[str, dict[str, Any]] = {"sys": {"platform": "win32"}, "os": {"name": "nt"}}
PACKAGES = ("blsh_trainer", "blsh_codegen", "blsh_hil", "blsh_firmware", "blsh_tools")


class Seen(types.ModuleType):
    """A module as Windows has it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        vars(self).update(CHANGED.get(name, {}), _of=importlib.import_module(name), _lacks=LACKING[name].split())

    def __getattr__(self, name: str) -> Any:
        if name in vars(self)["_lacks"]:
            raise AttributeError(f"on Windows, {self.__name__} has no {name}")
        return getattr(vars(self)["_of"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_of"], name, value)  # sys.stdout, for one


class Popen(subprocess.Popen[Any]):
    """A process that is started as Windows can."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        refused = [name for name in ("preexec_fn", "pass_fds") if options.get(name)]
        if refused:
            raise ValueError(f"on Windows, Popen takes no {refused}")
        super().__init__(*arguments, **options)


def locking(file: int, mode: int, _count: int) -> None:
    """Lock as msvcrt.locking does: an error if another has it."""
    assert mode == 2 and os.lseek(file, 0, os.SEEK_CUR) > 1 << 20, "what is locked lies past the text"
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def change_imports() -> None:
    """Let the modules of our packages import what Windows has."""
    CHANGED["subprocess"] = {"Popen": Popen}
    seen: dict[str, types.ModuleType] = {name: Seen(name) for name in LACKING}
    seen["msvcrt"] = types.ModuleType("msvcrt")
    vars(seen["msvcrt"]).update(locking=locking, LK_NBLCK=2)
    usual = builtins.__import__

    def imported(name: str, scope: Any = None, *rest: Any, **named: Any) -> Any:
        if scope is not None and scope.get("__name__", "").startswith(PACKAGES):
            if name.split(".")[0] in MODULES:
                raise ModuleNotFoundError(f"on Windows there is no module {name}")
            if name in seen:
                return seen[name]
        return usual(name, scope, *rest, **named)

    builtins.__import__ = imported


def main() -> None:
    """Import every module of our packages, then run the command lines."""
    change_imports()
    for package in PACKAGES:
        for each in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not each.name.startswith("blsh_trainer.baselines.networks"):  # needs PyTorch
                importlib.import_module(each.name)
    from blsh_tools import cli

    codes = []
    for line in sys.argv[1:]:
        sys.argv = ["blsh", *json.loads(line)]
        with contextlib.suppress(KeyboardInterrupt):
            try:
                cli.main()
            except SystemExit as end:
                codes.append(end.code or 0)
    print(json.dumps(codes))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()

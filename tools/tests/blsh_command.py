# SPDX-License-Identifier: Apache-2.0
"""Run `blsh`: within the process of the tests, or as a process of its own."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import pytest

from blsh_tools import cli

TIMEOUT_S = 600
# Two test processes with two threads of BLAS each are many times slower than with one.
ENVIRONMENT = {"COLUMNS": "160", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Outcome:
    """The end of a run of `blsh`."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


@dataclass(frozen=True)
class Blsh:
    """`blsh` as a user types it: in the folder `cwd`, with the firmware project `project`.

    alone: whether it runs as a process of its own, which takes a second to start. Otherwise it runs within the process
    of the tests; test_cli.py shows that this is the same. `blsh hil` must run alone: its pytest writes past sys.stdout.
    """

    cwd: Path
    project: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False

    def apart(self) -> "Blsh":
        """Return the same `blsh` as a process of its own."""
        return replace(self, alone=True)

    def start(
        self, *arguments: object, stdout: int | IO[bytes] = subprocess.PIPE, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start a process and return it. Its output is piped, unless `stdout` says where to; `stdin` is empty.

        It has a session of its own, and hears Ctrl-C, which background jobs do not.
        """
        script = Path(sys.executable).with_name("blsh")
        command = [str(script)] if script.is_file() else [sys.executable, "-m", "blsh_tools.cli"]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=self.cwd,
            env=self._variables(),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )

    def __call__(self, *arguments: object) -> Outcome:
        """Run the command to its end."""
        if not self.alone:
            return self._run_here(*arguments)
        with self.start(*arguments) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return Outcome(process.returncode, stdout, stderr)

    def _run_here(self, *arguments: object) -> Outcome:
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            chdir(self.cwd),
            patch.dict(os.environ, self._variables(), clear=True),
            patch.object(sys, "argv", ["blsh", *map(str, arguments)]),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            warnings.catch_warnings(record=True) as caught,
            pytest.raises(SystemExit) as ended,
        ):
            warnings.simplefilter("default")
            for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)  # as Python does
            cli.main()
        said = (warnings.formatwarning(each.message, each.category, each.filename, each.lineno) for each in caught)
        return Outcome(int(ended.value.code or 0), stdout.getvalue(), "".join(said) + stderr.getvalue())

    def _variables(self) -> dict[str, str]:
        unwanted = ("FORCE_COLOR", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "BLSH_PROJECT")
        inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
        return {**inherited, **ENVIRONMENT, "BLSH_PROJECT": str(self.project), **self.environment}

    def succeed(self, *arguments: object) -> Outcome:
        """Run the command; it must succeed."""
        outcome = self(*arguments)
        assert outcome.code == 0, str(outcome)
        assert "Traceback" not in outcome.stderr, str(outcome)
        return outcome

    def json(self, *arguments: object) -> Any:
        """Run the command with --json, and return its result; stdout must be one JSON document and nothing else."""
        outcome = self.succeed(*arguments, "--json")
        result = json.loads(outcome.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert outcome.stdout == json.dumps(result, indent=2, sort_keys=True) + "\n"
        return result

    def refuse(self, expected: str, *arguments: object, alone: bool = False) -> str:
        """Run the command; it must refuse with one message that matches `expected`, and change no file.

        Return the message. alone: run it as a process of its own.
        """
        before = self._files()
        outcome = replace(self, alone=alone or self.alone)(*arguments)
        assert outcome.code == 2, str(outcome)
        assert outcome.stdout == "", str(outcome)
        assert "Traceback" not in outcome.stderr and "Warning" not in outcome.stderr, str(outcome)
        assert len(re.findall("^error: ", outcome.stderr, re.MULTILINE)) == 1, str(outcome)
        message = outcome.stderr[re.search("^error: ", outcome.stderr, re.MULTILINE).end() :]  # type: ignore[union-attr]
        assert re.search(expected, message), f"expected {expected!r}\n{outcome}"
        assert self._files() == before, "it changed files"
        return message

    def interrupt(self, when: str, *arguments: object, numbers: Sequence[int] = (signal.SIGINT,)) -> Outcome:
        """Run the command, and send the signals `numbers` (Ctrl-C) to its group once `when` is on its stderr."""
        said = ""
        with self.start(*arguments) as process:
            assert process.stderr is not None
            try:
                while when not in said:
                    line = process.stderr.readline()
                    assert line, f"ended before it said {when!r}:\n{said}"
                    said += line
                for number in numbers:
                    os.killpg(process.pid, number)
                stdout, rest = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return Outcome(process.returncode, stdout, said + rest)

    def _files(self) -> dict[str, str]:
        return {**tree(self.cwd), **tree(self.project / "firmware")}


def hear_signals() -> None:
    """Let a program end on signals, even where a shell's `&` or nohup has it begin with them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def tree(folder: Path) -> dict[str, str]:
    """Return every file and folder under `folder`, with a digest of its contents."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }

# SPDX-License-Identifier: Apache-2.0
"""Standard output that is closed, full or no longer read ends a program in order."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.standard_streams import guarded_output

SCRIPT = """
import sys
from blsh_trainer.errors import BlshError
from blsh_trainer.standard_streams import guarded_output
try:
    with guarded_output():
        open(sys.argv[1], "w").write("a result")
        print("x" * 100_000)
except BlshError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
"""


def run(tmp_path: Path, redirection: str) -> tuple[int, str]:
    """Return the exit code and stderr of SCRIPT under a shell's redirection."""
    command = f'{{ "{sys.executable}" -c "$1" "$2"; echo code $? >&3; }} 3>&2 {redirection}'
    done = subprocess.run(
        ["sh", "-c", command, "sh", SCRIPT, str(tmp_path / "file")], stderr=subprocess.PIPE, text=True, check=False
    )
    *said, code = done.stderr.rstrip().split("\n")
    return int(code.removeprefix("code ")), "\n".join(said)


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">/dev/null", 0, ""),
        ("| true", 128 + signal.SIGPIPE, ""),
        (">/dev/full", 2, "error: cannot write standard output: No space left on device; send it where there is room"),
        (">/dev/null 2>&- <&-", 0, ""),
    ],
)
def test_an_output_that_takes_no_more_is_no_traceback(tmp_path: Path, redirection: str, code: int, said: str) -> None:
    assert run(tmp_path, redirection) == (code, said)
    assert (tmp_path / "file").read_text() == "a result"


def test_a_closed_output_is_told_before_the_work(tmp_path: Path) -> None:
    code, said = run(tmp_path, ">&-")
    assert code == 2 and said.startswith("error: standard output is closed, and the results go there; open it")
    assert not (tmp_path / "file").exists()


def test_it_leaves_the_stream_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as read:
        monkeypatch.setattr(sys, "stdout", stream)
        with guarded_output():
            print("told")
            assert not sys.stdout.isatty()
        assert sys.stdout is stream and read.readline() == "told\n"
        with pytest.raises(BlshError, match="as it came"), guarded_output():
            raise BlshError("as it came")

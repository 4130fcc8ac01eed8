# SPDX-License-Identifier: Apache-2.0
"""Guard standard input, output and error, which others may close, fill up or stop reading."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from blsh_trainer.errors import BlshError

_SIGPIPE = getattr(signal, "SIGPIPE", 13)  # Windows has none


@contextmanager
def guarded_output() -> Iterator[None]:
    """End the block in order, without a traceback, when standard output takes no more.

    SystemExit with 128 + SIGPIPE, the shells' convention, and no message where the output has lost its
    reader (`| head`). BlshError for any other error of writing, and at once where standard output is closed (`>&-`).
    """
    closed = sys.stdout is None
    _occupy_handles()
    if closed:
        raise BlshError(
            "standard output is closed, and the results go there; open it, to /dev/null if nobody is to read them"
        )
    before = sys.stdout
    sys.stdout = cast(TextIO, _Guarded(before))
    try:
        yield
    finally:
        sys.stdout, guarded = before, sys.stdout
        guarded.flush()


class _Guarded:
    """A text stream like `stream` that turns errors of writing into SystemExit or BlshError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._errors_turned():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._errors_turned():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _errors_turned(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._forget()
            raise SystemExit(128 + _SIGPIPE) from None
        except OSError as error:
            self._forget()
            raise BlshError(
                f"cannot write standard output: {error.strerror or error}; send it where there is room"
            ) from error

    def _forget(self) -> None:
        """Drop the rest of the buffer: Python would write it again at exit, and complain."""
        with suppress(OSError, ValueError):  # the stream of a test has no handle
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def _occupy_handles() -> None:
    """Open /dev/null for each standard stream that is closed, so that no other file gets its number.

    What a library or a child writes to that number would end up in the other file.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is `handle`
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as the program runs

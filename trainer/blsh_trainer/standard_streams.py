"""Standard input, output and error of a program, which others may close, fill up or stop to read."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from blsh_trainer.errors import BlshError


@contextmanager
def guarded_output() -> Iterator[None]:
    """Make of a standard output that takes no more, within the block, an end in order instead of a traceback.

    Where nobody reads it any more (`| head`), SystemExit with 128 + SIGPIPE, as shells tell it, and no word.
    BlshError for any other error of writing, and at once where it is closed (`>&-`).
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
    """A text stream like `stream`, but for what comes of errors when it is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._told():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._forget()
            raise SystemExit(128 + signal.SIGPIPE) from None
        except OSError as error:
            self._forget()
            raise BlshError(
                f"cannot write standard output: {error.strerror or error}; send it where there is room"
            ) from error

    def _forget(self) -> None:
        """Send what is still in the buffer nowhere: Python would try it again at exit, and complain."""
        with suppress(OSError, ValueError):  # a stream of a test has no handle
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


def _occupy_handles() -> None:
    """Open /dev/null for each standard stream that is closed: else the next file would get its number.

    Whatever a library or a child writes to that number would then end up in the file.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # for as long as the program runs

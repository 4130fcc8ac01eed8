# SPDX-License-Identifier: Apache-2.0
"""Show the results of commands: results on stdout, as a table or as JSON; progress and remarks on stderr.

On a terminal a table has lines and fits the window; anywhere else it is plain text, a line for each row.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:  # it imports NumPy, which takes a third of the time of `blsh --help`
    from blsh_trainer.progress import Progress as ProgressCall


class _Remarks:
    """sys.stderr at the moment of writing. Errors are ignored: no work fails because its remarks are unread."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def _stream(self) -> TextIO:
        stream: TextIO = getattr(sys.stderr, "rich_proxied_file", sys.stderr)  # the line scrolls above a progress bar
        return stream


_PLAIN_WIDTH = 10_000  # columns where there is no window: no row is wrapped
_TELL_S = 10.0  # at least, between two lines on one piece of work, where there is no terminal; less often later

stderr = Console(file=cast(TextIO, _Remarks()), stderr=True, highlight=False, soft_wrap=True)
_remarks = Console(file=cast(TextIO, _Remarks()), stderr=True, highlight=False, soft_wrap=True)


def be_quiet() -> None:
    """Print neither remarks nor progress from now on; errors are still told."""
    _remarks.quiet = True


def say(text: str) -> None:
    """Print a remark on stderr."""
    _remarks.print(text, markup=False)


def show(
    result: Any, as_json: bool, rows: Sequence[Sequence[str]], title: str = "", header: Sequence[str] = ()
) -> None:
    """Print a command's result on stdout: `result` as JSON, or `rows` as a table whose first column holds names."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, sort_keys=True) + "\n")
        return
    window = sys.stdout.isatty()
    lines: dict[str, Any] = {} if window else {"box": None, "pad_edge": False, "padding": (0, 2, 0, 0)}
    table = Table(title=title if window else None, show_header=bool(header), title_justify="left", **lines)
    for column in range(len(rows[0])):
        table.add_column(header[column] if header else "", style="bold" if column == 0 else None, no_wrap=column == 0)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False, width=None if window else _PLAIN_WIDTH)
    if window:
        console.print(table)
        return
    with console.capture() as captured:  # a title of rich's is as narrow as its table, and every row as wide
        console.print(table)
    plain = [title] * bool(title) + captured.get().splitlines()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in plain))


@contextmanager
def progress() -> Iterator["ProgressCall"]:
    """Yield a callback (what, done, total). It draws a bar for each `what` on stderr; without a terminal, lines."""
    if not _remarks.is_terminal or _remarks.quiet:
        yield progress_lines()
        return
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=_remarks,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield update


def is_quiet() -> bool:
    """Return whether neither remarks nor progress are printed."""
    return _remarks.quiet


def progress_lines(tell: Callable[[str], None] = say) -> "ProgressCall":
    """Return a callback for logs: a line when a piece of work starts, one now and then, and one when it is done.

    tell: prints a line.
    """
    begun: dict[str, float] = {}
    told: dict[str, float] = {}

    def update(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what not in begun:
            begun[what] = told[what] = now
            tell(f"{what}: {total} to do")
        if done == total:
            tell(f"{what}: done")
        elif done and now - told[what] >= max(_TELL_S, (now - begun[what]) / 4):
            told[what] = now
            left = (now - begun[what]) / done * (total - done)
            tell(f"{what}: {done:,} of {total:,}, some {left:.0f} s left")

    return update

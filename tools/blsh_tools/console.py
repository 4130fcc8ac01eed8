# SPDX-License-Identifier: Apache-2.0
"""Show the results of commands: results on stdout, as a table or as JSON; progress and remarks on stderr."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
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


stderr = Console(file=cast(TextIO, _Remarks()), stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a remark on stderr."""
    stderr.print(text, markup=False)


def show(
    result: Any, as_json: bool, rows: Sequence[Sequence[str]], title: str = "", header: Sequence[str] = ()
) -> None:
    """Print a command's result on stdout: `result` as JSON, or `rows` as a table whose first column holds names."""
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, sort_keys=True) + "\n")
        return
    table = Table(title=title or None, show_header=bool(header), title_justify="left")
    for column in range(len(rows[0])):
        table.add_column(header[column] if header else "", style="bold" if column == 0 else None, no_wrap=column == 0)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 110  # a log or a pipe has no width of its own
    Console(highlight=False, markup=False, width=width).print(table)


@contextmanager
def progress() -> Iterator["ProgressCall"]:
    """Yield a callback (what, done, total). It draws a bar for each `what` on stderr; without a terminal, lines."""
    if not stderr.is_terminal:
        yield _line_progress()
        return
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield update


def _line_progress() -> "ProgressCall":
    """Return a callback for logs: it prints a line when a piece of work starts, and one when it is done."""
    begun: set[str] = set()

    def update(what: str, done: int, total: int) -> None:
        if what not in begun:
            begun.add(what)
            say(f"{what}: {total} to do")
        if done == total:
            say(f"{what}: done")

    return update

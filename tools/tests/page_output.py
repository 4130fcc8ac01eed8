# SPDX-License-Identifier: Apache-2.0
"""Compare the output that a page shows with what its commands print. CONTRIBUTING.md says how a page shows it."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from .pages import Block

SIGN = "@@ "
"""What stands before the place of a block, on a line of its own, in front of all that the block prints."""
_SKIP = "..."
_NUMBER = re.compile(r"\d[\d,.]*")


def shown_outputs(blocks: Sequence[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield each block of text that shows an output, behind the block of shell that prints it."""
    for before, block in pairwise(blocks):
        shows = block.language == "text" and block.joined and not {"file", "added to"} & set(block.marks)
        if shows and before.language == "sh" and before.runs:
            yield before, block


def wrong_output(blocks: Sequence[Block], said: str) -> str:
    """Return "" if the blocks of a page show what they printed, else the block that does not, and the lines.

    said: what all blocks printed, in their order, each behind SIGN and its place.
    """
    parts = dict(part.partition("\n")[::2] for part in re.split(rf"^{SIGN}", said, flags=re.MULTILINE)[1:])
    for printing, block in shown_outputs(blocks):
        printed = parts.get(printing.place, "")
        if missing := _missing(block, printed):
            return f"{block.place}: {printing.place} does not print these lines:\n{missing}\nIt prints:\n{printed}"
    return ""


def _missing(block: Block, printed: str) -> str:
    """Return the first run of lines of a block that was not printed as such, behind the runs before it."""
    numbers_differ = "output" in block.marks
    lines = _lines(printed, numbers_differ)
    for run in re.split(rf"^{re.escape(_SKIP)}$", block.text, flags=re.MULTILINE):
        wanted = _lines(run, numbers_differ)
        at = next((at for at in range(len(lines) + 1) if lines[at : at + len(wanted)] == wanted), None)
        if at is None:
            return run.strip("\n")
        lines = lines[at + len(wanted) :]
    return ""


def _lines(text: str, numbers_differ: bool) -> list[str]:
    """Return the lines that are not empty, without blanks at their ends; with one sign for all numbers if they differ.

    Blanks between words count as one where numbers differ: a column is as wide as its longest number.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [" ".join(_NUMBER.sub("0", line).split()) for line in lines] if numbers_differ else lines

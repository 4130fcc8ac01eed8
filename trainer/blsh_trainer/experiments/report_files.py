# SPDX-License-Identifier: Apache-2.0
"""Write an experiment's results: NAME.json and NAME.csv, NAME.md or NAME.png, and the index of all results."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blsh_trainer.files import replacing, write_text_if_changed

INDEX = "README.md"
_OTHERS = {  # results of other commands: the finding of each, and the command that makes it
    "bars-firmware": ("each of the firmware's budgets, kept or not", "make bars-firmware CORPUS=DIR"),
    "bars-geometry": (
        "each bar of the classes of 64 to 8 ms of latency, met or not: quality, exactness, cost",
        "make bars-geometry CORPUS=DIR MODELS=DIR",
    ),
    "bars-quality": (
        "each bar of quality, met or not: against other denoisers, in steady noise, on clean speech",
        "make bars-quality CORPUS=DIR EXTRA=DIR MODEL=FILE SMALL=FILE",
    ),
    "bench-cluster": ("training on two workers against one process", "python trainer/benchmarks/cluster.py"),
    "bench-firmware": (
        "instructions, flash, RAM and cycles on every board, beside CMSIS-DSP and other denoisers",
        "make bench-firmware CORPUS=DIR",
    ),
    "bench-scale": ("training on 2.4 million frames: time and memory, measured in part", "make bench-scale"),
    "bench-search": ("the search on the host against faiss", "make bench-search"),
    "bench-train": ("our learner against the paper's in PyTorch: time and objectives", "make bench-train CORPUS=DIR"),
    "demo-spectrograms": ("the demo's recordings before and after", "make demo CORPUS=DIR"),
    "search-growth": ("the search's cost from 1 000 to 100 000 entries", "make bench-firmware CORPUS=DIR"),
    "latency": ("quality and instructions against latency", "make bars-geometry CORPUS=DIR MODELS=DIR"),
    "peers": ("what other denoisers score, and by which protocol", "blsh evaluate MODEL CORPUS --peers"),
    "quality": ("quality against instructions, ours and other denoisers'", "blsh quality-plot FILE..."),
    "extended": (
        "all figures of the extended system, 64 bits and 4 096 entries, which a small voting model has to beat",
        "blsh evaluate MODEL CORPUS --peers --bits 64 --metrics si_sdr_db,pesq,estoi,steadiness,clean,start",
    ),
    "voting": (
        "all figures of the voting system, beside the peers' and in steady noise",
        "blsh evaluate MODEL CORPUS --peers --metrics sdr_db,si_sdr_db,pesq,estoi,steadiness,clean,start",
    ),
    "voting-small": (
        "the same of a voting model of 44 projections, whose firmware fits 64 KiB of flash",
        "blsh evaluate MODEL CORPUS --peers --metrics sdr_db,si_sdr_db,pesq,estoi,steadiness,clean,start",
    ),
}


@dataclass(frozen=True)
class Report:
    """The result of an experiment.

    `header` and `rows` are a table for people, `table` is one for programs, its first row being the header; `data` are
    JSON values. `finding` is one sentence. `notes` say how it was measured and what differs from the paper. `draw`
    writes the picture to a path; with a picture the table for people is written only if `tabled`. `brief` are the
    columns for which a terminal has room (None: all columns).
    """

    name: str
    title: str
    command: str
    finding: str
    notes: Sequence[str]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    table: Sequence[Sequence[Any]]
    data: dict[str, Any] = field(default_factory=dict)
    draw: Callable[[Path], None] | None = None
    brief: Sequence[int] | None = None
    tabled: bool = False

    def brief_rows(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows for a terminal."""
        columns = range(len(self.header)) if self.brief is None else self.brief
        return [self.header[at] for at in columns], [[row[at] for at in columns] for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, which depend neither on the clock nor on the machine."""
        return {
            "experiment": self.name,
            "title": self.title,
            "command": self.command,
            "finding": self.finding,
            "notes": list(self.notes),
            "data": self.data,
        }


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the report's files into `folder`, renew the index there, and return their paths."""
    files = [folder / f"{report.name}.json", folder / f"{report.name}.csv"]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(report.table)
    if report.draw is None or report.tabled:
        files.append(write_text_if_changed(folder / f"{report.name}.md", _markdown(report)))
    if report.draw is not None:
        picture = folder / f"{report.name}.png"
        with replacing(picture) as temporary:
            report.draw(temporary)
        files.append(picture)
    write_text_if_changed(files[1], text.getvalue())
    # Last: the index lists an experiment once this file is there.
    write_text_if_changed(files[0], json.dumps(report.to_dict(), indent=1, sort_keys=True) + "\n")
    write_index(folder)
    return [*files, folder / INDEX]


def write_index(folder: Path) -> None:
    """Write README.md: every result of the folder, its finding in one sentence, and the command that made it."""
    lines = ["# Results", "", "Written by `blsh experiment`; each line's command, run in the checkout, makes it again."]
    lines += ["", "| result | shows | command |", "| --- | --- | --- |"]
    others = []
    for file in sorted(folder.glob("*.json")):
        found = _experiment(file)
        if found is not None:
            links = [
                f"[{s}]({file.stem}.{s})" for s in ("md", "png", "csv", "json") if file.with_suffix(f".{s}").exists()
            ]
            lines.append(f"| {file.stem}: {', '.join(links)} | {found['finding']} | `{found['command']}` |")
    for stem, (shows, command) in _OTHERS.items():
        there = [suffix for suffix in ("md", "png", "json") if (folder / f"{stem}.{suffix}").exists()]
        if there:
            links = [f"[{suffix}]({stem}.{suffix})" for suffix in there]
            others.append(f"| {stem}: {', '.join(links)} | {shows} | `{command}` |")
    write_text_if_changed(folder / INDEX, "\n".join([*lines, *others]) + "\n" + _pictures(folder))


def _pictures(folder: Path) -> str:
    """Return Markdown that shows each figure of the folder with its command."""
    text = ""
    for file in sorted(folder.glob("fig*.png")):
        found = _experiment(file.with_suffix(".json"))
        if found is not None:
            notes = " ".join(found["notes"])
            text += f"\n## {found['title']}\n\n![{file.stem}]({file.name})\n\n`{found['command']}`\n\n{notes}\n"
    return text


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _markdown(report: Report) -> str:
    parts = [f"# {report.title}", f"`{report.command}`", report.finding]
    if report.draw is not None:
        parts.append(f"![{report.title}]({report.name}.png)")
    parts.append(markdown_table(report.header, report.rows))
    parts += ["\n".join(f"* {note}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def _experiment(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "experiment" in found else None

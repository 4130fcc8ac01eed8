# SPDX-License-Identifier: Apache-2.0
"""Measure which lines and branches of the C core were executed on this machine, by builds that count and by gcov.

Every variant of the core's primitives is compiled here (`HOST_VARIANTS`): with products of at most 32 bits, as the M0
needs them, and with stand-ins for the intrinsics of DSP and Helium. Only inline assembler is left out.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from blsh_codegen.emit.generate import render_tables
from blsh_codegen.host_core import FLAGS, compile_core
from blsh_codegen.project import core_folder, stand_ins
from blsh_hil.boards.host import COMPILER, COVERAGE
from blsh_trainer.errors import BlshError

LINES_BAR: Final = 0.95
BRANCHES_BAR: Final = 0.90
_GCOV: Final = "gcov"


def core_library(extra_flags: tuple[str, ...], folder: Path | None) -> Path:
    """Return the core as a library for HostCore. With `folder`, the library counts there what it executes."""
    if folder is None:
        return compile_core(extra_flags)
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="core-", dir=folder))
    tables = place / "blsh_tables.c"
    tables.write_text(render_tables(), encoding="utf-8")
    core, library = core_folder(), place / "libblsh.so"
    sources = [str(tables), *map(str, sorted(core.glob("*.c")))]
    command = [
        COMPILER,
        *FLAGS,
        *COVERAGE,
        *extra_flags,
        f"-I{core}",
        f"-I{stand_ins()}",
        "-dumpdir",
        f"{place}/",
        *sources,
    ]
    done = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BlshError(f"{COMPILER} cannot build the C core for gcov:\n{done.stderr.strip()}")
    return library


@dataclass
class FileCoverage:
    """The executions of each line and each branch of a file. branches: by line, function and their number."""

    lines: dict[int, int] = field(default_factory=dict)
    branches: dict[tuple[int, str, int], list[int]] = field(default_factory=dict)

    @property
    def line_counts(self) -> tuple[int, int]:
        """The number of executed lines, and of all."""
        return sum(count > 0 for count in self.lines.values()), len(self.lines)

    @property
    def branch_counts(self) -> tuple[int, int]:
        """The number of taken branches, and of all."""
        taken = [count > 0 for counts in self.branches.values() for count in counts]
        return sum(taken), len(taken)

    def missing(self) -> list[int]:
        """Return the lines that were never executed, in ascending order."""
        return sorted(line for line, count in self.lines.items() if not count)

    def add(self, line: dict[str, Any]) -> None:
        """Add the counts that gcov gives for a line in one build."""
        number = line["line_number"]
        self.lines[number] = self.lines.get(number, 0) + line["count"]
        branches = [branch["count"] for branch in line["branches"]]
        if branches:
            key = (number, line.get("function_name", ""), len(branches))
            before = self.branches.get(key, [0] * len(branches))
            self.branches[key] = [a + b for a, b in zip(before, branches, strict=True)]


@dataclass(frozen=True)
class Coverage:
    """The coverage of the core's files, by name."""

    files: dict[str, FileCoverage]

    @property
    def lines(self) -> float:
        """The share of executed lines, 0 to 1."""
        return _share(each.line_counts for each in self.files.values())

    @property
    def branches(self) -> float:
        """The share of taken branches, 0 to 1."""
        return _share(each.branch_counts for each in self.files.values())

    @property
    def enough(self) -> bool:
        """Whether both bars are met."""
        return self.lines >= LINES_BAR and self.branches >= BRANCHES_BAR

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of each file and of all files as JSON values."""
        rows = {
            name: {
                "lines": dict(zip(("executed", "all"), each.line_counts, strict=True)),
                "branches": dict(zip(("taken", "all"), each.branch_counts, strict=True)),
                "missing_lines": each.missing(),
            }
            for name, each in sorted(self.files.items())
        }
        shares = {"lines": round(self.lines, 4), "branches": round(self.branches, 4)}
        bars = {"lines": LINES_BAR, "branches": BRANCHES_BAR}
        return {"files": rows, **shares, "bars": bars, "passed": self.enough}


def collect(folder: Path) -> Coverage:
    """Return the coverage of firmware/core by all counters under `folder`. Raises BlshError if there are none."""
    if shutil.which(_GCOV) is None:
        raise BlshError(f"{_GCOV} is missing; install the Debian package gcc")
    files: dict[str, FileCoverage] = {}
    for report in _reports(sorted(folder.rglob("*.gcda"))):
        for each in report["files"]:
            path = Path(each["file"])
            if "firmware/core" in path.as_posix():
                found = files.setdefault(path.name, FileCoverage())
                for line in each["lines"]:
                    found.add(line)
    if not files:
        raise BlshError(f"no counters of the core under {folder}; nothing was run with --coverage")
    return Coverage(files)


def _reports(counters: list[Path]) -> Iterator[dict[str, Any]]:
    for path in counters:
        command = [_GCOV, "--json-format", "--branch-probabilities", "--stdout", str(path)]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BlshError(f"{_GCOV} cannot read {path}: {done.stderr.strip()}")
        for line in done.stdout.splitlines():
            yield json.loads(line)


def _share(counts: Iterable[tuple[int, int]]) -> float:
    reached, there = (sum(column) for column in zip(*counts, strict=True))
    return reached / there if there else 1.0

# SPDX-License-Identifier: Apache-2.0
"""Say of each of the firmware's budgets whether it is kept, from the results of the benchmarks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.costs_file import costs_digest
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_inputs import BUDGET_ENTRIES, noisy_speech
from blsh_tools.bench.budgets import M0, Row, bench_bars
from blsh_tools.bench.firmware_costs import virtual_boards
from blsh_tools.bench.transform_snr import LEVELS_DBFS, transform_snrs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments.report_files import markdown_table, write_index
from blsh_trainer.experiments.verdict import Bar, state
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

NAME = "bars-firmware"
_SNR_DB = 65.0
_OF_EACH_SIZE = (RECORDER, CLASSES["intercom"], CLASSES["hearing"])
"""A geometry of each size of the transforms."""

_SIZES_WITHIN, _INSTRUCTIONS_WITHIN = 0.01, 0.05


def firmware_bars(folder: Path, corpus: Corpus) -> list[Bar]:
    """Return every bar: those of bench-firmware.json and frontier.json in `folder`, and the transforms' accuracy."""
    bars = [_snr(corpus, geometry) for geometry in _OF_EACH_SIZE]
    bench, lacking = _read(folder / "bench-firmware.json", "make bench-firmware")
    if bench is not None and bench.get("firmware_sha256") != firmware_digest():
        bench, lacking = None, "measured with other sources; run: make bench-firmware"
    rows = {row["board"]: row for row in (bench or {}).get("rows", ()) if row["case"] == "budget"}
    bars += bench_bars(rows, virtual_boards(), lacking)
    if bench is not None and bench.get("costs_sha256") != costs_digest():
        lacking = "estimated with other costs; run: make bench-firmware"
    return bars + _frontier(folder) + estimate_bars((bench or {}).get("rows", ()), virtual_boards(), lacking)


def write_bars(bars: Sequence[Bar], command: str, folder: Path) -> list[Path]:
    """Write bars-firmware.md and .json into `folder`, renew its index, and return the two files."""
    counts = [
        f"{count} {word}"
        for word in ("met", "NOT MET", "not measured")
        if (count := sum(state(bar) == word for bar in bars))
    ]
    table = markdown_table(["state", "bar", "measured"], [[state(bar), bar.what, bar.told] for bar in bars])
    page = "\n\n".join(["# The firmware's bars", f"`{command}`", ", ".join(counts), table, _NOTES]) + "\n"
    data = {"command": command, "bars": [{**asdict(bar), "state": state(bar)} for bar in bars]}
    files = [
        write_text_if_changed(folder / f"{NAME}.md", page),
        write_text_if_changed(folder / f"{NAME}.json", json.dumps(data, indent=1, sort_keys=True) + "\n"),
    ]
    write_index(folder)
    return files


_NOTES = (
    "Instructions, flash and RAM are those of [bench-firmware](bench-firmware.md): mean over hops of noisy speech, "
    f"{BUDGET_ENTRIES:,} entries, L = 50, `mel`, K = 10. A bar of instructions is met by the mean; the most of any hop "
    "stands beside it. "
    f"`{M0}` runs the M0's code on a machine with room for {BUDGET_ENTRIES:,} IBMs; the micro:bit's flash has none. "
    "RAM: the state, the computed worst case of the whole image's stack with the interrupt on top; and, for one's own "
    "firmware, the state, the stack of a hop and a buffer of one hop. Estimates are of the same samples, in every case "
    "that was measured."
)


def estimate_bars(rows: Sequence[Row], boards: Sequence[str], lacking: str | None = None) -> list[Bar]:
    """Return the bars that compare estimates with built and measured figures.

    rows: of bench-firmware.json, every case. boards: those that must be among them. lacking: why there are no rows.
    """
    sizes = f"estimate: flash and RAM within {100 * _SIZES_WITHIN:g} %, on every board"
    work = f"estimate: instructions within {100 * _INSTRUCTIONS_WITHIN:g} %, on every board"
    rows = [row for row in rows if row.get("estimate")]
    missing = [board for board in boards if board not in {row["board"] for row in rows}]
    if missing or lacking:
        why = lacking or f"no estimate to compare on {', '.join(missing)}; run: make bench-firmware"
        return [Bar(sizes, why, None), Bar(work, why, None)]
    errors: dict[str, list[tuple[float, str]]] = {"flash": [], "RAM": [], "instructions": []}
    for row in rows:
        where = f"{row['board']}, {row['case']}"
        real = {
            "flash": row["flash"]["code"] + row["flash"]["tables"],
            "RAM": row["ram"]["state"] + row["ram"]["application"],
            "instructions": row["estimate"]["measured_mean"],
        }
        of = row["estimate"]
        told = {"flash": of["flash_bytes"], "RAM": of["ram_bytes"], "instructions": of["instructions"]["mean"]}
        for part, list_of in errors.items():
            list_of.append((abs(told[part] / real[part] - 1), where))
    worst = {part: max(list_of) for part, list_of in errors.items()}
    words = {part: f"{part} {100 * error:.2f} % off at most ({where})" for part, (error, where) in worst.items()}
    return [
        Bar(
            sizes,
            f"{words['flash']}, {words['RAM']}",
            max(worst["flash"][0], worst["RAM"][0]) <= _SIZES_WITHIN,
        ),
        Bar(work, words["instructions"], worst["instructions"][0] <= _INSTRUCTIONS_WITHIN),
    ]


# ---- others ------------------------------------------------------------------------------------------------------


def _snr(corpus: Corpus, geometry: Geometry) -> Bar:
    span = f"{LEVELS_DBFS[0]} to {LEVELS_DBFS[-1]} dBFS"
    what = (
        f"transforms of a window of {geometry.window}: SNR at least {_SNR_DB:g} dB against doubles, speech from {span}"
    )
    found = transform_snrs(_speech(corpus, geometry), geometry)
    told = "; ".join(f"{level} dBFS {forward:.1f} and {back:.1f}" for level, (forward, back) in found.items())
    least = min(min(pair) for pair in found.values())
    figures = {str(level): {"forward": pair[0], "inverse": pair[1]} for level, pair in found.items()}
    return Bar(what, f"worst frame, forward and inverse: {told} dB", least >= _SNR_DB, figures)


def _speech(corpus: Corpus, geometry: Geometry) -> npt.NDArray[np.float64]:
    """Return noisy speech of the test split, 64 windows of it, (n,), with a peak of 1."""
    samples = noisy_speech(corpus, 64 * geometry.window // geometry.hop, geometry).astype(np.float64)
    scaled: npt.NDArray[np.float64] = samples / np.abs(samples).max()
    return scaled


def _frontier(folder: Path) -> list[Bar]:
    command = "blsh experiment frontier CORPUS"
    found, lacking = _read(folder / "frontier.json", command)
    try:
        bars = [] if found is None else [Bar(**{**bar, "what": f"quality {bar['what']}"}) for bar in _stated(found)]
    except (KeyError, TypeError, AttributeError):
        lacking = f"frontier.json cannot be read; run: {command}"
        bars = []
    return bars or [Bar("quality at 256 KiB in all, against the plain layout", lacking or "not measured", None)]


def _stated(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in bar.items() if key != "state"} for bar in found["data"]["bars"]]


def _read(path: Path, command: str) -> tuple[dict[str, Any] | None, str | None]:
    """Return the content of a result, or why there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None, f"not measured: no {path.name} in {path.parent.name}; run: {command}"
    except ValueError:
        found = None
    return (found, None) if isinstance(found, dict) else (None, f"{path.name} cannot be read; run: {command}")

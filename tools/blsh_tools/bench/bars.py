"""The firmware's budgets, each kept or not, from what the benchmarks left: `blsh bars-firmware`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import HOP, WINDOW
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW, costs_digest
from blsh_firmware.measure.bench_inputs import BUDGET_ENTRIES, noisy_speech
from blsh_tools.bench.firmware_costs import virtual_boards
from blsh_tools.bench.transform_snr import LEVELS_DBFS, transform_snrs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments.report_files import markdown_table, write_index
from blsh_trainer.experiments.verdict import Bar, state
from blsh_trainer.files import write_text_if_changed

NAME = "bars-firmware"
M0, M4, M55, SMALLEST = M0_ROW, "mps2-an386", "mps3-an547", "microbit"
_KIB = 1024
_SNR_DB = 65.0
_SHARE = 0.15
_EXEMPT = ("spectrum", "output", "neighbours")  # the two transforms and the search
_RAM_BYTES, _CODE_BYTES = 12 * _KIB, 16 * _KIB
_HOP_BYTES = 2 * HOP
_HOP_BUDGET = {M0: 500_000, M4: 160_000, M55: 80_000}
_FFT_BUDGET = {M0: 160_000, M4: 45_000, M55: 35_000}
_SEARCH_BUDGET = {M0: 16.0, M4: 8.0, M55: 1.5}
_SIZES_WITHIN, _INSTRUCTIONS_WITHIN = 0.01, 0.05

Row = Mapping[str, Any]


def firmware_bars(folder: Path, corpus: Corpus) -> list[Bar]:
    """Every bar: those of bench-firmware.json and frontier.json in `folder`, and the transforms' accuracy."""
    bars = [_snr(corpus)]
    bench, lacking = _read(folder / "bench-firmware.json", "make bench-firmware")
    if bench is not None and bench.get("firmware_sha256") != firmware_digest():
        bench, lacking = None, "measured with other sources; run: make bench-firmware"
    rows = {row["board"]: row for row in (bench or {}).get("rows", ()) if row["case"] == "budget"}
    bars += bench_bars(rows, virtual_boards(), lacking)
    if bench is not None and bench.get("costs_sha256") != costs_digest():
        lacking = "estimated with other costs; run: make bench-firmware"
    return bars + _frontier(folder) + estimate_bars((bench or {}).get("rows", ()), virtual_boards(), lacking)


def bench_bars(rows: Mapping[str, Row], boards: Sequence[str], lacking: str | None = None) -> list[Bar]:
    """The bars that `blsh bench-firmware` measures.

    rows: the budgets' model, by board. boards: all that there are. lacking: why there are no rows.
    """

    def judged(what: str, board: str, judge: Callable[[str, Row], Bar]) -> Bar:
        return judge(what, rows[board]) if board in rows else Bar(what, lacking or _unmeasured([board]), None)

    def of_all(what: str, judge: Callable[[str, Mapping[str, Row]], Bar]) -> Bar:
        missing = [board for board in boards if board not in rows]
        return Bar(what, lacking or _unmeasured(missing), None) if missing else judge(what, rows)

    found = [
        judged(f"FFT, forward and inverse: at most {most:,} instructions on {board}", board, _transforms(most))
        for board, most in _FFT_BUDGET.items()
    ]
    found += [
        judged(f"search: at most {most:g} instructions per entry on {board}", board, _search(most))
        for board, most in _SEARCH_BUDGET.items()
    ]
    others = f"no stage but the transforms and the search above {100 * _SHARE:g} % of a hop, on any board"
    found.append(of_all(others, _shares))
    found += [
        judged(f"whole hop: at most {most:,} instructions on {board}", board, _whole(most))
        for board, most in _HOP_BUDGET.items()
    ]
    found.append(of_all(f"RAM: state, stack and buffers at most {_RAM_BYTES:,} bytes, on every board", _ram))
    found.append(judged(f"it runs on {SMALLEST}, with 16 KiB of RAM", SMALLEST, _runs))
    found.append(judged(f"code: at most {_CODE_BYTES:,} bytes on {M4}", M4, _code))
    found.append(of_all("stack: what was painted over is at most what was computed, on every board", _stack))
    return found


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


# ---- the figures of bench-firmware.json -------------------------------------------------------------------------


def _transforms(most: int) -> Callable[[str, Row], Bar]:
    def judge(what: str, row: Row) -> Bar:
        counts = {name: of["maximum"] for name, of in row["instructions"]["transforms"].items()}
        told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        return Bar(what, told, max(counts.values()) <= most, counts)

    return judge


def _search(most: float) -> Callable[[str, Row], Bar]:
    def judge(what: str, row: Row) -> Bar:
        mean = row["instructions"]["search_per_entry"]
        worst = row["instructions"]["stages"]["neighbours"]["maximum"] / row["entries"]
        told = f"{mean:.2f}; {worst:.2f} at most; {row['entries']:,} entries"
        return Bar(what, told, mean <= most and row["entries"] == BUDGET_ENTRIES, {"mean": mean, "most": worst})

    return judge


def _whole(most: int) -> Callable[[str, Row], Bar]:
    def judge(what: str, row: Row) -> Bar:
        of = row["instructions"]
        told = f"{of['mean']:,}; {of['maximum']:,} at most; {of['millions_per_second']:.2f} million a second"
        met = of["mean"] <= most and row["entries"] == BUDGET_ENTRIES
        return Bar(what, told, met, {"mean": of["mean"], "most": of["maximum"]})

    return judge


def _shares(what: str, rows: Mapping[str, Row]) -> Bar:
    shares = {
        (board, stage): row["instructions"]["stages"][stage]["mean"] / row["instructions"]["mean"]
        for board, row in rows.items()
        for stage in STAGES
        if stage not in _EXEMPT
    }
    (board, stage), largest = max(shares.items(), key=lambda item: item[1])
    told = f"at most {100 * largest:.1f} %: {stage} on {board}"
    return Bar(what, told, largest <= _SHARE, {"share": round(largest, 4), "board": board, "stage": stage})


def _ram(what: str, rows: Mapping[str, Row]) -> Bar:
    image = {board: row["ram"]["state"] + row["ram"]["stack_computed"] for board, row in rows.items()}
    own = {board: row["ram"]["state"] + row["ram"]["stack_of_a_hop"] + _HOP_BYTES for board, row in rows.items()}
    board = max(image, key=lambda name: image[name])
    told = (
        f"{image[board]:,} on {board} (the server has {rows[board]['ram']['application']:,} more, its ring included); "
    )
    told += f"in one's own firmware at most {max(own.values()):,}"
    figures = {"image": image, "own_firmware": own}
    return Bar(what, told, max(*image.values(), *own.values()) <= _RAM_BYTES, figures)


def _runs(what: str, row: Row) -> Bar:
    taken = row["ram"]["state"] + row["ram"]["application"] + row["ram"]["stack_computed"]
    told = f"{taken:,} bytes in all with {row['entries']:,} entries; {row['instructions']['hops']} hops counted there"
    return Bar(what, told, taken <= 16 * _KIB, {"bytes": taken})


def _code(what: str, row: Row) -> Bar:
    flash = row["flash"]
    told = f"{flash['code']:,} with server and drivers; the core's functions {flash['core_code']:,}"
    return Bar(what, told, flash["code"] <= _CODE_BYTES, flash)


def _stack(what: str, rows: Mapping[str, Row]) -> Bar:
    pairs = {board: (row["ram"]["stack_painted"], row["ram"]["stack_computed"]) for board, row in rows.items()}
    told = "; ".join(f"{board} {painted:,} of {computed:,}" for board, (painted, computed) in pairs.items())
    return Bar(what, told, all(painted <= computed for painted, computed in pairs.values()), {"bytes": pairs})


def estimate_bars(rows: Sequence[Row], boards: Sequence[str], lacking: str | None = None) -> list[Bar]:
    """Estimated against built and measured: every board of `boards`, every case of `rows`."""
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


def _unmeasured(boards: Sequence[str]) -> str:
    return f"not measured on {', '.join(boards)}; run: make bench-firmware"


# ---- others ------------------------------------------------------------------------------------------------------


def _snr(corpus: Corpus) -> Bar:
    span = f"{LEVELS_DBFS[0]} to {LEVELS_DBFS[-1]} dBFS"
    what = f"transforms: SNR at least {_SNR_DB:g} dB against doubles, speech from {span}"
    found = transform_snrs(_speech(corpus))
    told = "; ".join(f"{level} dBFS {forward:.1f} and {back:.1f}" for level, (forward, back) in found.items())
    least = min(min(pair) for pair in found.values())
    figures = {str(level): {"forward": pair[0], "inverse": pair[1]} for level, pair in found.items()}
    return Bar(what, f"worst frame, forward and inverse: {told} dB", least >= _SNR_DB, figures)


def _speech(corpus: Corpus) -> npt.NDArray[np.float64]:
    """Noisy speech of the test split with a peak of 1."""
    samples = noisy_speech(corpus, 64 * WINDOW // HOP).astype(np.float64)
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
    """The contents of a result, or why there are none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None, f"not measured: no {path.name} in {path.parent.name}; run: {command}"
    except ValueError:
        found = None
    return (found, None) if isinstance(found, dict) else (None, f"{path.name} cannot be read; run: {command}")

# SPDX-License-Identifier: Apache-2.0
"""Write the results of `blsh bench-firmware` as a page, a JSON file and a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blsh_codegen.spec.stages import STAGES
from blsh_tools.bench.peer_costs import load_peer_costs
from blsh_tools.bench.search_growth import SearchCost, draw_growth
from blsh_trainer.experiments.report_files import markdown_table, write_index
from blsh_trainer.files import replacing, write_text_if_changed
from blsh_trainer.model.voting_model import VOTES
from blsh_trainer.signals.geometry import Geometry

NAME, PICTURE = "bench-firmware", "search-growth.png"
_CAPTIONS = {
    "budget": "The model of the budgets",
    "smallest": "The fixed cost: the same with as many entries as neighbours",
    "extended": "The extended system",
}
_M4_BOARD, _M0_CORE = "mps2-an386", "cortex-m0"


def write_bench(result: Mapping[str, Any], command: str, folder: Path) -> list[Path]:
    """Write page, JSON file and picture into `folder`, renew its index, and return the paths of the files."""
    files = [folder / f"{NAME}.md", folder / f"{NAME}.json"]
    if result["growth"]:
        files.append(folder / PICTURE)
        with replacing(files[-1]) as temporary:
            draw_growth([SearchCost(**cost) for cost in result["growth"]], temporary)
    write_text_if_changed(files[0], bench_page(result, command))
    write_text_if_changed(files[1], json.dumps({"command": command, **result}, indent=1, sort_keys=True) + "\n")
    write_index(folder)
    return files


def bench_page(result: Mapping[str, Any], command: str) -> str:
    """Return the page, in Markdown."""
    parts = ["# What the firmware costs", f"`{command}`", _method(result)]
    for case in _CAPTIONS:
        rows = [row for row in result["rows"] if row["case"] == case]
        if rows:
            parts += [
                f"## {_caption(case, result)}",
                _about(case, result),
                _costs(rows, result, whole=case == "budget"),
            ]
    parts += ["## Cycles, an estimate", _CYCLES, _cycles(result)]
    if result["growth"]:
        parts += ["## The search as the dictionary grows", _growth(result), f"![instructions per entry]({PICTURE})"]
    parts += ["## Beside other denoisers", _PEERS, _peers(result)]
    return "\n\n".join(parts) + "\n"


def _method(result: Mapping[str, Any]) -> str:
    return (
        f"Instructions of a hop, exact: counted by the emulator's clock "
        f"(`-icount shift={result['icount_shift']}`) after loops of known length came out right on the same board, and "
        "counted again by a plugin of the emulator's translator, hop by hop the same. Each figure of a stage holds the "
        "same handful for reading the counter. Where two figures stand, they are the mean and the most. "
        "**Instructions are not cycles.** "
        f"Noisy speech of the test split at 0 dB, corpus {result['corpus']}. How: docs/benchmarks.md."
    )


def _caption(case: str, result: Mapping[str, Any]) -> str:
    voting = case == "extended" and result["models"][case]["masks"] == VOTES
    return "The voting system" if voting else _CAPTIONS[case]


def _about(case: str, result: Mapping[str, Any]) -> str:
    model = result["models"]["extended" if case == "extended" else "budget"]
    masks = "votes for masks" if model["masks"] == VOTES else f"masks `{model['masks']}`"
    told = f"L = {model['bits']}, `{model['feature_kind']}`, K = {model['neighbours']}, {masks}; {_hop_of(model)}"
    if case == "budget":
        told += "; CMSIS-DSP's transforms destroy their input and apply no mask; q31 needs a second buffer of 8 KiB"
    return f"{told}."


def _hop_of(model: Mapping[str, Any]) -> str:
    geometry = Geometry(*model["geometry"])
    return f"a hop is {geometry.hop} samples, {1000 * geometry.hop_s:g} ms"


def _costs(rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any], whole: bool) -> str:
    header = ["", *(f"{row['board']} ({row['core']})" if "on " not in row["board"] else row["board"] for row in rows)]
    counts = [row["instructions"] for row in rows]
    lines = [["entries", *(f"{row['entries']:,}" for row in rows)]]
    for stage in STAGES:
        lines.append([stage, *(_both(of["stages"][stage]) for of in counts)])
    lines.append(["**whole hop**", *(_both(of) for of in counts)])
    lines.append(["million a second", *(f"{of['millions_per_second']:.2f}" for of in counts)])
    if whole:
        lines += _beside(rows, result)
    for title, part, field in _BYTES:
        lines.append([title, *(f"{row[part][field]:,}" for row in rows)])
    return markdown_table(header, lines)


_BYTES = (
    ("flash: code", "flash", "code"),
    ("... of it the core", "flash", "core_code"),
    ("flash: tables", "flash", "tables"),
    ("RAM: state", "ram", "state"),
    ("RAM: application", "ram", "application"),
    ("stack, computed", "ram", "stack_computed"),
    ("stack, painted", "ram", "stack_painted"),
    ("stack of a hop alone", "ram", "stack_of_a_hop"),
)


def _beside(rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> list[list[str]]:
    lines = []
    cmsis = result["cmsis"]
    for name in ("forward", "inverse"):
        lines.append([f"FFT, {name}", *(_both(row["instructions"]["transforms"][name]) for row in rows)])
        for form in ("q15", "q31"):
            found = [cmsis.get("cores", {}).get(row["core"], {}).get(f"{form}_{name}") for row in rows]
            lines.append([f"... CMSIS-DSP {form}", *(f"{count:,}" if count else "not built" for count in found)])
    if "not_built" in cmsis:
        lines[1][1] += f": {cmsis['not_built']}"
    plain = {cost["core"]: cost["plain"] for cost in result["search"]}
    lines.append(["search, per entry", *(f"{row['instructions']['search_per_entry']:.2f}" for row in rows)])
    lines.append(
        ["... plain scan", *(f"{plain[row['core']]:.2f}" if row["core"] in plain else "not built" for row in rows)]
    )
    return lines


def _both(of: Mapping[str, int]) -> str:
    return f"{of['mean']:,}" if of["mean"] == of["maximum"] else f"{of['mean']:,} / {of['maximum']:,}"


_CYCLES = (
    "From the mix of instructions that the plugin counted: costs of each class, flash besides (docs/benchmarks.md). "
    "The budgets' model on the rows above. The clock is what real time takes."
)


def _cycles(result: Mapping[str, Any]) -> str:
    lines = []
    for row in result["rows"]:
        if row["case"] == "budget" and row["cycles"]:
            for which in ("best", "worst"):
                of = row["cycles"][which]
                lines.append(
                    [row["cycles"]["core"], row["board"], of["when"], f"{of['cycles']:,}", f"{of['mhz']:.1f} MHz"]
                )
    return markdown_table(["core", "measured on", "if", "cycles a hop", "clock"], lines)


def _growth(result: Mapping[str, Any]) -> str:
    cores = list(dict.fromkeys(cost["core"] for cost in result["growth"]))
    header = ["entries", *(f"{core}: ours, most / plain" for core in cores)]
    found = {(cost["core"], cost["entries"]): cost for cost in result["growth"]}
    lines = []
    for size in dict.fromkeys(cost["entries"] for cost in result["growth"]):
        told = [found[core, size] for core in cores]
        lines.append([f"{size:,}", *(f"{c['ours']:.2f}, {c['ours_most']:.2f} / {c['plain']:.2f}" for c in told)])
    words = "Instructions per entry, mean and most over the queries; the answers were compared with the plain scan's."
    return f"{words}\n\n{markdown_table(header, lines)}"


_PEERS = (
    "Their figures were measured for this project with the same emulator and compiler at -O2, on a synthetic voice in "
    "noise; nothing of theirs is in this repository. What they do to speech: [peers](peers.md)."
)


def _peers(result: Mapping[str, Any]) -> str:
    header = ["denoiser", "M4, million a second", "M0", "RAM, KB"]
    by_title = {peer.title: peer for peer in load_peer_costs()}  # the last version where a denoiser has two
    lines = [[peer.title, peer.m4, peer.m0 or "-", peer.ram_kb] for peer in by_title.values()]
    for case in ("budget", "extended"):
        of = {row["board"]: row for row in result["rows"] if row["case"] == case}
        if _M4_BOARD in of:
            on_m0 = next((row for row in of.values() if row["core"] == _M0_CORE), None)
            ram, buffer = of[_M4_BOARD]["ram"], 2 * of[_M4_BOARD]["hop"]
            lines.append(
                [
                    f"ours, {_caption(case, result).lower()}, {of[_M4_BOARD]['entries']:,} entries",
                    f"{of[_M4_BOARD]['instructions']['millions_per_second']:.1f}",
                    "-" if on_m0 is None else f"{on_m0['instructions']['millions_per_second']:.1f}",
                    f"{(ram['state'] + ram['stack_computed'] + buffer) / 1000:.1f} (state, stack, one hop)",
                ]
            )
    return markdown_table(header, lines)

# SPDX-License-Identifier: Apache-2.0
"""What `blsh experiment dense` tells: the network and the look-up, figure by figure."""

from collections.abc import Mapping
from typing import Any, Final

from blsh_trainer.evaluation.behaviours import BEHAVIOURS
from blsh_trainer.evaluation.metrics import METRICS, Notation
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.settings import ImageCost

NETWORK: Final = "model"
"""The network's name among the scored systems, where `blsh evaluate` has the model."""
LOOKUP: Final = "look-up"

_NOTES = (
    "The network has two layers of int8 weights on the features of the look-up. It is trained with the options on the "
    "look-up's card: the same scenes, loss, optimiser and steps.",
    "Both are scored in floats, the network with its weights rounded, on the mixtures of [peers](peers.md) and by the "
    "[measures](../measures.md) of behaviour. Differences are means over the mixtures, with 95 % intervals.",
    "The network has not been written for the firmware: its instructions are those of the look-up's hop without "
    "code, search and votes of its own, and its products at the measured cost of the core's dot products. To rectify a "
    "unit is taken to cost what a projection's thresholds cost. Its flash is that of the firmware, with the search's "
    "code, and of its own tables.",
    "The width is the largest multiple of eight with which the network costs no more than the look-up on M4.",
)


def dense_report(data: dict[str, Any], costs: Mapping[str, ImageCost], command: str) -> Report:
    """Return the report of scores and costs; `costs` are those of NETWORK and of LOOKUP."""
    rows = [*_cost_rows(data, costs), *_score_rows(data), *_behaviour_rows(data)]
    header = ["figure", "dense network", "look-up", "network less look-up"]
    at_zero = next(d for d in data["against_lookup"] if (d["metric"], d["snr_db"]) == ("si_sdr_db", 0.0))
    finding = (
        f"a dense network of {data['network']['width']} units, of the look-up's cost on M4: SI-SDR at 0 dB "
        f"{_interval(METRICS['si_sdr_db'].shown, at_zero)} dB from the look-up's"
    )
    title = "A dense network of the look-up's cost"
    return Report("dense", title, command, finding, _NOTES, header, rows, [header, *rows], data)


def _cost_rows(data: dict[str, Any], costs: Mapping[str, ImageCost]) -> list[list[str]]:
    network, lookup = costs[NETWORK], costs[LOOKUP]
    rows = [["hidden units", str(data["network"]["width"]), "", ""]]
    for core, width in data["network"]["widths_of_equal_cost"].items():
        ours, theirs = network.millions_per_second[core], lookup.millions_per_second[core]
        told = f"{ours - theirs:+.1f}; equal with {width} units" if width else f"{ours - theirs:+.1f}; equal with none"
        rows.append([f"M instructions/s on {core}", f"{ours:.1f}", f"{theirs:.1f}", told])
    for what, ours, theirs in (
        ("bytes of flash", network.flash_bytes, lookup.flash_bytes),
        ("bytes of RAM", network.ram_bytes, lookup.ram_bytes),
    ):
        rows.append([what, f"{ours:,}", f"{theirs:,}", f"{ours - theirs:+,}"])
    return rows


def _score_rows(data: dict[str, Any]) -> list[list[str]]:
    means = {(each["system"], each["metric"], each["snr_db"]): each["mean"] for each in data["summary"]}
    rows = []
    for each in data["against_lookup"]:
        metric, snr_db = each["metric"], each["snr_db"]
        shown = METRICS[metric].shown
        figures = [_figure(shown, means[system, metric, snr_db]) for system in (NETWORK, LOOKUP)]
        rows.append([f"{_titled(shown)} at {snr_db:g} dB", *figures, _interval(shown, each)])
    return rows


def _behaviour_rows(data: dict[str, Any]) -> list[list[str]]:
    theirs = {_key(each): each["mean"] for each in data["lookup_behaviours"]["means"]}
    rows = []
    for each in data["behaviours"]["means"]:
        shown = BEHAVIOURS[each["behaviour"]].shown[each["figure"]]
        figures = [_figure(shown, mean) for mean in (each["mean"], theirs[_key(each)])]
        rows.append([f"{each['behaviour']}, {each['group']}: {_titled(shown)}", *figures, ""])
    return rows


def _key(each: Mapping[str, Any]) -> tuple[str, str, str]:
    return each["behaviour"], each["group"], each["figure"]


def _titled(shown: Notation) -> str:
    return f"{shown.title}, {shown.unit}" if shown.unit else shown.title


def _figure(shown: Notation, value: float | None) -> str:
    return "undefined" if value is None else shown.figure(value)


def _interval(shown: Notation, each: Mapping[str, Any]) -> str:
    if each["mean"] is None:
        return "undefined"
    return shown.estimate(each["mean"], each["low"], each["high"], "+")

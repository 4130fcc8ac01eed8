# SPDX-License-Identifier: Apache-2.0
"""Quality and cost against latency: a picture, and the table of docs/choosing.md, from bars-geometry.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from blsh_hil.wire.markdown import table, with_written_part
from blsh_tools.bench.class_quality import JUDGED_SNR_DB, SCORES
from blsh_tools.bench.peer_costs import load_peer_costs
from blsh_tools.bench.quality_points import peer_points
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.protocols import PEERS_RATE_HZ
from blsh_trainer.experiments.drawing import Point, draw_points
from blsh_trainer.files import replacing
from blsh_trainer.signals.geometry import CLASSES, Geometry

NAME: Final = "bars-geometry"
PICTURE: Final = "latency.png"
DOCUMENT: Final = "choosing.md"
WRITER: Final = f"blsh {NAME}"
HEADER: Final = (
    *("class", "latency", "rate, N / H / M", "SI-SDR, dB", "PESQ", "ESTOI"),
    *("M instr/s on M4", "on M0", "RAM, bytes", "flash, bytes"),
)

Class = Mapping[str, Any]
"""The figures of a class, as bars-geometry.json has them."""


def latency_rows(classes: Mapping[str, Class]) -> list[list[str]]:
    """Return the lines of the table with the columns HEADER, one for each class."""
    return [_row(name, each) for name, each in _in_order(classes).items()]


def renewed(text: str, classes: Mapping[str, Class] | None, results: str = "results") -> str:
    """Return the `text` of docs/choosing.md with its written part renewed.

    classes: of bars-geometry.json; None: there is no such file. results: the folder of the results, from that page.
    """
    if not classes:
        return with_written_part(text, [f"Not measured yet: run `{WRITER}`."], WRITER)
    notes = (
        f"Quality on the 60 mixtures of `test` at {JUDGED_SNR_DB:g} dB, in the firmware's integers; cost of the same "
        "models, measured on noisy speech in the emulator. RAM is state, stack and one hop of samples, flash the whole "
        f"image with this project's serial server, both on the M4. The bars: [{NAME}]({results}/{NAME}.md)."
    )
    narrow = [name for name, each in _in_order(classes).items() if _geometry(each).rate_hz != PEERS_RATE_HZ]
    if narrow:
        notes += f" {', '.join(narrow)}: PESQ is narrow-band, so no figure of quality compares with the others'."
    picture = f"![quality and instructions against latency]({results}/{PICTURE})"
    return with_written_part(text, [table(HEADER, latency_rows(classes)), notes, picture], WRITER)


def draw_latency(classes: Mapping[str, Class], command: str, path: Path) -> None:
    """Draw quality at 0 dB and instructions against latency into the PNG `path`, the peers' quality beside ours.

    Classes at another rate than the peers' have no quality that compares, and are drawn by their instructions alone.
    """
    classes = _in_order(classes)
    panels: dict[str, list[Point]] = {}
    of_peers = {peer.title: peer for peer in load_peer_costs()}
    for metric in SCORES:
        notation = METRICS[metric].shown
        unit = f", {notation.unit}" if notation.unit else ""
        points = [
            _point(name, _latency_ms(each), _quality(each)[metric]["mean"])
            for name, each in classes.items()
            if _geometry(each).rate_hz == PEERS_RATE_HZ
        ]
        for peer in peer_points():
            late = float(of_peers[peer.name].latency_ms)
            figure = peer.figures[metric]
            points.append(Point(peer.name, late, late, float("nan") if figure is None else figure, ours=False))
        panels[f"{notation.title}{unit}, at {JUDGED_SNR_DB:g} dB"] = points
    panels["M instructions/s on Cortex-M4"] = [
        _point(name, _latency_ms(each), each["costs"]["millions"]["M4"]) for name, each in classes.items()
    ]
    footer = f"{command}\nSquares: ours, in the firmware's integers. Circles: other denoisers (docs/results/peers.md)."
    with replacing(path) as temporary:
        draw_points(panels, temporary, footer, "latency, ms")


def read_classes(file: Path) -> dict[str, Class] | None:
    """Return the classes of bars-geometry.json, None where there is no such file."""
    try:
        found: dict[str, Class] = json.loads(file.read_text(encoding="utf-8"))["classes"]
    except FileNotFoundError:
        return None
    return found


def _in_order(classes: Mapping[str, Class]) -> dict[str, Class]:
    """Return classes in the order of CLASSES; the JSON file has them in that of the alphabet."""
    return {name: classes[name] for name in CLASSES if name in classes}


def _row(name: str, of: Class) -> list[str]:
    geometry, costs = _geometry(of), of["costs"]
    quality = [_told(metric, of) for metric in SCORES]
    sizes = f"{geometry.window} / {geometry.hop} / {geometry.synthesis}"
    millions = [f"{costs['millions'][core]:.1f}" for core in ("M4", "M0")]
    return [
        f"`{name}`",
        f"{_latency_ms(of):g} ms",
        f"{geometry.rate_hz / 1000:g} kHz, {sizes}",
        *quality,
        *millions,
        f"{costs['ram_bytes']:,}",
        f"{costs['flash_bytes']:,}",
    ]


def _told(metric: str, of: Class) -> str:
    notation = METRICS[metric].shown_at(_geometry(of).rate_hz)
    figure = notation.figure(_quality(of)[metric]["mean"])
    return figure if notation == METRICS[metric].shown else f"{figure} ({notation.title})"


def _quality(of: Class) -> Mapping[str, Any]:
    found: Mapping[str, Any] = of["quality"][f"{JUDGED_SNR_DB:g}"]
    return found


def _geometry(of: Class) -> Geometry:
    return Geometry(*of["geometry"])


def _latency_ms(of: Class) -> float:
    return 1000 * _geometry(of).latency_s


def _point(name: str, latency_ms: float, value: float) -> Point:
    return Point(name, latency_ms, latency_ms, value, ours=True)

# SPDX-License-Identifier: Apache-2.0
"""Quality against instructions on a Cortex-M4, of our models and of other denoisers: as a picture and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from blsh_tools.bench.peer_costs import load_peer_costs
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import load_peer_scores, load_recipes
from blsh_trainer.evaluation.protocols import PEERS
from blsh_trainer.experiments.drawing import Point, draw_points
from blsh_trainer.experiments.report_files import write_index
from blsh_trainer.files import replacing, write_text_if_changed

NAME: Final = "quality"
METRICS_SHOWN: Final = ("si_sdr_db", "pesq", "estoi")
_SNR_DB = 0.0
_MODEL = "model"
_MAKE = "blsh evaluate MODEL CORPUS --peers -o FILE"


@dataclass(frozen=True)
class QualityPoint:
    """A denoiser: its figures at 0 dB by metric (None: not scored) and its million instructions a second on M4.

    ours: whether it looks its masks up.
    """

    name: str
    ours: bool
    m4_low: float
    m4_high: float
    figures: dict[str, float | None]


def peer_points() -> list[QualityPoint]:
    """Return a point for each peer; the last version where a denoiser has two."""
    by_title = {peer.title: peer for peer in load_peer_costs()}
    points = []
    for peer in by_title.values():
        rows = [s.figures for s in load_peer_scores() if (s.system, s.snr_db) == (peer.peer, _SNR_DB)]
        means = {name: float(np.mean([row[name] for row in rows])) for name in METRICS_SHOWN}
        points.append(QualityPoint(peer.title, False, *peer.m4_range, {n: _known(mean) for n, mean in means.items()}))
    return points


def our_point(file: Path) -> QualityPoint:
    """Return the point of a file that `blsh evaluate --peers -o` wrote; its name is the file's, without the suffix.

    The file may be that of `blsh experiment dense`, too, whose network is not ours.
    BlshError for a file that is missing or another one, or that lacks a metric, mixtures, or 0 dB.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        found = found["data"] if "experiment" in found else found
        mixtures, cost = found["mixtures"], float(found["costs"]["millions"]["M4"])
        whole = (mixtures["protocol"], mixtures["mixtures"]) == (PEERS, len(load_recipes()))
        means = {
            each["metric"]: float(each["mean"])
            for each in found["summary"]
            if (each["system"], each["snr_db"]) == (_MODEL, _SNR_DB)
        }
        figures: dict[str, float | None] = {name: means[name] for name in METRICS_SHOWN}
    except OSError as error:
        raise BlshError(f"cannot read {file}: {error.strerror or error}; make it with: {_MAKE}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        wanted = ", ".join(METRICS_SHOWN)
        raise BlshError(
            f"{file} has no figures of {wanted} and costs at {_SNR_DB:g} dB; make it with: {_MAKE}"
        ) from error
    if not whole:
        raise BlshError(f"{file} is not of all {len(load_recipes())} mixtures of the peers; make it with: {_MAKE}")
    return QualityPoint(file.stem, "network" not in found, cost, cost, figures)


def write_points(points: Sequence[QualityPoint], command: str, folder: Path) -> list[Path]:
    """Write quality.png and quality.json into `folder`, renew its index, and return the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    panels = {}
    for name in METRICS_SHOWN:
        notation = METRICS[name].shown
        title = f"{notation.title}, {notation.unit}" if notation.unit else notation.title
        panels[f"{title}, at {_SNR_DB:g} dB"] = [
            Point(each.name, each.m4_low, each.m4_high, _drawn(each.figures[name]), each.ours) for each in points
        ]
    footer = (
        f"{command}\n{len(load_recipes())} mixtures, each denoiser on the same (docs/results/peers.md). "
        "Squares: ours, in the firmware's integers; a dense network: in floats. "
        "A line beside a circle: from optimised to plain builds."
    )
    picture = folder / f"{NAME}.png"
    with replacing(picture) as temporary:
        draw_points(panels, temporary, footer, "M instructions/s on Cortex-M4")
    data: dict[str, Any] = {"command": command, "snr_db": _SNR_DB, "points": [asdict(point) for point in points]}
    written = write_text_if_changed(folder / f"{NAME}.json", json.dumps(data, indent=1, sort_keys=True) + "\n")
    write_index(folder)
    return [picture, written]


def _known(mean: float) -> float | None:
    return mean if np.isfinite(mean) else None


def _drawn(figure: float | None) -> float:
    return float("nan") if figure is None else figure

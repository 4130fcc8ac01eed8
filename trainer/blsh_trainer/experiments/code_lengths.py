# SPDX-License-Identifier: Apache-2.0
"""Figures 3 and 4: improvement against the length of the code."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.evaluation.bootstrap import MeanInterval
from blsh_trainer.experiments.compared_systems import FEATURES, Spec, hashed
from blsh_trainer.experiments.drawing import Axes, Curve, draw_curves
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import Condition, Scored, drawn_condition, score_seeds
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import CENTRED, DEFAULT, PAPER, PLAIN, LearnerChoice, rbf, workshop_for

METRICS = ("sdr_db", "si_sdr_db")
WIDTHS = (0.9, 0.5, 0.1)
"""The sigma squared of fig. 4."""
_FIG3_SEEDS, _FIG4_SEEDS = 5, 3
_FIG3 = {
    "BLSH, default learner": DEFAULT,
    "BLSH, the paper's AdaBoost": PAPER,
    "LSH, centred": CENTRED,
    "LSH, plain": PLAIN,
}
_FIG4 = {"SSM target (linear)": PAPER, **{f"RBF target, σ² = {width:g}": rbf(width) for width in WIDTHS}}
_KNN = "KNN on the features"


@dataclass(frozen=True)
class _Sweep:
    """Learners scored over the lengths of a code; each panel is a kind of features and a share of the dictionary."""

    panels: Mapping[str, tuple[str, float]]
    learners: Mapping[str, LearnerChoice]
    scored: Scored
    condition: Condition
    settings: Settings
    seeds: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of the codes."""
        return self.settings.sizes.lengths

    def interval(self, spec: Spec, metric: str = "sdr_db") -> MeanInterval:
        """Return a system's mean improvement."""
        return self.scored.gain(spec, self.condition, metric)

    def gain(self, learner: LearnerChoice, panel: tuple[str, float], bits: int) -> float:
        """Return a learner's mean improvement of the SDR, in dB."""
        return self.interval(hashed(learner, panel[0], bits, panel[1])).mean

    def knn(self, panel: tuple[str, float]) -> float:
        """Return raw KNN's mean improvement of the SDR, in dB."""
        return self.interval(_knn(panel)).mean


def fig3(settings: Settings) -> Report:
    """Draw Fig. 3: BLSH, LSH and KNN on both features at both sizes of the dictionary."""
    panels = {f"{kind}, ρ = {share:g}": (kind, share) for share in settings.sizes.shares for kind in FEATURES}
    sweep = _scored("fig3", panels, _FIG3, settings, _FIG3_SEEDS)
    above = sum(
        min(sweep.gain(DEFAULT, panel, bits) - sweep.gain(rival, panel, bits) for rival in (CENTRED, PLAIN)) > 0
        for panel in panels.values()
        for bits in sweep.lengths
    )
    crossings = ", ".join(f"{_crossing(sweep, panel)} ({title})" for title, panel in panels.items())
    finding = (
        f"BLSH (default learner) lies above both LSH variants in {above} of {len(panels) * len(sweep.lengths)} places, "
        f"and passes raw KNN at {crossings}"
    )
    return _report("fig3", "Fig. 3: improvement of the SDR against the bits of a code", finding, sweep)


def fig4(settings: Settings) -> Report:
    """Draw Fig. 4: RBF targets of three widths against the linear one, in the paper's learner."""
    panels = {f"stft, ρ = {share:g}": ("stft", share) for share in settings.sizes.shares}
    sweep = _scored("fig4", panels, _FIG4, settings, _FIG4_SEEDS)
    longest, panel = max(sweep.lengths), next(iter(panels.values()))
    gains = {label: sweep.gain(learner, panel, longest) for label, learner in _FIG4.items()}
    ranked = ", ".join(f"{label} {gain:+.2f} dB" for label, gain in sorted(gains.items(), key=lambda pair: -pair[1]))
    finding = f"the paper's learner on stft at L = {longest}, ρ = {panel[1]:g}, SDR: {ranked}"
    title = "Fig. 4: improvement of the SDR with RBF targets, against the bits of a code"
    return _report("fig4", title, finding, sweep)


def _scored(
    name: str,
    panels: Mapping[str, tuple[str, float]],
    learners: Mapping[str, LearnerChoice],
    settings: Settings,
    usual_seeds: int,
) -> _Sweep:
    chosen, seeds = drawn_condition(settings, 0.0, METRICS), settings.seeds_or(usual_seeds)
    specs = [_knn(panel) for panel in panels.values()]
    specs += [
        hashed(learner, kind, bits, share)
        for kind, share in panels.values()
        for learner in learners.values()
        for bits in settings.sizes.lengths
    ]
    scored = score_seeds(name, specs, [chosen], seeds, workshop_for(settings), settings)
    return _Sweep(panels, learners, scored, chosen, settings, len(seeds))


def _knn(panel: tuple[str, float]) -> Spec:
    kind, share = panel
    return Spec("knn", kind, dictionary=share)


def _crossing(sweep: _Sweep, panel: tuple[str, float]) -> str:
    """Return in words the shortest code with which BLSH lies above raw KNN."""
    level = sweep.knn(panel)
    passed = [bits for bits in sweep.lengths if sweep.gain(DEFAULT, panel, bits) > level]
    return f"L = {passed[0]}" if passed else f"no L up to {max(sweep.lengths)}"


def _report(name: str, title: str, finding: str, sweep: _Sweep) -> Report:
    header = ["panel", "system", "bits", "metric", "improvement_db", "deviation_of_seeds", "low", "high", "seeds"]
    table = [header, *_table(sweep)]
    rows = [[*map(str, row[:4]), f"{float(row[4]):+.2f}"] for row in table[1:] if row[3] == "sdr_db"]
    settings = sweep.settings
    notes = [
        f"{settings.count} mixtures of the test split at 0 dB, K = {settings.sizes.neighbours}; mean and "
        f"deviation (shaded) over {sweep.seeds} draws of hash and dictionary. The CSV has SI-SDR, too."
    ]
    draw = partial(_draw, _curves(sweep), f"{settings.command}\n{notes[0]}")
    data = {"corpus_sha256": settings.corpus.sha256, "seeds": sweep.seeds, "mixtures": settings.count}
    return Report(name, title, settings.command, finding, notes, header[:5], rows, table, data, draw)


def _table(sweep: _Sweep) -> Iterator[list[Any]]:
    """Yield a row for each panel, system, length and metric."""
    for title, (kind, share) in sweep.panels.items():
        systems = [(_KNN, _knn((kind, share)))]
        systems += [
            (label, hashed(learner, kind, bits, share))
            for label, learner in sweep.learners.items()
            for bits in sweep.lengths
        ]
        for label, spec in systems:
            for metric in METRICS:
                found = sweep.interval(spec, metric)
                figures = (found.mean, found.deviation, found.low, found.high)
                yield [title, label, spec.bits or "", metric, *map(repr, figures), found.seeds]


def _curves(sweep: _Sweep) -> dict[str, list[Curve]]:
    """Return the curves of each panel: raw KNN as a level, then the learners."""
    curves = {}
    for title, (kind, share) in sweep.panels.items():
        curves[title] = [Curve(_KNN, np.zeros(1), np.array([sweep.knn((kind, share))]), level=True)]
        for label, learner in sweep.learners.items():
            found = [sweep.interval(hashed(learner, kind, bits, share)) for bits in sweep.lengths]
            places = np.array(sweep.lengths, dtype=np.float64)
            means, spread = (np.array([getattr(each, part) for each in found]) for part in ("mean", "deviation"))
            curves[title].append(Curve(label, places, means, spread))
    return curves


def _draw(curves: Mapping[str, Sequence[Curve]], footer: str, path: Path) -> None:
    draw_curves(curves, path, footer, Axes("bits of a code, L", "improvement of the SDR, dB"))

"""Figures 3 and 4: improvement against the length of the code."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from blsh_trainer.experiments.drawing import Curve, draw_curves
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import Condition, Spec
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.summaries import FEATURES, Scored, drawn_condition, hashed, score_seeds, workshop_for
from blsh_trainer.experiments.workshop import CENTRED, DEFAULT, PAPER, PLAIN, Learner, rbf

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


def fig3(settings: Settings) -> Report:
    """Fig. 3: BLSH, LSH and KNN on both features at both sizes of the dictionary."""
    panels = {f"{kind}, ρ = {share:g}": (kind, share) for share in settings.sizes.shares for kind in FEATURES}
    scored, chosen = _scored("fig3", panels, _FIG3, settings, _FIG3_SEEDS)
    lengths = settings.sizes.lengths
    above = sum(
        min(
            _gain(scored, chosen, DEFAULT, place, bits) - _gain(scored, chosen, rival, place, bits)
            for rival in (CENTRED, PLAIN)
        )
        > 0
        for place in panels.values()
        for bits in lengths
    )
    crossings = ", ".join(f"{_crossing(scored, chosen, at, lengths)} ({title})" for title, at in panels.items())
    finding = (
        f"BLSH (default learner) lies above both LSH variants in {above} of {len(panels) * len(lengths)} places, "
        f"and passes raw KNN at {crossings}"
    )
    title = "Fig. 3: improvement of the SDR against the bits of a code"
    return _report("fig3", title, finding, panels, _FIG3, scored, chosen, settings, _FIG3_SEEDS)


def fig4(settings: Settings) -> Report:
    """Fig. 4: RBF targets of three widths against the linear one, in the paper's learner."""
    panels = {f"stft, ρ = {share:g}": ("stft", share) for share in settings.sizes.shares}
    scored, chosen = _scored("fig4", panels, _FIG4, settings, _FIG4_SEEDS)
    longest, place = max(settings.sizes.lengths), next(iter(panels.values()))
    gains = {label: _gain(scored, chosen, learner, place, longest) for label, learner in _FIG4.items()}
    ranked = ", ".join(f"{label} {gain:+.2f} dB" for label, gain in sorted(gains.items(), key=lambda pair: -pair[1]))
    finding = f"the paper's learner on stft at L = {longest}, ρ = {place[1]:g}, SDR: {ranked}"
    title = "Fig. 4: improvement of the SDR with RBF targets, against the bits of a code"
    return _report("fig4", title, finding, panels, _FIG4, scored, chosen, settings, _FIG4_SEEDS)


def _scored(
    name: str,
    panels: Mapping[str, tuple[str, float]],
    learners: Mapping[str, Learner],
    settings: Settings,
    seeds: int,
) -> tuple[Scored, Condition]:
    chosen = drawn_condition(settings, 0.0, METRICS)
    specs = [Spec("knn", kind, dictionary=share) for kind, share in panels.values()]
    specs += [
        hashed(learner, kind, bits, share)
        for kind, share in panels.values()
        for learner in learners.values()
        for bits in settings.sizes.lengths
    ]
    return score_seeds(name, specs, [chosen], settings.seeds_or(seeds), workshop_for(settings), settings), chosen


def _gain(scored: Scored, chosen: Condition, learner: Learner, place: tuple[str, float], bits: int) -> float:
    return scored.gain(hashed(learner, place[0], bits, place[1]), chosen, "sdr_db").mean


def _crossing(scored: Scored, chosen: Condition, place: tuple[str, float], lengths: Sequence[int]) -> str:
    level = scored.gain(Spec("knn", place[0], dictionary=place[1]), chosen, "sdr_db").mean
    passed = [bits for bits in lengths if _gain(scored, chosen, DEFAULT, place, bits) > level]
    return f"L = {passed[0]}" if passed else f"no L up to {max(lengths)}"


def _report(
    name: str,
    title: str,
    finding: str,
    panels: Mapping[str, tuple[str, float]],
    learners: Mapping[str, Learner],
    scored: Scored,
    chosen: Condition,
    settings: Settings,
    seeds: int,
) -> Report:
    header = ["panel", "system", "bits", "metric", "improvement_db", "deviation_of_seeds", "low", "high", "seeds"]
    table: list[list[Any]] = [header]
    curves: dict[str, list[Curve]] = {}
    for panel, (kind, share) in panels.items():
        knn = Spec("knn", kind, dictionary=share)
        level = scored.gain(knn, chosen, "sdr_db").mean
        curves[panel] = [Curve(_KNN, np.zeros(1), np.array([level]), level=True)]
        systems = [(_KNN, [knn])]
        systems += [
            (label, [hashed(x, kind, bits, share) for bits in settings.sizes.lengths]) for label, x in learners.items()
        ]
        for label, specs in systems:
            for spec in specs:
                for metric in METRICS:
                    found = scored.gain(spec, chosen, metric)
                    figures = (found.mean, found.deviation, found.low, found.high)
                    table.append([panel, label, spec.bits or "", metric, *map(repr, figures), found.seeds])
            if label != _KNN:
                found_all = [scored.gain(spec, chosen, "sdr_db") for spec in specs]
                places = np.array(settings.sizes.lengths, dtype=np.float64)
                means, spread = (np.array([getattr(f, part) for f in found_all]) for part in ("mean", "deviation"))
                curves[panel].append(Curve(label, places, means, spread))
    count = len(settings.seeds_or(seeds))
    notes = [
        f"{settings.count} mixtures of the test split at 0 dB, K = {settings.sizes.neighbours}; mean and "
        f"deviation (shaded) over {count} draws of hash and dictionary. The CSV has SI-SDR, too."
    ]
    footer = f"{settings.command}\n{notes[0]}"
    draw = partial(_draw, curves, footer)
    data = {"corpus_sha256": settings.corpus.sha256, "seeds": count, "mixtures": settings.count}
    return Report(name, title, settings.command, finding, notes, header[:5], _lines(table), table, data, draw)


def _draw(curves: Mapping[str, Sequence[Curve]], footer: str, path: Any) -> None:
    draw_curves(curves, path, footer, "bits of a code, L", "improvement of the SDR, dB")


def _lines(table: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[str(cell) for cell in row[:4]] + [f"{float(row[4]):+.2f}"] for row in table[1:] if row[3] == "sdr_db"]

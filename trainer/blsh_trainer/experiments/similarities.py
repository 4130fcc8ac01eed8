# SPDX-License-Identifier: Apache-2.0
"""Figures 2, 5 and 6: the similarity of frames by their codes, and the weights of the bits."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.experiments.code_lengths import WIDTHS
from blsh_trainer.experiments.drawing import Axes, Curve, draw_curves, draw_matrices
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import TEST_SEED
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import DEFAULT, PAPER, Hash, LearnerChoice, rbf, workshop_for
from blsh_trainer.learning.pair_forms import target_similarity
from blsh_trainer.signals.features import features, l2_normalise
from blsh_trainer.signals.spectra import stft

SEED = 0
_LABELS = {"default learner": DEFAULT, "the paper's AdaBoost": PAPER}


def fig2(settings: Settings) -> Report:
    """Draw Fig. 2: the self-similarity of codes of growing length beside that of the frames themselves."""
    workshop = workshop_for(settings)
    workshop.prepare([(learner, "stft", SEED, None) for learner in _LABELS.values()], settings.jobs)
    H = shown_frames(settings, "stft")
    target = H @ H.T
    matrices: list[tuple[str, FloatArray]] = []
    table: list[list[Any]] = [["learner", "bits", "correlation_with_truth"]]
    for label, learner in _LABELS.items():
        codes = _signs(workshop.hash(learner, "stft", SEED), H)
        for bits in settings.sizes.similarity_lengths:
            similar = 0.5 + codes[:, :bits] @ codes[:, :bits].T / (2 * bits)
            found = correlation(similar, target)
            matrices.append((f"{label}\nL = {bits}, r = {found:.2f}", similar))
            table.append([label, bits, repr(found)])
        matrices.append(("truth: cosine similarity\nof the stft frames", target))
    last = {label: [row for row in table[1:] if row[0] == label][-1] for label in _LABELS}
    finding = "correlation of the codes' similarity with the frames' own at the longest code: " + ", ".join(
        f"{float(row[2]):.2f} ({label}, L = {row[1]})" for label, row in last.items()
    )
    notes = [
        f"{len(H)} successive frames of a test mixture at 0 dB; similarity is the share of equal bits, white the "
        "highest; r: correlation with the truth over all pairs. The default learner aims at masks, not at this."
    ]
    return _report("fig2", "Fig. 2: self-similarity of codes", finding, notes, table, matrices, 4, settings)


def fig5(settings: Settings) -> Report:
    """Draw Fig. 5: targets, and the beta-weighted sums of the paper's bits that are to reproduce them."""
    workshop = workshop_for(settings)
    wanted: dict[str, tuple[str, LearnerChoice]] = {"STFT SSM": ("stft", PAPER), "mel SSM": ("mel", PAPER)}
    wanted |= {f"RBF, σ² = {width:g}": ("stft", rbf(width)) for width in WIDTHS[1:]}
    workshop.prepare([(learner, kind, SEED, None) for kind, learner in wanted.values()], settings.jobs)
    targets: list[tuple[str, FloatArray]] = []
    sums: list[tuple[str, FloatArray]] = []
    table: list[list[Any]] = [["target", "bits", "correlation_with_target"]]
    for label, (kind, learner) in wanted.items():
        H = shown_frames(settings, kind)
        learned = workshop.hash(learner, kind, SEED)
        narrow = H.astype(np.float32)
        target = target_similarity(narrow, narrow, learner.target, learner.sigma2).astype(np.float64)
        similar = weighted_similarity(learned, H)
        found = correlation(similar, target)
        targets.append((label, target))
        sums.append((f"{len(learned.betas)} bits, r = {found:.2f}", similar))
        table.append([label, len(learned.betas), repr(found)])
    finding = "correlation of the weighted bits' similarity with the target: " + ", ".join(
        f"{row[0]} {float(row[2]):.2f}" for row in table[1:]
    )
    notes = [
        f"Above: targets on at most {settings.sizes.shown_frames} successive frames of a test mixture at 0 dB; below: "
        "the β-weighted sum of all bits' similarities, the paper's learner. White is the highest of each picture."
    ]
    title = "Fig. 5: targets and what the bits make of them"
    return _report("fig5", title, finding, notes, table, [*targets, *sums], len(wanted), settings)


def fig6(settings: Settings) -> Report:
    """Draw Fig. 6: the weight of each bit in the paper's learner, and the share of each bit in the default one."""
    workshop = workshop_for(settings)
    boosted: dict[str, tuple[str, LearnerChoice]] = {"mel, linear": ("mel", PAPER), "stft, linear": ("stft", PAPER)}
    boosted |= {f"stft, RBF σ² = {width:g}": ("stft", rbf(width)) for width in WIDTHS}
    ours = {"mel": ("mel", DEFAULT), "stft": ("stft", DEFAULT)}
    fits = [(learner, kind, SEED, None) for kind, learner in [*boosted.values(), *ours.values()]]
    workshop.prepare(fits, settings.jobs)
    table: list[list[Any]] = [["panel", "system", "bit", "weight"]]
    panels: dict[str, list[Curve]] = {}
    falls: dict[str, float] = {}
    for panel, systems in (("β, the paper's AdaBoost", boosted), ("share of the fit, default learner", ours)):
        panels[panel] = []
        for label, (kind, learner) in systems.items():
            betas = workshop.hash(learner, kind, SEED).betas
            table += [[panel, label, bit + 1, repr(float(beta))] for bit, beta in enumerate(betas)]
            panels[panel].append(Curve(label, np.arange(1.0, len(betas) + 1), _smoothed(betas)))
            falls[f"{label} ({panel.split(',')[0]})"] = rank_correlation(betas)
    ranks = ", ".join(f"{label} {value:+.2f}" for label, value in falls.items())
    finding = f"rank correlation of a bit's weight with its place: {ranks}"
    notes = [
        "One fit each. Left: β of eq. 13. Right: the share of the mask error that a bit takes away. Means over 5 "
        "neighbouring bits are drawn; the CSV has each bit."
    ]
    draw = partial(_draw_weights, panels, f"{settings.command}\n{notes[0]}")
    data = {"corpus_sha256": settings.corpus.sha256, "rank_correlation": falls}
    rows = [[label, f"{value:+.3f}"] for label, value in falls.items()]
    title = "Fig. 6: the weights of the bits"
    header = ["system", "rank correlation"]
    return Report("fig6", title, settings.command, finding, notes, header, rows, table, data, draw)


def shown_frames(settings: Settings, feature_kind: str) -> FloatArray:
    """Return L2-normalised features (n, D) of a test mixture's first frames with sound, at most `shown_frames`."""
    mixture = DrawnMixtures(settings.corpus, "test", (0.0,), 1, TEST_SEED)[0].signals.mixture
    H = l2_normalise(features(stft(mixture), feature_kind))
    return H[H.any(axis=1)][: settings.sizes.shown_frames]


def weighted_similarity(learned: Hash, H: FloatArray) -> FloatArray:
    """Return sum_l beta_l S~_l / sum_l beta_l (n, n), S~ being eq. 7's (b_i b_j + 1) / 2."""
    signs = _signs(learned, H)
    similar: FloatArray = 0.5 + (signs * (learned.betas / learned.betas.sum())) @ signs.T / 2.0
    return similar


def correlation(similar: FloatArray, target: FloatArray) -> float:
    """Return the correlation of two matrices (n, n) over the pairs of different frames; 0 if one is constant."""
    pairs = np.triu_indices(len(target), 1)
    a, b = similar[pairs] - similar[pairs].mean(), target[pairs] - target[pairs].mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def rank_correlation(weights: FloatArray) -> float:
    """Return Spearman's correlation of weights (L,) with their places: -1 if each weight is below the one before it."""
    from scipy.stats import spearmanr

    if len(weights) < 2 or np.ptp(weights) == 0:
        return 0.0
    return float(spearmanr(np.arange(len(weights)), weights).statistic)


def _signs(learned: Hash, H: FloatArray) -> FloatArray:
    return np.where(learned.codes(H), 1.0, -1.0)


def _smoothed(weights: FloatArray) -> FloatArray:
    """Return the means (L,) of each weight and up to two weights on either side."""
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    places = np.arange(len(weights))
    low, high = np.maximum(places - 2, 0), np.minimum(places + 3, len(weights))
    means: FloatArray = (sums[high] - sums[low]) / (high - low)
    return means


def _draw_weights(panels: Mapping[str, Sequence[Curve]], footer: str, path: Path) -> None:
    axes = Axes("bit, l", "weight", logarithmic=False, markers=False, one_scale=False)
    draw_curves(panels, path, footer, axes)


def _report(
    name: str,
    title: str,
    finding: str,
    notes: Sequence[str],
    table: Sequence[Sequence[Any]],
    matrices: Sequence[tuple[str, FloatArray]],
    columns: int,
    settings: Settings,
) -> Report:
    footer = f"{settings.command}\n{notes[0]}"
    draw = partial(_draw_matrices, list(matrices), footer, columns)
    rows = [[str(row[0]), str(row[1]), f"{float(row[2]):.3f}"] for row in table[1:]]
    data = {"corpus_sha256": settings.corpus.sha256, "rows": [list(row) for row in table[1:]]}
    return Report(name, title, settings.command, finding, notes, list(table[0]), rows, table, data, draw)


def _draw_matrices(matrices: Sequence[tuple[str, FloatArray]], footer: str, columns: int, path: Path) -> None:
    draw_matrices(matrices, path, footer, columns)

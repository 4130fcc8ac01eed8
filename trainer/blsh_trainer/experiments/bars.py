# SPDX-License-Identifier: Apache-2.0
"""Measure the bars that the trainer has to clear: each is met or not, with its figure and interval."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.experiments.compared_systems import FEATURES, Spec, hashed
from blsh_trainer.experiments.peer_bars import peers_bars
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.scoring import Scored, drawn_condition, score_seeds
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.similarities import rank_correlation
from blsh_trainer.experiments.verdict import Bar, state
from blsh_trainer.experiments.workshop import CENTRED, DEFAULT, PLAIN, LearnerChoice, workshop_for

SEEDS = 5
_METRIC = "si_sdr_db"
_OVER_CENTRED_DB, _UNDER_KNN_DB, _CUT_DB = 0.3, 0.1, 0.1
_TRAINING_RATIO, _SCALE_SECONDS, _SCALE_BYTES = 20.0, 2 * 3600, 8 << 30
_GIB = 1 << 30


@dataclass(frozen=True)
class _Measured:
    """Improvements (seeds, mixtures) of every system, on the same mixtures and with the same dictionary for a seed."""

    scored: Scored
    settings: Settings

    def hash(self, learner: LearnerChoice, kind: str, bits: int, fitted: int | None = None) -> Any:
        spec = hashed(learner, kind, bits, self.settings.sizes.bar_entries, fitted)
        return self.scored.gains(spec, self._condition, _METRIC)

    def knn(self, kind: str) -> Any:
        return self.scored.gains(
            Spec("knn", kind, dictionary=self.settings.sizes.bar_entries), self._condition, _METRIC
        )

    @property
    def _condition(self) -> Any:
        return drawn_condition(self.settings, 0.0, (_METRIC,))


def bars(settings: Settings) -> Report:
    """Measure every bar of the trainer; read the bars of speed and scale from the benchmarks' results."""
    workshop, sizes, seeds = workshop_for(settings), settings.sizes, settings.seeds_or(SEEDS)
    specs = [Spec("knn", kind, dictionary=sizes.bar_entries) for kind in FEATURES]
    specs += [
        hashed(learner, kind, bits, sizes.bar_entries)
        for kind in FEATURES
        for learner in (DEFAULT, CENTRED, PLAIN)
        for bits in sorted({*sizes.bar_lengths, *sizes.cut_lengths, sizes.mel_bits, sizes.bar_stft_bits})
    ]
    specs += [hashed(DEFAULT, kind, bits, sizes.bar_entries, bits) for kind in FEATURES for bits in sizes.cut_lengths]
    chosen = drawn_condition(settings, 0.0, (_METRIC,))
    measured = _Measured(score_seeds("bars", specs, [chosen], seeds, workshop, settings), settings)
    found = [_above_lsh(measured, kind, bits) for kind in FEATURES for bits in sizes.bar_lengths]
    found += _against_knn(measured)
    found += [_falling(kind, [workshop.hash(DEFAULT, kind, seed).betas for seed in seeds]) for kind in FEATURES]
    found += [_cut(measured, kind, bits) for kind in FEATURES for bits in sizes.cut_lengths]
    found += peers_bars(settings, workshop.store)
    found += benchmark_bars(settings.output)
    return _report(found, settings, len(seeds))


def _above_lsh(measured: _Measured, kind: str, bits: int) -> Bar:
    """Return the bar that BLSH lies above both LSH variants; its margin is that over the stronger variant."""
    ours = measured.hash(DEFAULT, kind, bits)
    rivals = {label: measured.hash(learner, kind, bits) for label, learner in (("centred", CENTRED), ("plain", PLAIN))}
    stronger = max(rivals, key=lambda label: float(np.nanmean(rivals[label])))
    margin = mean_interval(ours - rivals[stronger])
    means = ", ".join(f"{label} {np.nanmean(values):.2f}" for label, values in rivals.items())
    return Bar(
        f"{kind}, L = {bits}: above both LSH variants",
        f"BLSH {np.nanmean(ours):.2f}, {means} dB; over {stronger} {_interval(margin)}",
        margin.mean > 0,
        margin.to_dict(),
    )


def _against_knn(measured: _Measured) -> list[Bar]:
    sizes = measured.settings.sizes
    mel = measured.hash(DEFAULT, "mel", sizes.mel_bits)
    over_centred = mean_interval(mel - measured.hash(CENTRED, "mel", sizes.mel_bits))
    mel_knn, stft_knn = (measured.knn(kind) for kind in ("mel", "stft"))
    under = mean_interval(mel - mel_knn)
    stft = measured.hash(DEFAULT, "stft", sizes.bar_stft_bits)
    over = mean_interval(stft - stft_knn)
    return [
        Bar(
            f"mel, L = {sizes.mel_bits}: at least {_OVER_CENTRED_DB} dB above centred LSH",
            _interval(over_centred),
            over_centred.mean >= _OVER_CENTRED_DB,
            over_centred.to_dict(),
        ),
        Bar(
            f"mel, L = {sizes.mel_bits}: no more than {_UNDER_KNN_DB} dB under raw KNN",
            f"BLSH {np.nanmean(mel):.2f}, KNN {np.nanmean(mel_knn):.2f} dB; {_interval(under)}",
            under.mean >= -_UNDER_KNN_DB,
            under.to_dict(),
        ),
        Bar(
            f"stft, L = {sizes.bar_stft_bits}: above raw KNN",
            f"BLSH {np.nanmean(stft):.2f}, KNN {np.nanmean(stft_knn):.2f} dB; {_interval(over)}",
            over.mean > 0,
            over.to_dict(),
        ),
    ]


def _falling(kind: str, shares: list[Any]) -> Bar:
    """Return the bar that a bit's share of the fit falls with its place, by their rank correlation in every fit."""
    ranks = [rank_correlation(values) for values in shares]
    third = max(1, len(shares[0]) // 3)
    first, last = (
        float(np.mean([values[part].mean() for values in shares])) for part in (slice(third), slice(-third, None))
    )
    return Bar(
        f"{kind}: each bit's share of the fit falls with l",
        f"rank correlation {min(ranks):+.2f} to {max(ranks):+.2f}; "
        f"mean share of the first third {first:.2e}, of the last {last:.2e}",
        max(ranks) < 0 and last < first,
        {"rank_correlations": ranks, "first_third": first, "last_third": last},
    )


def _cut(measured: _Measured, kind: str, bits: int) -> Bar:
    apart = mean_interval(measured.hash(DEFAULT, kind, bits) - measured.hash(DEFAULT, kind, bits, bits))
    longest = measured.settings.sizes.longest
    return Bar(
        f"{kind}: {bits} of {longest} bits within {_CUT_DB} dB of {bits} trained",
        _interval(apart),
        abs(apart.mean) <= _CUT_DB,
        apart.to_dict(),
    )


def benchmark_bars(folder: Path) -> list[Bar]:
    """Return the bars of speed and scale from bench-train.json, bench-search.json and bench-scale.json in `folder`."""
    bars_of = {
        f"training, L = 50: at least {_TRAINING_RATIO:g} times faster than PyTorch": ("bench-train", _training),
        "search: at least as fast as faiss": ("bench-search", _search),
        "2.4 million frames, 50 bits: at most 2 h and 8 GiB": ("bench-scale", _scale),
    }
    found = []
    for what, (name, judge) in bars_of.items():
        try:
            found.append(judge(what, json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))))
        except OSError:
            told = f"not measured: no {name}.json in {folder.name}; run `make {name}`"
            found.append(Bar(what, told, None))
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            found.append(Bar(what, f"{name}.json cannot be read; run `make {name}` again", None))
    return found


def _training(what: str, found: Mapping[str, Any]) -> Bar:
    """Judge the paper's weighting by the paper's error; see trainer/benchmarks/training.py."""
    theirs, ours = found["learners"]["pytorch"], found["learners"]["adaboost"]
    ratio = theirs["seconds"] / ours["seconds"]
    objectives = [run["error_of_equation_10"] for run in (ours, theirs)]
    told = f"{ratio:.1f} times; error of eq. 10 {objectives[0]:.5f}, PyTorch's {objectives[1]:.5f}"
    return Bar(what, told, ratio >= _TRAINING_RATIO and objectives[0] <= objectives[1], {"ratio": ratio})


def _search(what: str, found: Mapping[str, Any]) -> Bar:
    ratios = {run["threads"]: run["faiss_over_ours_median"] for run in found["runs"]}
    told = ", ".join(f"{ratio:.1f} times with {threads} threads" for threads, ratio in ratios.items())
    right = found["same_distances_as_faiss"] and found["follows_the_tie_rule"]
    return Bar(what, told, right and min(ratios.values()) >= 1.0, {"ratios": list(ratios.values())})


def _scale(what: str, found: Mapping[str, Any]) -> Bar:
    runs = found["runs"]
    told = "; ".join(
        f"{run['weighting']} {run['extrapolated_seconds'] / 60:.0f} min, {run['peak_bytes'] / _GIB:.2f} GiB"
        for run in runs
    )
    met = all(run["extrapolated_seconds"] <= _SCALE_SECONDS and run["peak_bytes"] <= _SCALE_BYTES for run in runs)
    return Bar(what, told, met and bool(runs))


def _interval(found: MeanInterval) -> str:
    return f"{found.mean:+.2f} dB ({found.low:+.2f} to {found.high:+.2f})"


def _report(found: list[Bar], settings: Settings, seeds: int) -> Report:
    counts = {word: sum(state(bar) == word for bar in found) for word in ("met", "NOT MET", "not measured")}
    finding = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    notes = [
        f"SI-SDR improvement on {settings.count} mixtures at most of the test split at 0 dB; dictionary of "
        f"{settings.sizes.bar_entries} training frames, the same for all systems; {seeds} seeds of hash and "
        "dictionary; 95 % intervals bootstrapped over seeds and mixtures. A bar is met by the mean."
    ]
    header = ["state", "bar", "measured"]
    rows = [[state(bar), bar.what, bar.told] for bar in found]
    data = {
        "bars": [{**asdict(bar), "state": state(bar)} for bar in found],
        "corpus_sha256": settings.corpus.sha256,
        "seeds": seeds,
    }
    title = "The trainer's bars"
    return Report("bars-trainer", title, settings.command, finding, notes, header, rows, [header, *rows], data)

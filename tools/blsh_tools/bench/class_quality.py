# SPDX-License-Identifier: Apache-2.0
"""Judge the quality of each class of products: against the class of the longest latency, and against SpeexDSP."""

from collections.abc import Mapping
from typing import Any, Final

from blsh_tools.bench.demand import Demand, absent
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_comparison import paired_with_peer
from blsh_trainer.signals.geometry import CLASSES

SCORES: Final = ("si_sdr_db", "pesq", "estoi")
JUDGED_SNR_DB: Final = 0.0
RIVAL: Final = "recorder"
"""The class that the others are compared with."""

Figures = Mapping[str, Mapping[str, float]]
"""The figures of one model at one SNR: by metric, then by the mixture's id."""

_SEED = 0  # of the intervals, as `blsh evaluate` has it
_PEER = "speexdsp-30dB"
_LOSSES: Final[Mapping[str, Mapping[str, float]]] = {
    "intercom": {"si_sdr_db": 0.4, "pesq": 0.02, "estoi": 0.01},
    "headset": {"si_sdr_db": 0.8},
    "hearing": {"si_sdr_db": 1.5},
}
"""How much lower than RIVAL a class may be, by metric."""
_STRETCHED, _ABOVE_PEER = "intercom", "hearing"


def means(figures: Figures) -> dict[str, MeanInterval]:
    """Return the mean of each metric over the mixtures, with its interval."""
    return {metric: mean_interval(list(figures[metric].values()), _SEED) for metric in SCORES}


def less(ours: Figures, theirs: Figures) -> dict[str, MeanInterval]:
    """Return the mean of `ours` less `theirs` by metric, mixture by mixture, on the mixtures that both have."""
    return {
        metric: mean_interval(
            [figure - theirs[metric][name] for name, figure in ours[metric].items() if name in theirs[metric]], _SEED
        )
        for metric in SCORES
    }


def less_peer(ours: Figures, snr_db: float) -> dict[str, MeanInterval]:
    """Return the mean of `ours` less SpeexDSP's by metric, on the mixtures where SpeexDSP has a figure."""
    found = {}
    for metric in SCORES:
        pairs = paired_with_peer(ours[metric], _PEER, metric, snr_db)
        found[metric] = mean_interval(pairs[:, 0] - pairs[:, 1], _SEED)
    return found


def quality_bars(scored: Mapping[str, Figures], lacking: str | None = None) -> list[Demand]:
    """Return the bars of quality. scored: the figures of each class at JUDGED_SNR_DB. lacking: why there are none."""
    bars = [_near_rival(name, scored, lacking) for name in _LOSSES]
    return [*bars, _above_peer(scored, lacking)]


def differences(found: Mapping[str, MeanInterval]) -> str:
    """Return differences in words, as "SI-SDR -0.21 (-0.40 to -0.02) dB, ..."."""
    told = []
    for metric, each in found.items():
        shown = METRICS[metric].shown
        unit = f" {shown.unit}" if shown.unit else ""
        told.append(f"{shown.title} {shown.estimate(each.mean, each.low, each.high, '+')}{unit}")
    return ", ".join(told)


def _near_rival(name: str, scored: Mapping[str, Figures], lacking: str | None) -> Demand:
    allowed = _LOSSES[name]
    what = f"{_named(name)} against {_named(RIVAL)}: quality on `test` at {JUDGED_SNR_DB:g} dB"
    asked = "at most " + ", ".join(f"{_amount(metric, most)} lower" for metric, most in allowed.items())
    stretch = "no loss" if name == _STRETCHED else ""
    why = lacking or _missing(scored, name, RIVAL)
    if why:
        return Demand(what, asked, stretch, why, None)
    found = less(scored[name], scored[RIVAL])
    return Demand(
        what,
        asked,
        stretch,
        differences(found),
        all(found[metric].mean >= -most for metric, most in allowed.items()),
        all(found[metric].mean >= 0.0 for metric in allowed) if stretch else None,
        {metric: each.to_dict() for metric, each in found.items()},
    )


def _above_peer(scored: Mapping[str, Figures], lacking: str | None) -> Demand:
    what = f"{_named(_ABOVE_PEER)} against SpeexDSP: quality on `test` at {JUDGED_SNR_DB:g} dB"
    asked = f"above it in {', '.join(METRICS[metric].shown.title for metric in SCORES)}"
    why = lacking or _missing(scored, _ABOVE_PEER)
    if why:
        return Demand(what, asked, "", why, None)
    found = less_peer(scored[_ABOVE_PEER], JUDGED_SNR_DB)
    met = all(found[metric].mean > 0.0 for metric in SCORES)
    return Demand(what, asked, "", differences(found), met, None, {m: each.to_dict() for m, each in found.items()})


def _missing(scored: Mapping[str, Figures], *names: str) -> str:
    lacking = [name for name in names if name not in scored]
    return absent(*lacking) if lacking else ""


def _named(name: str) -> str:
    return f"{name} ({1000 * CLASSES[name].latency_s:g} ms)"


def _amount(metric: str, value: float) -> str:
    shown: Any = METRICS[metric].shown
    return f"{value:g} {shown.unit or shown.title}"

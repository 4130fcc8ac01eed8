# SPDX-License-Identifier: Apache-2.0
"""Measure the quality of denoised signals by SDR, SI-SDR, PESQ and extended STOI.

All functions take a reference and an estimate of the same length, (n,) at 16 kHz unless a rate is given, and raise
BlshError for a silent reference, different lengths or samples that are not finite. They return NaN where the figure is
not defined, because the signals are too short or no utterance is found: an evaluation leaves the mixture out of the
mean and says so.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.extras import EXTRAS, is_there, lack_of, require
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ
from blsh_trainer.suggestions import unknown

SDR_TAPS = 512
PESQ_LEAST_S = 1 / 4  # what P.862 needs at least to align signals
ESTOI_LEAST_S = 6_554 / 16_000  # what gives the least 30 frames, of 256 samples at 10 kHz and 128 apart
_PESQ_BANDS = {8_000: "nb", 16_000: "wb"}


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019, eqs. 3-5).

    It is 10 log10(|a s|^2 / |a s - e|^2) with a = <e, s> / |s|^2: the reference s is scaled to the estimate e, (n,)
    each. The means are not removed. +inf for a scaled copy of s; -inf for a silent or orthogonal estimate.
    """
    s, e = _checked(reference, estimate, "SI-SDR")
    target = (float(e @ s) / float(s @ s)) * s
    distortion = e - target
    wanted = float(target @ target)
    unwanted = float(distortion @ distortion)
    if wanted == 0.0:
        return float("-inf")
    if unwanted == 0.0:
        return float("inf")
    return float(10.0 * np.log10(wanted / unwanted))


def sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Return the signal-to-distortion ratio of BSS-eval version 4 in dB (Vincent et al., 2006, eq. 12).

    It is as SI-SDR, but the target is the reference through the filter of 512 taps that comes nearest to the estimate,
    (n,) each. So it is never below SI-SDR, except for rounding. -inf for a silent estimate; +inf where nothing but
    rounding is left. NaN for signals shorter than the filter, which could make any signal of them.
    """
    from fast_bss_eval import sdr_loss

    s, e = _checked(reference, estimate, "SDR")
    if s.size < SDR_TAPS:
        return float("nan")
    if not e.any():
        return float("-inf")
    s, e = s / np.abs(s).max(), e / np.abs(e).max()  # the library adds absolute numbers against divisions by 0
    with np.errstate(divide="ignore"):
        try:
            loss = sdr_loss(e, s, filter_length=SDR_TAPS)
        except np.linalg.LinAlgError:  # the autocorrelation matrix of a reference of few frequencies is singular
            loss = sdr_loss(e, s, filter_length=SDR_TAPS, load_diag=1e-10)
    return -float(loss)


def pesq_score(reference: ArrayLike, estimate: ArrayLike, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Return PESQ as MOS-LQO by the package `pesq`: wide-band at 16 kHz, narrow-band at 8 kHz.

    Wide-band (ITU-T P.862.2) it is about 1.02 to 4.64, narrow-band (P.862.1) about 1.02 to 4.55. NaN where P.862 is not
    defined: for less than a quarter of a second, or where it finds no utterance, as in a silent estimate.
    """
    require("pesq")
    from pesq import PesqError, pesq

    s, e = _checked(reference, estimate, "PESQ")
    if s.size < PESQ_LEAST_S * rate_hz or not e.any():
        return float("nan")
    score = float(pesq(rate_hz, s, e, _PESQ_BANDS[rate_hz], on_error=PesqError.RETURN_VALUES))
    if score in (PesqError.NO_UTTERANCES_DETECTED, PesqError.BUFFER_TOO_SHORT):
        return float("nan")
    if score < 0:
        raise BlshError(f"PESQ ran out of memory on {s.size} samples; score shorter recordings")
    return score  # NaN where the estimate is next to silent


def estoi(reference: ArrayLike, estimate: ArrayLike, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Return the extended short-time objective intelligibility (Jensen and Taal, 2016), up to 1, by `pystoi`.

    The signals are resampled to 10 kHz, and frames 40 dB below the loudest one of the reference are left out. NaN where
    fewer than 30 frames are left (0.4 s); 0 for a silent estimate.
    """
    from pystoi import stoi

    s, e = _checked(reference, estimate, "ESTOI")
    if s.size < ESTOI_LEAST_S * rate_hz:
        return float("nan")
    if not e.any():
        return 0.0
    s, e = s / np.abs(s).max(), e / np.abs(e).max()  # the library adds noise of 2e-16 before it normalises
    state = np.random.get_state()  # the library draws this noise from numpy's global generator
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
            return float(stoi(s, e, rate_hz, extended=True))
    except RuntimeWarning:
        return float("nan")
    finally:
        np.random.set_state(state)


@dataclass(frozen=True)
class Notation:
    """The notation of a metric's figures: title and unit, and `scale` times the figure, to `decimals` decimals."""

    title: str
    unit: str
    decimals: int
    scale: float = 1.0

    def figure(self, value: float, sign: str = "") -> str:
        """Return `value` as text; with `sign` "+", positive values have a sign, too."""
        return f"{self.scale * value:{sign}.{self.decimals}f}"

    def interval(self, low: float, high: float) -> str:
        """Return "low to high"."""
        return f"{self.figure(low)} to {self.figure(high)}"

    def estimate(self, mean: float, low: float, high: float, sign: str = "") -> str:
        """Return a mean with its interval in brackets; with `sign` "+", a positive mean has a sign."""
        return f"{self.figure(mean, sign)} ({self.interval(low, high)})"


class Measure(Protocol):
    """A function of reference and estimate, (n,) each, and their rate in Hz."""

    def __call__(self, reference: ArrayLike, estimate: ArrayLike, rate_hz: int) -> float: ...


@dataclass(frozen=True)
class Metric:
    """A measure of a denoised signal.

    name: in options, CSV and JSON files. measure: called with reference and estimate, (n,) each, and their rate in Hz.
    shown: how commands write the figures. narrow_title: its title at 8 kHz, where it differs. paper: how the paper's
    tables write them, None for a metric that the tables do not have. peers_column: its column in peers_scores.csv, None
    for a metric by which the peers were not scored. better: which of two figures is the better one.
    """

    name: str
    measure: Measure
    shown: Notation
    narrow_title: str | None = None
    paper: Notation | None = None
    peers_column: str | None = None
    better: Literal["higher", "lower"] = "higher"

    def shown_at(self, rate_hz: int) -> Notation:
        """Return how commands write the figures of signals at this rate."""
        if rate_hz == SAMPLE_RATE_HZ or self.narrow_title is None:
            return self.shown
        return replace(self.shown, title=self.narrow_title)

    @property
    def is_ratio(self) -> bool:
        """Whether the metric is a ratio in dB, which is -inf for an estimate that holds nothing of the speech."""
        return self.shown.unit == "dB"


def _at_any_rate(ratio: Callable[[ArrayLike, ArrayLike], float]) -> Measure:
    def measure(reference: ArrayLike, estimate: ArrayLike, rate_hz: int) -> float:
        return ratio(reference, estimate)

    return measure


_SDR, _SI_SDR = Notation("SDR", "dB", 2), Notation("SI-SDR", "dB", 2)
METRICS = {
    metric.name: metric
    for metric in (
        Metric("sdr_db", _at_any_rate(sdr), _SDR, None, _SDR, "sdr_db"),
        Metric("si_sdr_db", _at_any_rate(si_sdr), _SI_SDR, None, _SI_SDR, "si_sdr_db"),
        Metric("pesq", pesq_score, Notation("PESQ-WB", "", 3), "PESQ-NB", Notation("PESQ", "", 2), "pesq_wb"),
        Metric("estoi", estoi, Notation("ESTOI", "", 3), None, Notation("ESTOI", "%", 1, scale=100.0), "estoi"),
    )
}
"""The metrics by name, in the order of all tables. To add one, write its function and its line here."""


def check_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of metrics; BlshError for no name, an unknown one, one twice, or one whose package lacks."""
    for name in names:
        if name not in METRICS:
            raise BlshError(f"metric {name!r} {unknown(name, METRICS)}")
    check_packages(names)
    if not names or len(set(names)) < len(names):
        raise BlshError(f"metrics {list(names)}; give one at least, and none twice")
    return tuple(names)


def check_packages(metrics: Sequence[str]) -> None:
    """Raise BlshError where one of `metrics` is measured by a package that is not installed."""
    for name in metrics:
        if name in EXTRAS and not is_there(name):
            raise BlshError(f"{lack_of(name)}; or name the other metrics: --metrics {_without(name)}")


def _without(metric: str) -> str:
    return ",".join(name for name in METRICS if name != metric)


def _checked(reference: ArrayLike, estimate: ArrayLike, name: str) -> tuple[FloatArray, FloatArray]:
    s = check_signal(reference, "the reference")
    e = check_signal(estimate, "the estimate")
    if s.size != e.size:
        raise BlshError(f"the estimate has {e.size} samples, the reference {s.size}; give signals of one length")
    if float(s @ s) == 0.0:
        raise BlshError(f"the reference is silent, so {name} is undefined; give a reference with sound")
    return s, e

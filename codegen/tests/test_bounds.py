# SPDX-License-Identifier: Apache-2.0
"""The bounds of SPEC.md, 7: for each size the signals that drive each value of each stage as far as they can."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.pipeline import vectorised_transform as transform
from blsh_codegen.spec.constants import (
    Q14_ONE,
    RADICES,
    mask_shift,
    round_trip_shift,
    spectrum_shift,
    synthesis_q14,
    tracked_fraction_bits,
    window_q14,
)
from blsh_trainer.signals.geometry import WINDOWS, Geometry
from blsh_trainer.signals.spectra import overlap_gain

from .conftest import ALL_GEOMETRIES

pytestmark = pytest.mark.heavy

Ints = npt.NDArray[np.int64]

PEAK = 1 << 28
TABLES = 2.0**-11  # what the rounding of sines adds to a bound, relative
FLOORS = 256  # what floors add to a bound
TIGHT = 0.99  # the part of a bound that its extreme signals reach at least


class Spy:
    """The largest values of a transform: the modulus after each stage, and the parts of all values on the way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moduli: list[float] = []  # of the stages, one transform after the other
        self.stages: list[tuple[Ints, Ints]] = []
        self.split = 0.0  # the largest |A + B| or |A - B|
        self.lowest = self.highest = 0
        for name, seen in (("_stage", self._of_stage), ("_butterfly4", self._of_butterfly), ("_split", self._of_split)):
            monkeypatch.setattr(transform, name, self._watched(getattr(transform, name), seen))

    def _watched(self, function: Callable[..., Any], seen: Callable[..., None]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            found = function(*arguments)
            seen(found, *arguments)
            return found

        return call

    def _parts(self, *values: Ints) -> None:
        self.lowest = min(self.lowest, *(int(each.min()) for each in values))
        self.highest = max(self.highest, *(int(each.max()) for each in values))

    def _of_stage(self, found: tuple[Ints, Ints], *_: Any) -> None:
        self._parts(*found)
        self.stages.append(found)
        self.moduli.append(float(np.hypot(*found).max()))

    def _of_butterfly(self, _: Any, *points: tuple[Ints, Ints]) -> None:
        for (ar, ai), (br, bi) in (points[0::2], points[1::2]):
            self._parts(ar, ai, br, bi, ar + br, ai + bi, ar - br, ai - bi)

    def _of_split(self, found: tuple[Ints, ...], re: Ints, im: Ints, mirror: Ints, *_: Any) -> None:
        k = np.arange(len(mirror))
        ar, ai, br, bi = re[:, k], im[:, k], re[:, mirror], im[:, mirror]
        self._parts(ar + br, ai - bi, ar - br, ai + bi, *found)
        sums = np.hypot(ar + br, ai - bi).max(), np.hypot(ar - br, ai + bi).max()
        self.split = max(self.split, *map(float, sums))

    def fits_int32(self) -> bool:
        """Return whether no part of any value seen is beyond 32 bits."""
        return self.lowest >= -(2**31) and self.highest < 2**31


def signs(values: Ints) -> Ints:
    return np.where(values < 0, -PEAK, PEAK)


def framed(even: Ints, odd: Ints) -> Ints:
    """Return frames (T, N) of even and odd samples, as a window leaves them: x[0] is 0, x[1] at most half the peak."""
    frames = np.stack([even, odd], axis=2).reshape(len(even), -1)
    frames[:, 0] = 0
    frames[:, 1] //= 2
    return frames


def extreme_frames(points: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ints]:
    """Yield frames (T, 2 points) that drive each part of each point after each stage as far as signs can.

    What a point is of the samples is read off the transforms of impulses.
    """
    with monkeypatch.context() as patched:
        spy = Spy(patched)
        transform.fft(np.eye(points, dtype=np.int64) * PEAK, np.zeros((points, points), np.int64))
    for re, im in spy.stages:
        yield framed(signs(re.T), signs(-im.T))  # the real part of each point
        yield framed(signs(im.T), signs(re.T))  # its imaginary part


def frames_of_bins(points: int) -> Iterator[Ints]:
    """Yield frames that drive the sums and differences of the split, and the bins, as far as signs can."""
    k, n = np.arange(points // 2 + 1)[:, None], np.arange(points)
    for wave in (np.cos, np.sin):
        part = signs(np.round(wave(2 * np.pi * k * n / points), 9))
        for odd in (part, -part):
            yield framed(part, odd)
        whole = signs(np.round(wave(np.pi * k * np.arange(2 * points) / points), 9))
        yield framed(whole[:, 0::2], whole[:, 1::2])


def stage_bounds(points: int) -> list[float]:
    """Return the largest modulus after each stage: the first multiplies by 4, a later one by radix / 4."""
    bounds = [4 * np.sqrt(2) * PEAK]
    for radix in RADICES[points][1:]:
        bounds.append(bounds[-1] * radix / 4)
    return bounds


@pytest.mark.parametrize("window", WINDOWS)
def test_no_stage_leaves_its_bound_forward(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points = window // 2
    frames = [*extreme_frames(points, monkeypatch), *frames_of_bins(points)]
    spy = Spy(monkeypatch)
    bins = max(float(np.hypot(*transform.real_spectrum(each)).max()) for each in frames)
    assert spy.fits_int32(), (spy.lowest, spy.highest)
    bounds = stage_bounds(points)
    largest = np.array(spy.moduli).reshape(-1, len(bounds)).max(axis=0)
    print(f"N = {window}: stages {np.log2(largest)}, split {np.log2(spy.split)}, bins {np.log2(bins)}")
    bin_bound = (window - 1) * PEAK / 2 ** spectrum_shift(window)
    split = 2 * 2 * (points - 0.5) * PEAK / 2 ** spectrum_shift(window)
    for found, bound in zip([*largest, spy.split, bins], [*bounds, split, bin_bound], strict=True):
        assert TIGHT * bound < found <= bound * (1 + TABLES) + FLOORS


@pytest.mark.parametrize("window", WINDOWS)
def test_no_stage_leaves_its_bound_backwards(
    window: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """All bins as large as one can be, in phase at each point of each stage; then frames behind the worst masks."""
    points = window // 2
    bin_peak = window * PEAK / 2 ** spectrum_shift(window) * 2 ** mask_shift(window) / 4
    with monkeypatch.context() as patched:
        impulses = Spy(patched)
        transform.fft(np.eye(points, dtype=np.int64) * PEAK, np.zeros((points, points), np.int64))
    spy = Spy(monkeypatch)
    for re, im in impulses.stages:
        phase = -np.angle(re + 1j * im).T
        parts = [np.trunc(bin_peak * each(phase)).astype(np.int64) for each in (np.cos, np.sin)]
        transform.fft(*parts)
    assert max(spy.moduli) <= 4 * bin_peak * (1 + TABLES) + FLOORS
    samples = framed(*(rng.choice([-PEAK, PEAK], (2, 40, points))))
    re, im = transform.real_spectrum(samples)
    exact = re + 1j * im
    largest = 0
    for place in range(0, window, window // 32):
        turned = exact * np.exp(2j * np.pi * np.arange(points + 1) * place / window)
        for wanted in (turned.real > 0, turned.real < 0):
            found = transform.real_samples(*((part * wanted << mask_shift(window) >> 2) for part in (re, im)))
            largest = max(largest, int(np.abs(found).max()))
    assert spy.fits_int32(), (spy.lowest, spy.highest)
    bound = np.sqrt(window) * PEAK / 2.0 ** (round_trip_shift(window) + 2)
    assert 0.25 * bound < largest <= bound * (1 + TABLES) + FLOORS
    assert (bound + FLOORS) * 2 ** (round_trip_shift(window) - 1) * (1 + TABLES) < 2**31


@pytest.mark.parametrize("geometry", ALL_GEOMETRIES, ids=str)
def test_windows_are_such_that_the_bounds_follow(geometry: Geometry) -> None:
    """What every reader of a model asks of its windows (SPEC.md, 3), and the bounds that rest on it."""
    window, synthesis = (table(geometry).astype(np.int64) for table in (window_q14, synthesis_q14))
    peak = geometry.window - geometry.synthesis // 2
    assert window[0] == 0 and 2 * window[1] <= window[64] and window[peak] == Q14_ONE
    assert (np.diff(window[: peak + 1]) >= 0).all() and (np.diff(window[peak:]) <= 0).all()
    assert 32 * window.sum() <= 21 * geometry.window * Q14_ONE
    assert synthesis.min() >= 0 and synthesis.max() <= Q14_ONE
    assert synthesis.reshape(-1, geometry.hop).sum(axis=0).max() <= 8 * Q14_ONE
    products = (window[-geometry.synthesis :] * synthesis).reshape(-1, geometry.hop).sum(axis=0)
    assert np.abs(products - overlap_gain(geometry) * Q14_ONE**2).max() <= 2**18
    sums = 2.0**23 * np.sqrt(21 / 32 * geometry.window) * 8  # of overlap-add
    level = 2.0**16 * 1.005 * 21 / 32 * geometry.window * 2.0 ** (29 - spectrum_shift(geometry.window))
    root = np.sqrt(level) * 2 ** tracked_fraction_bits(geometry.window)
    assert max(sums, root) < 2**31 * (1 - TABLES)

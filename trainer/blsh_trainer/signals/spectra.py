# SPDX-License-Identifier: Apache-2.0
"""Short-time spectra of signals, framed as the device frames them.

Signals are float64 (samples,) at the rate of a geometry; spectra are complex128 (T, bins). Where no geometry is named
it is the paper's: 16 kHz, windows of 1024 samples, hops of 256.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from blsh_trainer.arrays import AnyArray, ComplexArray, FloatArray, check_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, Geometry

SAMPLE_RATE_HZ = RECORDER.rate_hz
"""The rate of recordings and mixtures; a model of another rate gets them resampled."""
WINDOW = RECORDER.window
HOP = RECORDER.hop
BINS = RECORDER.bins
HISTORY = RECORDER.history

_FRAMES = 1024  # frames that filter_blocks holds at once: their spectra take 8 MB


def _hann(length: int) -> FloatArray:
    """Return the periodic Hann window, float64 (length,)."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length))


def _root_hann(length: int) -> FloatArray:
    """Return the root of the periodic Hann window, float64 (length,)."""
    return np.sin(np.pi * np.arange(length) / length)


@cache
def analysis_window(geometry: Geometry = RECORDER) -> FloatArray:
    """Return the window that a frame is analysed by, float64 (N,).

    Where all of a frame is resynthesised it is the periodic Hann window, or with two hops to a window its root. Else it
    rises by the root of a Hann window for N - M / 2 samples and falls for M / 2 (Mauler and Martin, EUSIPCO 2007).
    """
    N, M = geometry.window, geometry.synthesis
    if geometry.symmetric:
        window = _hann(N) if geometry.hop * 4 <= N else _root_hann(N)
    else:
        rise = N - M // 2
        window = np.concatenate([_root_hann(2 * rise)[:rise], _root_hann(M)[M // 2 :]])
    window.flags.writeable = False
    return window


@cache
def synthesis_window(geometry: Geometry = RECORDER) -> FloatArray:
    """Return the window of the last M samples of a frame, float64 (M,).

    It is the analysis window where that is symmetric. Else its product with the last M samples of the analysis window
    is the periodic Hann window of M samples.
    """
    if geometry.symmetric:
        return analysis_window(geometry)
    window: FloatArray = _hann(geometry.synthesis)
    analysis = analysis_window(geometry)[-geometry.synthesis :]
    window = np.divide(window, analysis, out=np.zeros_like(window), where=analysis > 0)
    window.flags.writeable = False
    return window


def overlap_gain(geometry: Geometry = RECORDER) -> float:
    """Return what the products of both windows sum to over a sample: 3/8 N / H for Hann windows twice, M / 2 H else."""
    if geometry.symmetric and geometry.window >= 4 * geometry.hop:
        return 3 / 8 * geometry.window / geometry.hop
    return geometry.synthesis / (2 * geometry.hop)


def stft(x: ArrayLike, geometry: Geometry = RECORDER) -> ComplexArray:
    """Return the spectra of `x` (samples,) as complex128 (T, bins), T = geometry.hops_of(samples).

    Frame t ends with sample H t + H - 1 of the signal, with zeros around it. The device holds the same samples after
    its hop t. BlshError when `x` is not one channel of finite samples.
    """
    samples = check_signal(x, "the signal")
    padded = np.zeros((geometry.hops_of(samples.size) - 1) * geometry.hop + geometry.window)
    padded[geometry.history :][: samples.size] = samples
    return _windowed(padded, geometry)


def istft(X: ArrayLike, length: int, geometry: Geometry = RECORDER) -> FloatArray:
    """Return the signal float64 (length,) whose `stft` is X (T, bins), aligned with it in time.

    The last M samples of each frame go through the synthesis window, are added where they overlap and divided by
    overlap_gain. BlshError unless X has geometry.hops_of(length) frames.
    """
    spectrum = np.asarray(X, dtype=np.complex128)
    check_spectrum(spectrum, "the spectrum", geometry)
    frames = spectrum.shape[0]
    if length < 0 or frames != geometry.hops_of(length):
        raise BlshError(
            f"{frames} frames cannot be turned into {length} samples; that length has {geometry.hops_of(length)} frames"
        )
    hops = np.zeros((frames + geometry.lag // geometry.hop, geometry.hop))
    _overlap_add(hops, spectrum, geometry)
    return hops.ravel()[geometry.lag : geometry.lag + length]


def filter_frames(
    x: ArrayLike, change: Callable[[ComplexArray], ComplexArray], geometry: Geometry = RECORDER
) -> FloatArray:
    """Return istft(change(stft(x)), n), float64 (n,), without holding the spectra of all frames at once.

    `change` maps spectra (T, bins) to spectra (T, bins). It is called for the frames in order, block by block.
    BlshError when `x` is not one channel of finite samples.
    """
    return np.concatenate(list(filter_blocks([check_signal(x, "the signal")], change, geometry)))


def filter_blocks(
    blocks: Iterable[FloatArray], change: Callable[[ComplexArray], ComplexArray], geometry: Geometry = RECORDER
) -> Iterator[FloatArray]:
    """Yield, piece by piece, the result of filter_frames for the signal that `blocks` (n,) make up, to the last bit.

    `change` gets the same blocks of frames however the signal was cut, because the last bits of a product of matrices
    depend on their shapes. Memory is that of a block.
    """
    hop, history, lag = geometry.hop, geometry.history, geometry.lag
    padded = np.zeros(history)  # the signal from the start of the next frame on
    overlap = np.zeros((lag // hop, hop))
    at, length = -lag, 0  # samples yielded, samples taken in
    for block in chain(blocks, (None,)):
        ended = block is None
        if block is not None:
            padded, length = np.concatenate([padded, block]), length + block.size
        else:
            frames = geometry.hops_of(length) - (at + lag) // hop
            padded = np.concatenate([padded, np.zeros((frames - 1) * hop + geometry.window - padded.size)])
        while (frames := min(_FRAMES, (padded.size - history) // hop)) == _FRAMES or (ended and frames):
            hops = np.concatenate([overlap, np.zeros((frames, hop))])
            _overlap_add(hops, change(_windowed(padded[: frames * hop + history], geometry)), geometry)
            yield hops[:frames].ravel()[max(0, -at) : max(0, length - at)]
            padded, overlap, at = padded[frames * hop :], hops[frames:], at + frames * hop


def _windowed(padded: FloatArray, geometry: Geometry) -> ComplexArray:
    """Return the spectra (T, bins) of all frames in `padded`, the first of which begins where it begins; see stft."""
    frames = sliding_window_view(padded, geometry.window)[:: geometry.hop]
    return np.fft.rfft(frames * analysis_window(geometry), axis=1)


def _overlap_add(hops: FloatArray, spectra: ComplexArray, geometry: Geometry) -> None:
    """Add the signals of the frames `spectra` (T, bins) to `hops` (T + lag / H, H), frame t from hops[t] on."""
    window, hop = synthesis_window(geometry) / overlap_gain(geometry), geometry.hop
    pieces = np.fft.irfft(spectra, geometry.window, axis=1)[:, -geometry.synthesis :] * window
    for part in range(geometry.synthesis // hop):
        hops[part : part + len(pieces)] += pieces[:, part * hop : (part + 1) * hop]


def check_spectrum(X: AnyArray, what: str, geometry: Geometry = RECORDER) -> None:
    """Raise BlshError unless X has shape (T, bins)."""
    if X.ndim != 2 or X.shape[1] != geometry.bins:
        raise BlshError(f"{what} has shape {X.shape}; expected (frames, {geometry.bins})")

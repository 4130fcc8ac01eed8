# SPDX-License-Identifier: Apache-2.0
"""Short-time spectra of signals, framed as the device frames them.

Signals are float64 (samples,) at 16 kHz; spectra are complex128 (T, 513).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from blsh_trainer.arrays import AnyArray, ComplexArray, FloatArray, check_signal
from blsh_trainer.errors import BlshError

SAMPLE_RATE_HZ = 16_000
WINDOW = 1024
HOP = 256
BINS = WINDOW // 2 + 1
HISTORY = WINDOW - HOP
"""Samples of the past that a frame holds besides its hop; before the first hop they are zeros."""

_FRAMES = 1024  # frames that filter_blocks holds at once: their spectra take 8 MB
_SQUARED_WINDOW_SUM = 1.5  # the sum of the squared periodic Hann windows over a sample, at 75 % overlap


@cache
def hann_window() -> FloatArray:
    """Return the periodic Hann window, float64 (1024,)."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)
    window.flags.writeable = False
    return window


def frame_count(samples: int) -> int:
    """Return T = ceil((samples + 768) / 256), the number of frames: with it, every sample lies in four of them."""
    return -(-(samples + HISTORY) // HOP)


def stft(x: ArrayLike) -> ComplexArray:
    """Return the spectra of `x` (samples,) as complex128 (T, 513), T = frame_count(samples).

    Frame t covers samples 256 t - 768 to 256 t + 255 of the signal, with zeros around it. The device holds the same
    samples after its hop t. BlshError when `x` is not one channel of finite samples.
    """
    samples = check_signal(x, "the signal")
    padded = np.zeros((frame_count(samples.size) - 1) * HOP + WINDOW)
    padded[HISTORY:][: samples.size] = samples
    return _windowed(padded)


def istft(X: ArrayLike, length: int) -> FloatArray:
    """Return the signal float64 (length,) whose `stft` is X (T, 513), aligned with it in time.

    The frames are windowed by the Hann window again, added where they overlap and divided by 1.5. BlshError unless X
    has frame_count(length) frames of 513 bins.
    """
    spectrum = np.asarray(X, dtype=np.complex128)
    check_spectrum(spectrum, "the spectrum")
    frames = spectrum.shape[0]
    if length < 0 or frames != frame_count(length):
        raise BlshError(
            f"{frames} frames cannot be turned into {length} samples; that length has {frame_count(length)} frames"
        )
    hops = _no_hops(frames)
    _overlap_add(hops, spectrum)
    return _signal(hops, length)


def filter_frames(x: ArrayLike, change: Callable[[ComplexArray], ComplexArray]) -> FloatArray:
    """Return istft(change(stft(x)), n), float64 (n,), without holding the spectra of all frames at once.

    `change` maps spectra (T, 513) to spectra (T, 513). It is called for the frames in order, block by block.
    BlshError when `x` is not one channel of finite samples.
    """
    return np.concatenate(list(filter_blocks([check_signal(x, "the signal")], change)))


def filter_blocks(blocks: Iterable[FloatArray], change: Callable[[ComplexArray], ComplexArray]) -> Iterator[FloatArray]:
    """Yield, piece by piece, the result of filter_frames for the signal that `blocks` (n,) make up, to the last bit.

    `change` gets the same blocks of frames however the signal was cut, because the last bits of a product of matrices
    depend on their shapes. Memory is that of a block.
    """
    padded = np.zeros(HISTORY)  # the signal from the start of the next frame on
    overlap = np.zeros((WINDOW // HOP - 1, HOP))
    at, length = -HISTORY, 0  # samples yielded, samples taken in
    for block in chain(blocks, (None,)):
        ended = block is None
        if block is not None:
            padded, length = np.concatenate([padded, block]), length + block.size
        else:
            frames = frame_count(length) - (at + HISTORY) // HOP
            padded = np.concatenate([padded, np.zeros((frames - 1) * HOP + WINDOW - padded.size)])
        while (frames := min(_FRAMES, (padded.size - HISTORY) // HOP)) == _FRAMES or (ended and frames):
            hops = np.concatenate([overlap, np.zeros((frames, HOP))])
            _overlap_add(hops, change(_windowed(padded[: frames * HOP + HISTORY])))
            yield hops[:frames].ravel()[max(0, -at) : max(0, length - at)]
            padded, overlap, at = padded[frames * HOP :], hops[frames:], at + frames * HOP


def _windowed(padded: FloatArray) -> ComplexArray:
    """Return the spectra (T, 513) of all frames in `padded`, the first of which begins where it begins; see stft."""
    return np.fft.rfft(sliding_window_view(padded, WINDOW)[::HOP] * hann_window(), axis=1)


def _no_hops(frames: int) -> FloatArray:
    """Return zeros (hops, 256) to which `frames` frames can be added."""
    return np.zeros((frames + WINDOW // HOP - 1, HOP))


def _overlap_add(hops: FloatArray, spectra: ComplexArray) -> None:
    """Add the signals of the frames `spectra` (T, 513) to `hops`, frame t from hops[t] on."""
    pieces = np.fft.irfft(spectra, WINDOW, axis=1) * (hann_window() / _SQUARED_WINDOW_SUM)
    for part in range(WINDOW // HOP):
        hops[part : part + len(pieces)] += pieces[:, part * HOP : (part + 1) * HOP]


def _signal(hops: FloatArray, length: int) -> FloatArray:
    return hops.ravel()[HISTORY : HISTORY + length]


def check_spectrum(X: AnyArray, what: str) -> None:
    """Raise BlshError unless X has shape (T, 513)."""
    if X.ndim != 2 or X.shape[1] != BINS:
        raise BlshError(f"{what} has shape {X.shape}; expected (frames, {BINS})")

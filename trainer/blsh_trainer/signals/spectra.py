"""Short-time spectra framed as the device frames them, mel features and their normalisation.

Signals are float64 (samples,) at 16 kHz; spectra are complex128 (T, 513); features are float64 (T, D).
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
"""Samples of the past that the device holds when a hop arrives; zeros before the first hop."""
MEL_BANDS = 128
TRACKED_BANDS = 64
FEATURE_KINDS = ("stft", "mel", "tracked")
TRACKING_START = 32
"""Frames of a stream in which the noise floor follows upwards as fast as downwards."""
TRACKING_FAST, TRACKING_SLOW = 1 / 4, 1 / 128
"""Parts of the distance that the noise floor goes in a frame: downwards and at the start, and upwards later."""

_FRAMES = 1024  # frames that filter_frames holds at once: their spectra take 8 MB
_HZ_A_MEL = 200.0 / 3  # below the bend, where mel are proportional to frequency
_MEL_BEND_HZ = 1000.0
_MEL_BEND = _MEL_BEND_HZ / _HZ_A_MEL
_MEL_LOG_STEP = float(np.log(6.4)) / 27.0
_SQUARED_WINDOW_SUM = 1.5  # sum of squared periodic Hann windows at 75 % overlap, the same at every sample


@cache
def hann_window() -> FloatArray:
    """Return the periodic Hann window, float64 (1024,)."""
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)
    window.flags.writeable = False
    return window


def frame_count(samples: int) -> int:
    """Return T = ceil((samples + 768) / 256): as many frames as put every sample under four windows."""
    return -(-(samples + HISTORY) // HOP)


def stft(x: ArrayLike) -> ComplexArray:
    """Return the spectra of `x` (samples,) as complex128 (T, 513), T = frame_count(samples).

    Frame t covers samples [256 t - 768, 256 t + 256), zeros outside the signal: it is what the device has
    after its hop t. BlshError when `x` is not one channel of finite samples.
    """
    samples = check_signal(x, "the signal")
    padded = np.zeros((frame_count(samples.size) - 1) * HOP + WINDOW)
    padded[HISTORY:][: samples.size] = samples
    return _windowed(padded)


def istft(X: ArrayLike, length: int) -> FloatArray:
    """Return the signal float64 (length,) whose `stft` is X (T, 513), aligned with it in time.

    Hann synthesis window, overlap-add, divided by the constant 1.5. BlshError unless X has
    frame_count(length) frames of 513 bins.
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
    """Return istft(change(stft(x)), n), float64 (n,), without ever holding all of the spectrum.

    `change` maps spectra (T, 513) to spectra (T, 513): it sees all frames in order, block by block.
    BlshError when `x` is not one channel of finite samples.
    """
    return np.concatenate(list(filter_blocks([check_signal(x, "the signal")], change)))


def filter_blocks(blocks: Iterable[FloatArray], change: Callable[[ComplexArray], ComplexArray]) -> Iterator[FloatArray]:
    """Yield, piece by piece, what filter_frames gives of the signal that `blocks` (n,) make up, to the last bit.

    `change` sees the same blocks of frames, however the signal was cut: the last bits of a product of matrices
    depend on their shapes. Memory is that of a block.
    """
    padded = np.zeros(HISTORY)  # from where the next frame begins
    overlap = np.zeros((WINDOW // HOP - 1, HOP))
    at, length = -HISTORY, 0  # samples put out, samples taken
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
    """Return the spectra (T, 513) of all frames in `padded`, of which the first begins with it; see stft."""
    return np.fft.rfft(sliding_window_view(padded, WINDOW)[::HOP] * hann_window(), axis=1)


def _no_hops(frames: int) -> FloatArray:
    """Return zeros (hops, 256) for `frames` frames to be added to."""
    return np.zeros((frames + WINDOW // HOP - 1, HOP))


def _overlap_add(hops: FloatArray, spectra: ComplexArray) -> None:
    """Add the frames of `spectra` (T, 513) to `hops`, the first of them from hops[0] on."""
    pieces = np.fft.irfft(spectra, WINDOW, axis=1) * (hann_window() / _SQUARED_WINDOW_SUM)
    for part in range(WINDOW // HOP):
        hops[part : part + len(pieces)] += pieces[:, part * HOP : (part + 1) * HOP]


def _signal(hops: FloatArray, length: int) -> FloatArray:
    return hops.ravel()[HISTORY : HISTORY + length]


@cache
def mel_filters(bands: int = MEL_BANDS) -> FloatArray:
    """Return the mel filters of Slaney's Auditory Toolbox for 16 kHz and 1024 points, float64 (bands, 513).

    Triangles of unit area; their edges lie at equal distances in mel, from 0 Hz to 8 kHz. The bits are those of
    librosa 0.11's defaults. librosa itself takes a second to import, and fails where no folder can be written.
    """
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel_above_bend(SAMPLE_RATE_HZ / 2), bands + 2))
    widths = np.diff(edges)[:, np.newaxis]
    distances = edges[:, np.newaxis] - np.fft.rfftfreq(WINDOW, 1.0 / SAMPLE_RATE_HZ)
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    filters: FloatArray = np.maximum(0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    filters.flags.writeable = False
    return filters


def _hz_to_mel_above_bend(hz: float) -> float:
    """Return a frequency of 1 kHz or more in Slaney's mel: 15 at 1 kHz, then 27 for each factor of 6.4."""
    return _MEL_BEND + float(np.log(hz / _MEL_BEND_HZ)) / _MEL_LOG_STEP


def _mel_to_hz(mel: FloatArray) -> FloatArray:
    above = _MEL_BEND_HZ * np.exp(_MEL_LOG_STEP * (mel - _MEL_BEND))
    return np.where(mel >= _MEL_BEND, above, _HZ_A_MEL * mel)


def feature_count(kind: str) -> int:
    """Return D: 513 for "stft", 128 for "mel" and "tracked"; BlshError for any other kind."""
    if kind not in FEATURE_KINDS:
        raise BlshError(f"feature kind {kind!r} is unknown; choose one of {', '.join(FEATURE_KINDS)}")
    return {"stft": BINS, "mel": MEL_BANDS, "tracked": 2 * TRACKED_BANDS}[kind]


class FeatureExtractor:
    """The features of one signal, whose spectra may come block by block: one extractor for each signal.

    "stft": magnitudes (513). "mel": mel-filtered magnitudes (128). "tracked": square roots c of 64 mel-filtered
    magnitudes, then the noise floor s of each. The floor starts at the first frame's c; a frame moves it
    towards its c by 1/4 of the distance, and by 1/128 only where that is upwards and 32 frames have passed.
    """

    def __init__(self, kind: str) -> None:
        """BlshError for an unknown kind."""
        feature_count(kind)
        self.kind = kind
        self._frames = 0
        self._floor = np.zeros(TRACKED_BANDS)

    def __call__(self, X: ArrayLike) -> FloatArray:
        """Return the features float64 (T, D), not normalised, of the next frames X (T, 513) of the signal.

        BlshError for a spectrum that has not 513 bins.
        """
        spectrum = np.asarray(X)
        check_spectrum(spectrum, "the spectrum")
        magnitudes: FloatArray = np.abs(spectrum).astype(np.float64)
        if self.kind == "stft":
            return magnitudes
        if self.kind == "mel":
            return magnitudes @ mel_filters().T
        levels = np.sqrt(magnitudes @ mel_filters(TRACKED_BANDS).T)
        return np.concatenate([levels, self._floors(levels)], axis=1)

    def _floors(self, levels: FloatArray) -> FloatArray:
        floors = np.empty_like(levels)
        for row, level in zip(floors, levels, strict=True):
            if self._frames == 0:
                self._floor = level
            rising = TRACKING_FAST if self._frames < TRACKING_START else TRACKING_SLOW
            distance = level - self._floor
            row[:] = self._floor + distance * np.where(distance < 0, TRACKING_FAST, rising)
            self._floor = row
            self._frames += 1
        self._floor = self._floor.copy()  # not a view that would keep the whole block
        return floors


def features(X: ArrayLike, kind: str) -> FloatArray:
    """Return the features of a whole signal's spectra X (T, 513), float64 (T, D): see FeatureExtractor."""
    return FeatureExtractor(kind)(X)


def l2_normalise(H: ArrayLike) -> FloatArray:
    """Return the rows of H (T, D) divided by their L2 norms; rows of zeros stay zero."""
    rows = np.asarray(H, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    normalised: FloatArray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return normalised


def check_spectrum(X: AnyArray, what: str) -> None:
    """Raise BlshError unless X has shape (T, 513)."""
    if X.ndim != 2 or X.shape[1] != BINS:
        raise BlshError(f"{what} has shape {X.shape}; expected (frames, {BINS})")

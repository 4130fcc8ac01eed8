# SPDX-License-Identifier: Apache-2.0
"""Synthesise noises that change with time; a fixed filter would remove stationary ones.

Each maker takes (samples, rng) and returns float64 (samples,) at 16 kHz, at no particular level.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal

from blsh_trainer.arrays import FloatArray
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

Maker = Callable[[int, np.random.Generator], FloatArray]


def make_noise(kind: str, samples: int, rng: np.random.Generator) -> FloatArray:
    """Return `samples` of the noise type `kind`, float64 with a peak of 0.5, over white noise 60 dB below the peak."""
    noise = MAKERS[kind](samples, rng)
    noise = noise / max(float(np.abs(noise).max()), 1e-9)
    return 0.5 * (noise + 1e-3 * rng.standard_normal(samples)) / 1.01


def _slow(samples: int, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return a random curve in [0, 1] that turns about `rate_hz` times a second."""
    knots = max(4, int(samples / SAMPLE_RATE_HZ * rate_hz * 2) + 2)
    at = np.linspace(0, knots - 1, samples)
    curve = np.interp(at, np.arange(knots), rng.uniform(0.0, 1.0, knots))
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * curve))


def _band(low_hz: float, high_hz: float, samples: int, rng: np.random.Generator) -> FloatArray:
    sections = signal.butter(2, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, rng.standard_normal(samples)))


def _events(samples: int, rate_hz: float, rng: np.random.Generator) -> list[int]:
    """Return the sample positions of a Poisson process."""
    gaps = rng.exponential(SAMPLE_RATE_HZ / rate_hz, int(samples / SAMPLE_RATE_HZ * rate_hz * 2) + 4)
    times = np.cumsum(gaps).astype(np.int64)
    return [int(time) for time in times[times < samples]]


def _place(track: FloatArray, piece: FloatArray, at: int) -> None:
    room = max(0, track.size - at)
    track[at : at + piece.size] += piece[:room]


def _rings(modes_hz: FloatArray, decay_s: float, rng: np.random.Generator) -> FloatArray:
    """Return one struck body: decaying modes of random strength and phase."""
    time = np.arange(int(5 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    body = np.zeros(time.size)
    for mode in modes_hz:
        strength = rng.uniform(0.2, 1.0)
        phase = rng.uniform(0, 2 * np.pi)
        body += strength * np.sin(2 * np.pi * mode * time + phase) * np.exp(-time / (decay_s * rng.uniform(0.4, 1.0)))
    return body


def _harmonics(pitch_hz: FloatArray, count: int, slope: float) -> FloatArray:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    return np.asarray(sum(np.sin(h * phase + h * h) / h**slope for h in range(1, count + 1)))


def gusts(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return wind: low noise whose strength and colour swell."""
    low = _band(40, 250, samples, rng) * _slow(samples, 0.7, rng) ** 2
    return low * 3 + _band(250, 900, samples, rng) * _slow(samples, 0.9, rng) ** 3


def surf(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return waves: broad noise with a slow rise and fall."""
    return _band(150, 3500, samples, rng) * (0.05 + _slow(samples, 0.3, rng) ** 2)


def engine(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return a motor that is revved: a low harmonic series of wandering pitch, with exhaust noise."""
    pitch = rng.uniform(35, 60) * (1 + 1.5 * _slow(samples, 0.5, rng))
    tone = _harmonics(pitch, 24, 0.8)
    return tone * (0.3 + _slow(samples, 1.0, rng)) + 0.5 * _band(80, 1500, samples, rng)


def chirps(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return birds: short whistles that glide."""
    track = np.zeros(samples)
    for at in _events(samples, 3.5, rng):
        length = int(rng.uniform(0.06, 0.3) * SAMPLE_RATE_HZ)
        shape = np.hanning(length)
        start, stop = rng.uniform(2200, 6500, 2)
        pitch = np.linspace(start, stop, length) + 150 * np.sin(np.linspace(0, rng.uniform(0, 60), length))
        _place(track, rng.uniform(0.2, 1) * shape * _harmonics(pitch, 1, 1.0), at)
    return track


def keyboard(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return typing: pairs of clicks, press and release."""
    track = np.zeros(samples)
    for at in _events(samples, 6.0, rng):
        for delay, strength in ((0, 1.0), (int(rng.uniform(0.06, 0.12) * SAMPLE_RATE_HZ), 0.5)):
            click = _rings(rng.uniform(800, 5500, 8), 0.006, rng)
            _place(track, strength * rng.uniform(0.3, 1) * click, at + delay)
    return track


def crackle(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return fire: dense tiny cracks of uneven strength over a faint roar."""
    track = 0.08 * _band(60, 500, samples, rng) * _slow(samples, 1.0, rng)
    for at in _events(samples, 25.0, rng):
        length = int(rng.uniform(0.001, 0.008) * SAMPLE_RATE_HZ) + 4
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 4))
        _place(track, rng.uniform(0.05, 1) ** 2 * burst, at)
    return track


def clatter(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return tools on a bench: struck bodies of wood and iron."""
    track = np.zeros(samples)
    for at in _events(samples, 3.0, rng):
        _place(track, rng.uniform(0.2, 1) * _rings(rng.uniform(200, 3000, 6), rng.uniform(0.02, 0.08), rng), at)
    return track


def siren(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return an emergency car: wailing tones, near and far."""
    time = np.arange(samples) / SAMPLE_RATE_HZ
    wail = 0.5 + 0.5 * signal.sawtooth(2 * np.pi * time * rng.uniform(0.25, 0.6), width=0.5)
    tone = _harmonics(rng.uniform(500, 650) + 700 * wail, 5, 1.2)
    return tone * (0.1 + _slow(samples, 0.3, rng)) + 0.3 * _band(80, 800, samples, rng)


def rain(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return showers: hissing noise in bursts, with drops."""
    track = _band(1000, 7000, samples, rng) * (0.1 + _slow(samples, 0.5, rng) ** 2)
    for at in _events(samples, 12.0, rng):
        _place(track, rng.uniform(0.5, 3) * _rings(rng.uniform(1500, 5000, 2), 0.004, rng), at)
    return track


def dishes(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return plates and cutlery: high, long-ringing strikes in flurries, over splashing."""
    track = 0.1 * _band(500, 3000, samples, rng) * _slow(samples, 2.0, rng) ** 2
    for at in _events(samples, 2.0, rng):
        for _ in range(int(rng.integers(1, 5))):
            at += int(rng.uniform(0.02, 0.15) * SAMPLE_RATE_HZ)
            strike = _rings(rng.uniform(1800, 7000, 7), rng.uniform(0.03, 0.15), rng)
            _place(track, rng.uniform(0.1, 0.6) * strike, at)
    return track


def train(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return a carriage: wheels on rail joints in rhythm, over a rumble."""
    time = np.arange(samples) / SAMPLE_RATE_HZ
    beat = np.maximum(0.0, np.sin(2 * np.pi * time * rng.uniform(1.6, 2.4))) ** 12
    double = beat + 0.7 * np.roll(beat, int(0.14 * SAMPLE_RATE_HZ))
    knocks = _band(150, 2200, samples, rng) * double * (0.6 + 0.4 * _slow(samples, 0.5, rng))
    return knocks + 0.4 * _band(40, 300, samples, rng) * (0.4 + _slow(samples, 0.6, rng))


def vacuum(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return a vacuum cleaner pushed about: a whine whose load changes, with air noise."""
    pitch = rng.uniform(180, 260) * (1 + 0.25 * _slow(samples, 0.8, rng))
    load = 0.2 + 0.8 * _slow(samples, 0.7, rng)
    air = _band(600, 5000, samples, rng) * (0.2 + 0.8 * _slow(samples, 0.9, rng))
    return 0.4 * _harmonics(pitch, 12, 0.7) * load + 1.5 * air


def traffic(samples: int, rng: np.random.Generator) -> FloatArray:
    """Return a street: cars that pass, each a swell of tyre noise with a motor in it, and a horn at times."""
    track = 0.1 * _band(50, 400, samples, rng)
    for at in [0, *_events(samples, 0.4, rng)]:
        length = int(rng.uniform(2.0, 5.0) * SAMPLE_RATE_HZ)
        swell = np.hanning(length) ** 2
        motor = _harmonics(np.linspace(1.08, 0.92, length) * rng.uniform(70, 120), 14, 1.0)
        tyres = _band(200, rng.uniform(1500, 4000), length, rng)
        _place(track, rng.uniform(0.4, 1) * swell * (0.4 * motor + tyres), at)
    for at in _events(samples, 0.12, rng):
        length = int(rng.uniform(0.2, 0.6) * SAMPLE_RATE_HZ)
        _place(track, 0.4 * _harmonics(np.full(length, rng.uniform(350, 450)), 8, 0.6), at)
    return track


MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        *(gusts, surf, engine, chirps, keyboard, crackle, clatter, siren, rain),
        *(dishes, train, vacuum, traffic),
    )
}
NOISE_TYPES: dict[str, tuple[str, ...]] = {
    "train": ("gusts", "surf", "engine", "chirps", "keyboard", "crackle", "clatter", "siren", "rain"),
    "valid": ("engine", "keyboard", "rain"),
    "test": ("dishes", "train", "vacuum", "traffic"),
}

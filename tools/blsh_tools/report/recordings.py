# SPDX-License-Identifier: Apache-2.0
"""Five short recordings, denoised in floats and by the firmware: what the page lets people hear."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_tools.audio.engines import Engine, FloatEngine, Samples
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.evaluation.protocols import DrawnMixtures, mixtures_at
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import from_int16, to_int16

RECORDINGS: Final = 5
SECONDS: Final = 4.0
"""At most; a shorter utterance stays as it is."""
SNRS_DB: Final = (0.0, 5.0, 10.0, -5.0, 15.0)
"""The SNR of each recording."""
_SPLITS = ("test", "valid")


@dataclass(frozen=True)
class Source:
    """An utterance in noise, int16 (n,) each. speech, noise, noise_type: what it was made of."""

    speech: str
    noise: str
    noise_type: str
    snr_db: float
    clean: Samples
    noisy: Samples


@dataclass(frozen=True)
class Heard:
    """A recording in four sounds, int16 (n,) each: noisy, clean, float and device.

    differing: samples of the device that are not those of the integer reference.
    """

    source: Source
    sounds: dict[str, Samples]
    differing: int

    @cached_property
    def si_sdr_db(self) -> dict[str, float | None]:
        """The SI-SDR of each sound but the clean speech, against it, in dB; None where it is undefined."""
        clean = from_int16(self.source.clean)
        return {
            name: _finite(si_sdr(clean, from_int16(samples))) if clean.any() else None
            for name, samples in self.sounds.items()
            if name != "clean"
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the recording as JSON values, without the sound."""
        source = self.source
        return {
            "speech": source.speech,
            "noise": source.noise,
            "noise_type": source.noise_type,
            "snr_db": source.snr_db,
            "samples": len(source.noisy),
            "si_sdr_db": {sound: _rounded(figure) for sound, figure in self.si_sdr_db.items()},
            "level_dbfs": {sound: _rounded(level_dbfs(samples)) for sound, samples in self.sounds.items()},
            "differing_samples": self.differing,
        }


def split_to_hear(corpus: Corpus) -> str:
    """Return the split that recordings are taken from: test, or valid. BlshError where the corpus has neither."""
    found = next((split for split in _SPLITS if corpus.has(split)), None)
    if found is None:
        raise BlshError(
            f"{corpus.place} has speech and noise neither in split test nor in valid; give another --corpus"
        )
    return found


def draw_sources(corpus: Corpus, rate_hz: int, seed: int) -> list[Source]:
    """Return RECORDINGS mixtures of the corpus at the rate of a model, the first SECONDS of each.

    BlshError as of split_to_hear.
    """
    mixtures = DrawnMixtures(corpus, split_to_hear(corpus), SNRS_DB, RECORDINGS, seed)
    resampled, length = mixtures_at(mixtures, rate_hz), round(SECONDS * rate_hz)
    found = []
    for number in range(RECORDINGS):
        named = resampled[number * len(SNRS_DB) + number % len(SNRS_DB)]
        clean, noisy = (to_int16(part)[:length] for part in (named.signals.speech, named.signals.mixture))
        found.append(Source(named.speech_path, named.noise_path, named.noise_type, named.snr_db, clean, noisy))
    return found


def hear(
    sources: Sequence[Source],
    floats: FloatEngine,
    reference: VectorisedDenoiser,
    device: Engine,
    progress: Progress | None = None,
) -> list[Heard]:
    """Denoise `sources` in floats and by `device`, and compare the device with the integers of the reference."""
    found = []
    for number, source in enumerate(sources, 1):
        noisy: FloatArray = from_int16(source.noisy)
        sounds = {
            "noisy": source.noisy,
            "clean": source.clean,
            "float": to_int16(floats.denoise(noisy)),
            "device": to_int16(device.denoise(noisy)),
        }
        differing = int(np.count_nonzero(sounds["device"] != reference.denoise(source.noisy)))
        found.append(Heard(source, sounds, differing))
        if progress is not None:
            progress("recordings", number, len(sources))
    return found


def level_dbfs(samples: npt.NDArray[np.int16]) -> float | None:
    """Return the RMS level of samples in dB below full scale; None of silence."""
    power = float(np.mean(from_int16(samples) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(power)) if power else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

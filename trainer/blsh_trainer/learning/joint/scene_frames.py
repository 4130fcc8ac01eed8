# SPDX-License-Identifier: Apache-2.0
"""Turn scenes into frames to learn from: features as the device sees them, and what each gain of a band costs.

With a gain m in a band of mixture X and speech S, the error of the spectrum is m^2 A - 2 m B + C, of sums over the
band's bins: A of |X|^2, B of Re(conj(X) S), C of |S|^2. That of compressed magnitudes is the same in m^0.3, |X|^0.6 and
|X|^0.3 |S|^0.3. So a frame keeps five sums for each band, whatever the learner tries.

With hops shorter than 16 ms only the first frame of each tick is kept. The memory of the features moves there, and
frames in between are much like it: with all of them a batch of as many frames heard half of the time, or a quarter.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.compute.process_map import computed
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.scenes import Scene, SceneMaker
from blsh_trainer.errors import BlshError
from blsh_trainer.model.voting_model import VOTING_FEATURES
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import at_rate
from blsh_trainer.signals.features import features_of_ticks
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import band_edges
from blsh_trainer.signals.spectra import stft

COMPRESSION = 0.3
"""The power by which magnitudes are compressed, close to how loud they are heard."""

_SCENES_A_TASK = 50
_LEAST_SPEECH = 0.03  # of the mixture's energy: below it the speech of a scene does not set the scale of its error
_LEAST_COMPRESSED = 0.3
_MOST = 6e4  # float16 ends at 65 504


@dataclass(frozen=True)
class SceneFrames:
    """T frames of scenes, one scene after the other.

    features: int16 (T, 257). sums: float16 (T, 5, W), of each band |X|^2, Re(conj(X) S), |S|^2, |X|^0.6 and
    |X|^0.3 |S|^0.3. rest: float32 (T, 2), the sums of |S|^2 and of |S|^0.6 over all bands. All are relative to the mean
    frame of the scene's speech. lengths: the frames of each scene.
    """

    features: NDArray[np.int16]
    sums: NDArray[np.float16]
    rest: NDArray[np.float32]
    lengths: NDArray[np.int64]

    def starts(self, span: int) -> NDArray[np.int64]:
        """Return the frames from which on `span` frames are of one scene; BlshError where there are none."""
        first = np.cumsum(self.lengths) - self.lengths
        found = [np.arange(at, at + length - span + 1) for at, length in zip(first, self.lengths, strict=True)]
        starts = np.concatenate(found)
        if not len(starts):
            raise BlshError(f"no scene has {span} frames; choose a shorter span or give longer recordings")
        return starts


def gather_scenes(
    corpus: Corpus,
    passes: int,
    seed: int,
    jobs: int | None = None,
    progress: Progress | None = None,
    geometry: Geometry = RECORDER,
) -> SceneFrames:
    """Return the frames of `passes` scenes of each utterance of the train split, made in `jobs` processes.

    The frames do not depend on the number of processes. BlshError for audio that cannot be used.
    """
    maker = SceneMaker(corpus, "train", seed)
    total = passes * maker.utterances
    tasks = -(-total // _SCENES_A_TASK)
    parts = computed(partial(_frames_of_task, maker, total, geometry), tasks, jobs, "mixing scenes", progress)
    return _joined(parts)


def _frames_of_task(maker: SceneMaker, total: int, geometry: Geometry, task: int) -> SceneFrames:
    numbers = range(task * _SCENES_A_TASK, min(total, (task + 1) * _SCENES_A_TASK))
    return _joined([scene_frames(scene, geometry) for scene in maker.scenes(numbers)])


def _joined(parts: list[SceneFrames]) -> SceneFrames:
    return SceneFrames(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.rest for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )


def scene_frames(scene: Scene, geometry: Geometry = RECORDER) -> SceneFrames:
    """Return the first frame of each tick of one scene, at the rate of the geometry."""
    ticks = slice(None, None, geometry.hops_per_tick)
    X, S = (stft(at_rate(signal, geometry.rate_hz), geometry)[ticks] for signal in (scene.mixture, scene.speech))
    heard, wanted = np.abs(X), np.abs(S)
    soft, soft_wanted = heard**COMPRESSION, wanted**COMPRESSION
    A, B, C = (_bands(bins, geometry) for bins in (heard**2, (np.conj(X) * S).real, wanted**2))
    A6, B6, C6 = (_bands(bins, geometry) for bins in (soft**2, soft * soft_wanted, soft_wanted**2))
    energy = _scale(C, A, _LEAST_SPEECH)
    loudness = _scale(C6, A6, _LEAST_COMPRESSED)
    sums = np.stack([A / energy, B / energy, C / energy, A6 / loudness, B6 / loudness], axis=1)
    rest = np.stack([C.sum(axis=1) / energy, C6.sum(axis=1) / loudness], axis=1)
    found = np.floor(features_of_ticks(X, VOTING_FEATURES, geometry) + 0.5)
    return SceneFrames(
        np.clip(found, -32_768, 32_767).astype(np.int16),
        np.clip(sums, -_MOST, _MOST).astype(np.float16),
        rest.astype(np.float32),
        np.array([len(X)]),
    )


def _bands(bins: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
    return np.add.reduceat(bins, np.array(band_edges(geometry)[:-1]), axis=1)


def _scale(speech: NDArray[np.float64], mixture: NDArray[np.float64], least: float) -> float:
    """Return the sum of the mean frame of the speech, but no less than a part of the mixture's."""
    return max(float(speech.sum(axis=1).mean()), least * float(mixture.sum(axis=1).mean()), 1e-12)

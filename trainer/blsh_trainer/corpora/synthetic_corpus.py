# SPDX-License-Identifier: Apache-2.0
"""Make a corpus for users without one: espeak-ng reads the speech, and noises are synthesised."""

import csv
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.corpus_entry import SPLITS
from blsh_trainer.corpora.layouts.manifest import COLUMNS, MANIFEST
from blsh_trainer.corpora.synthetic_noise import NOISE_TYPES, make_noise
from blsh_trainer.corpora.synthetic_text import SENTENCES, VOICES, Voice
from blsh_trainer.errors import BlshError
from blsh_trainer.own_files import read_own
from blsh_trainer.progress import Progress
from blsh_trainer.replacing_folder import replacing_folder
from blsh_trainer.signals.audio import read_audio, write_pcm
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

GENERATOR_VERSION = 1
RECIPE = "recipe.json"
_SPEECH_PEAK = 0.7
_TIMEOUT_S = 60


@dataclass(frozen=True)
class CorpusSize:
    """The number of utterances and noise files of each split (train, valid, test), and the length of a noise file."""

    utterances: tuple[int, int, int] = (170, 27, 64)
    noises: tuple[int, int, int] = (18, 3, 8)
    noise_seconds: float = 20.0

    def check(self) -> None:
        """Raise BlshError unless every split has an utterance and a noise of a second or more."""
        if min(*self.utterances, *self.noises) < 1 or not self.noise_seconds >= 1.0:
            raise BlshError(f"{self}: every split needs an utterance and a noise, and a noise at least a second")


@dataclass(frozen=True)
class _Task:
    """One file to make: speech when `voice` is set, else noise of the type `label`."""

    path: str
    kind: str
    split: str
    label: str
    seed: np.random.SeedSequence
    voice: Voice | None = None
    sentence: str = ""


def make_corpus(
    folder: str | os.PathLike[str],
    seed: int,
    progress: Progress | None = None,
    size: CorpusSize | None = None,
) -> Corpus:
    """Make a corpus of FLAC files and a manifest in `folder`, and load it.

    By default it has about 8 minutes of training speech. Voices and sentences are disjoint between the splits, and the
    test split has noises of its own. The same seed and the same espeak-ng give the same bytes. A synthetic corpus of
    the same seed and size in `folder` is reused, another synthetic corpus there is replaced.

    BlshError when espeak-ng is missing or fails, when `folder` holds anything else or cannot be written, and for a
    negative seed.
    """
    chosen = size or CorpusSize()
    chosen.check()
    if seed < 0:
        raise BlshError(f"seed {seed}; choose 0 or more")
    root = Path(folder)
    if root.is_dir() and _recipe_of(root) == _recipe(seed, chosen, None):
        return load_corpus(root)
    recipe = _recipe(seed, chosen, _espeak_version())
    _refuse_foreign(root)
    with replacing_folder(root) as building:
        _build(building, seed, chosen, progress)
        (building / RECIPE).write_text(json.dumps(recipe, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return load_corpus(root)


def _recipe(seed: int, size: CorpusSize, espeak: str | None) -> dict[str, object]:
    """Return the values that the bytes depend on, as JSON; with an `espeak` of None, those that a caller chooses."""
    recipe: dict[str, object] = {
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "utterances": list(size.utterances),
        "noises": list(size.noises),
        "noise_seconds": size.noise_seconds,
    }
    return recipe if espeak is None else {**recipe, "espeak": espeak}


def _recipe_of(root: Path) -> dict[str, object] | None:
    """Return the recipe of the synthetic corpus in `root`, without the version of espeak-ng; None for another folder.

    A corpus is reused whichever espeak-ng made it, because a model names its corpus by SHA-256 and not by its seed.
    """
    try:
        recipe = json.loads(read_own(root / RECIPE))
    except (OSError, ValueError):
        return None
    if not isinstance(recipe, dict) or "generator_version" not in recipe:
        return None
    return {key: value for key, value in recipe.items() if key != "espeak"}


def _refuse_foreign(root: Path) -> None:
    if root.is_dir() and (not any(root.iterdir()) or _recipe_of(root) is not None):
        return
    if root.exists():
        raise BlshError(f"{root} exists and is no synthetic corpus; choose another folder, it is left as it is")


def _espeak_version() -> str:
    try:
        answer = subprocess.run(
            ["espeak-ng", "--version"], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise BlshError(
            "espeak-ng, which speaks the synthetic corpus, is not installed; "
            "install the Debian package `espeak-ng` (apt-get install espeak-ng) or give a corpus of your own"
        ) from error
    except (subprocess.SubprocessError, OSError) as error:
        raise BlshError(f"espeak-ng does not run ({error}); reinstall the Debian package espeak-ng") from error
    return answer.stdout.split("Data at")[0].strip()  # the rest of the line is a path on this machine


def _build(root: Path, seed: int, size: CorpusSize, progress: Progress | None) -> None:
    tasks = list(_tasks(seed, size))
    for folder in {(root / task.path).parent for task in tasks}:
        folder.mkdir(parents=True, exist_ok=True)
    seconds: list[float] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for length in pool.map(lambda task: _make(root, task, size), tasks):
            seconds.append(length)
            if progress is not None:
                progress("synthesising", len(seconds), len(tasks))
    with (root / MANIFEST).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*COLUMNS, "gender", "duration_s", "source", "licence"])
        for task, length in zip(tasks, seconds, strict=True):
            source = "espeak-ng" if task.voice else "synthesised"
            writer.writerow([task.path, task.kind, task.split, task.label, "", f"{length:.3f}", source, "own"])


def _tasks(seed: int, size: CorpusSize) -> Iterator[_Task]:
    # Each file has its own seed, so that threads may make files in any order.
    speech_seed, noise_seed = np.random.SeedSequence(seed).spawn(2)
    for split, count, split_seed in zip(SPLITS, size.utterances, speech_seed.spawn(3), strict=True):
        rng = np.random.default_rng(split_seed)
        sentences: list[int] = []
        for number, own in enumerate(split_seed.spawn(count)):
            sentences = sentences or rng.permutation(len(SENTENCES[split])).tolist()
            voice = VOICES[split][number % len(VOICES[split])]
            path = f"speech/{voice.speaker}/{number:04d}.flac"
            yield _Task(path, "speech", split, voice.speaker, own, voice, SENTENCES[split][sentences.pop()])
    for split, count, split_seed in zip(SPLITS, size.noises, noise_seed.spawn(3), strict=True):
        kinds = NOISE_TYPES[split]
        for number, own in enumerate(split_seed.spawn(count)):
            kind = kinds[number % len(kinds)]
            yield _Task(f"noise/{split}/{kind}_{number:02d}.flac", "noise", split, kind, own)


def _make(root: Path, task: _Task, size: CorpusSize) -> float:
    """Make a file, and return its length in seconds."""
    rng = np.random.default_rng(task.seed)
    if task.voice is None:
        samples = make_noise(task.label, round(size.noise_seconds * SAMPLE_RATE_HZ), rng)
    else:
        samples = _speak(task.voice, task.sentence, rng)
    write_pcm(root / task.path, samples, "FLAC")
    return samples.size / SAMPLE_RATE_HZ


def _speak(voice: Voice, sentence: str, rng: np.random.Generator) -> FloatArray:
    """Return the sentence as `voice` says it, float64 (n,) at 16 kHz, with slightly varied speed and pitch."""
    speed = voice.speed + int(rng.integers(-15, 16))
    pitch = int(np.clip(voice.pitch + rng.integers(-6, 7), 0, 99))
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "speech.wav"
        command = [
            "espeak-ng",
            "-v",
            voice.name,
            "-s",
            str(speed),
            "-p",
            str(pitch),
            "-w",
            str(wav),
            sentence,
        ]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise BlshError(
                f"espeak-ng failed with voice {voice.name} ({error}); reinstall the package espeak-ng"
            ) from error
        samples = read_audio(wav).samples
    return samples * (_SPEECH_PEAK * 10 ** (rng.uniform(-6.0, 0.0) / 20.0) / max(float(np.abs(samples).max()), 1e-9))

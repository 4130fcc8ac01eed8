# SPDX-License-Identifier: Apache-2.0
"""The synthetic corpus: disjoint splits, the same bytes for a seed, and folders that are left alone."""

import subprocess

import numpy as np
import pytest

from blsh_trainer.corpora import synthetic_corpus as synthetic
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.synthetic_corpus import CorpusSize, make_corpus
from blsh_trainer.corpora.synthetic_noise import MAKERS, NOISE_TYPES, make_noise
from blsh_trainer.corpora.synthetic_text import SENTENCES, VOICES
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import read_audio

SMALL = CorpusSize(utterances=(3, 1, 2), noises=(2, 1, 1), noise_seconds=2.0)
needs_espeak = pytest.mark.needs("espeak-ng")


def contents(root):
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@needs_espeak
def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first = make_corpus(tmp_path / "a" / "corpus", 7, size=SMALL)
    make_corpus(tmp_path / "b", 7, size=SMALL)
    make_corpus(tmp_path / "c", 8, size=SMALL)
    assert contents(tmp_path / "a" / "corpus") == contents(tmp_path / "b") != contents(tmp_path / "c")
    assert len(first.entries) == 10 and sorted(tmp_path.iterdir())[0].name == "a"
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["corpus"]
    for entry in first.entries:
        audio = read_audio(first.path(entry))
        assert (audio.source_rate_hz, audio.source_channels) == (16_000, 1)
        assert 0.2 < np.abs(audio.samples).max() < 0.99 and audio.samples.size > 8_000


@needs_espeak
def test_a_corpus_of_the_same_recipe_is_reused_and_another_replaced(tmp_path):
    root = tmp_path / "corpus"
    seen = []
    before = make_corpus(root, 7, lambda *call: seen.append(call), SMALL).sha256
    assert seen == [("synthesising", n, 10) for n in range(1, 11)]
    assert make_corpus(root, 7, lambda *call: seen.append(call), SMALL).sha256 == before
    assert len(seen) == 10
    assert make_corpus(root, 9, size=SMALL).sha256 != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus"]


@needs_espeak
def test_a_folder_of_someone_else_s_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BlshError, match="no synthetic corpus; choose another folder"):
        make_corpus(tmp_path, 0, size=SMALL)
    assert contents(tmp_path) == {"thesis.txt": b"precious"}


@needs_espeak
def test_a_failure_leaves_no_half_corpus(tmp_path, monkeypatch):
    def fail(*_args):
        raise BlshError("espeak-ng failed")

    monkeypatch.setattr(synthetic, "_speak", fail)
    with pytest.raises(BlshError, match="espeak-ng failed"):
        make_corpus(tmp_path / "corpus", 0, size=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_missing_espeak_is_refused_by_its_package_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BlshError, match="Debian package `espeak-ng`"):
        make_corpus(tmp_path / "corpus", 0, size=SMALL)


@pytest.mark.parametrize("size", [CorpusSize(utterances=(0, 1, 1)), CorpusSize(noise_seconds=0.5)])
def test_unfit_sizes_are_refused(tmp_path, size):
    with pytest.raises(BlshError, match="every split needs"):
        make_corpus(tmp_path / "corpus", 0, size=size)


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(BlshError, match="seed -1"):
        make_corpus(tmp_path / "corpus", -1)


def test_voices_sentences_and_test_noises_are_disjoint():
    for table in (VOICES, SENTENCES):
        everything = [item for split in ("train", "valid", "test") for item in table[split]]
        assert len(everything) == len(set(everything))
    assert len({voice.speaker for voices in VOICES.values() for voice in voices}) >= 8
    assert len([sentence for split in SENTENCES.values() for sentence in split]) >= 40
    assert not set(NOISE_TYPES["test"]) & {*NOISE_TYPES["train"], *NOISE_TYPES["valid"]}


@needs_espeak
def test_every_voice_is_known_to_espeak():
    # espeak-ng falls back in silence on a variant it does not know; then two speakers would be one.
    spoken = set()
    for voice in (voice for voices in VOICES.values() for voice in voices):
        command = ["espeak-ng", "-v", voice.name, "-s", "160", "-p", "50", "--stdout", "one two three"]
        spoken.add(subprocess.run(command, capture_output=True, check=True).stdout)
    assert len(spoken) == sum(len(voices) for voices in VOICES.values())


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_noises_are_finite_sounding_and_not_stationary(kind):
    noise = make_noise(kind, 64_000, np.random.default_rng(61))
    assert noise.shape == (64_000,) and np.isfinite(noise).all() and 0.3 < np.abs(noise).max() <= 0.6
    levels = 10 * np.log10(np.mean(noise.reshape(-1, 1600) ** 2, axis=1))
    assert levels.std() > 1.0, f"{kind}: level varies by {levels.std():.2f} dB"


@needs_espeak
def test_the_corpus_loads_like_any_other(tmp_path):
    made = make_corpus(tmp_path / "corpus", 3, size=SMALL)
    assert load_corpus(tmp_path / "corpus").entries == made.entries
    header = (tmp_path / "corpus" / "manifest.csv").read_text().splitlines()[0]
    assert header == "path,kind,split,speaker_or_type,gender,duration_s,source,licence"

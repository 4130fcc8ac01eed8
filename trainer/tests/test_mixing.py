# SPDX-License-Identifier: Apache-2.0
"""Mixtures: levels, SNRs, offsets, and what each draw is made of."""

from collections import Counter

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures, mix_at_snr
from blsh_trainer.errors import BlshError


def level_db(x):
    return 10 * np.log10(np.mean(x**2))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 7.5])
def test_snr_and_level_are_exact(snr_db):
    rng = np.random.default_rng(5)
    mixture = mix_at_snr(rng.standard_normal(4000), rng.standard_normal(900), snr_db, offset=123)
    assert level_db(mixture.speech) == pytest.approx(-26.0)
    assert level_db(mixture.speech) - level_db(mixture.noise) == pytest.approx(snr_db)
    np.testing.assert_array_equal(mixture.mixture, mixture.speech + mixture.noise)


def test_short_noise_is_looped_from_the_offset():
    noise = np.arange(1.0, 5.0)
    mixed = mix_at_snr(np.ones(1024), noise, 0.0, offset=2).noise
    np.testing.assert_allclose(mixed[:6] / mixed[2], [3, 4, 1, 2, 3, 4])


def test_loud_mixtures_are_scaled_down_together():
    rng = np.random.default_rng(6)
    mixture = mix_at_snr(rng.standard_normal(4000), rng.standard_normal(4000), -3.0, level_dbfs=0.0)
    parts = (mixture.speech, mixture.noise, mixture.mixture)
    assert max(np.abs(part).max() for part in parts) == pytest.approx(0.99)
    assert level_db(mixture.speech) - level_db(mixture.noise) == pytest.approx(-3.0)


@pytest.mark.parametrize(
    ("speech", "noise", "snr_db", "words"),
    [
        (np.zeros(2000), np.ones(2000), 0.0, "the speech is silent"),
        (np.ones(2000), np.zeros(2000), 0.0, "the noise is silent"),
        (np.ones(1023), np.ones(2000), 0.0, "has 1023 samples; at least one window of 1024"),
        (np.full(2000, np.nan), np.ones(2000), 0.0, "the speech holds nan"),
        (np.ones(2000), np.array([1.0, np.inf]), 0.0, "the noise holds inf"),
        (np.ones(2000), np.zeros(0), 0.0, "the noise has no samples"),
        (np.ones(2000), np.ones(2000), np.nan, "SNR nan dB"),
        (np.ones(2000), np.ones(2000), -1e4, "the SNR one of -100 to 100"),
    ],
)
def test_unfit_parts_are_refused(speech, noise, snr_db, words):
    with pytest.raises(BlshError, match=words):
        mix_at_snr(speech, noise, snr_db)


def test_every_utterance_comes_once_and_noise_types_take_turns(tiny_corpus):
    drawn = list(draw_mixtures(tiny_corpus, "train", None, 0.0, np.random.default_rng(7)))
    assert Counter(m.speech_path for m in drawn) == Counter(e.path for e in tiny_corpus.select("speech", "train"))
    assert set(Counter(m.noise_type for m in drawn).values()) == {4}
    assert [m.id for m in drawn[:2]] == ["train-0000", "train-0001"]
    assert [m.speech_path for m in drawn] != sorted(m.speech_path for m in drawn)


def test_more_mixtures_than_utterances_start_over(tiny_corpus):
    drawn = list(draw_mixtures(tiny_corpus, "test", 9, 5.0, np.random.default_rng(8)))
    assert sorted(Counter(m.speech_path for m in drawn).values()) == [2, 2, 2, 3]


def test_the_same_rng_draws_the_same_mixtures(tiny_corpus):
    first, again, other = (
        list(draw_mixtures(tiny_corpus, "test", 4, 0.0, np.random.default_rng(seed))) for seed in (9, 9, 10)
    )
    for a, b in zip(first, again, strict=True):
        assert (a.speech_path, a.noise_path, a.noise_offset) == (b.speech_path, b.noise_path, b.noise_offset)
        np.testing.assert_array_equal(a.signals.mixture, b.signals.mixture)
    assert any(a.noise_offset != b.noise_offset for a, b in zip(first, other, strict=True))


def test_drawing_reads_lazily_and_names_a_silent_file(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    for row in corpus_rows:
        if (row["kind"], row["split"]) == ("noise", "test"):
            soundfile.write(root / row["path"], np.zeros(4000), 16_000)
    mixtures = draw_mixtures(load_corpus(root), "test", 2, 0.0, np.random.default_rng(0))
    with pytest.raises(BlshError, match=r"noise.test_.*\.flac is silent"):
        next(mixtures)


@pytest.mark.parametrize(
    ("samples", "words"),
    [(np.ones(500) / 2, "the speech has 500 samples"), (np.full(4000, 1e-200), "the speech is silent")],
)
def test_an_utterance_of_no_use_is_named(make_folder, corpus_rows, samples, words):
    root = make_folder(corpus_rows)
    for row in corpus_rows:
        if row["kind"] == "speech" and row["split"] == "valid":
            (root / row["path"]).unlink()  # else its FLAC bytes stay when WAV ones are written
            soundfile.write(root / row["path"], samples, 16_000, format="WAV", subtype="DOUBLE")
    mixtures = draw_mixtures(load_corpus(root), "valid", 1, 0.0, np.random.default_rng(0))
    with pytest.raises(BlshError, match=rf"corpus/speech/valid0/\d\.flac with noise .*noise/valid_.*: {words}"):
        next(mixtures)


def test_noise_with_long_silences_is_cut_where_it_sounds(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    sparse = np.zeros(1_000_000)
    sparse[700_000] = 0.5
    for row in corpus_rows:
        if row["kind"] == "noise" and row["split"] == "test":
            soundfile.write(root / row["path"], sparse, 16_000)
    drawn = list(draw_mixtures(load_corpus(root), "test", 3, 0.0, np.random.default_rng(1)))
    assert all(m.signals.noise.any() for m in drawn)


def test_bad_draws_are_refused_at_once(tiny_corpus):
    rng = np.random.default_rng(0)
    with pytest.raises(BlshError, match="0 mixtures asked for"):
        draw_mixtures(tiny_corpus, "test", 0, 0.0, rng)
    with pytest.raises(BlshError, match="no speech in split 'dev'"):
        draw_mixtures(tiny_corpus, "dev", 1, 0.0, rng)

# SPDX-License-Identifier: Apache-2.0
"""Read the samples of a mixture: the cut that it needs, whatever the length of the files."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.check import check_corpus
from blsh_trainer.corpora.corpus import LONGEST_UTTERANCE, load_corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixing import draw_mixtures, mix_at_snr
from blsh_trainer.corpora.mixture_sources import NoiseSource, loop_from
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import audio_blocks, probe_audio, read_audio, read_cut

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_cut_of_a_16_khz_file_is_the_same_to_the_bit(tmp_path, suffix, rng):
    soundfile.write(tmp_path / f"x.{suffix}", 0.1 * rng.standard_normal((50_000, 2)), 16_000)
    whole = read_audio(tmp_path / f"x.{suffix}").samples
    for start, length in ((0, 50_000), (0, 1), (49_999, 1), (12_345, 6789)):
        np.testing.assert_array_equal(read_cut(tmp_path / f"x.{suffix}", start, length), whole[start : start + length])


@pytest.mark.parametrize("seed", [1486143641, None])  # the first of them: a seek within its file loses bits
def test_a_cut_of_an_mp3_file_is_the_same_to_the_decoder_s_rounding(tmp_path, rng, seed):
    rng = rng if seed is None else np.random.default_rng(seed)
    soundfile.write(tmp_path / "x.mp3", 0.1 * rng.standard_normal(50_000), 16_000)
    whole = read_audio(tmp_path / "x.mp3").samples
    for start in (0, 12_345, whole.size - 700):
        np.testing.assert_allclose(read_cut(tmp_path / "x.mp3", start, 700), whole[start:][:700], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000])
def test_a_cut_of_another_rate_is_what_the_whole_gives(tmp_path, rate, rng):
    soundfile.write(tmp_path / "x.wav", 0.2 * rng.standard_normal(5 * rate + 7), rate, subtype="DOUBLE")
    whole = read_audio(tmp_path / "x.wav").samples
    assert probe_audio(tmp_path / "x.wav").samples == whole.size
    for start in (0, 1, 33_333, int(rng.integers(whole.size - 5000)), whole.size - 5000):
        cut = read_cut(tmp_path / "x.wav", start, 5000)
        np.testing.assert_allclose(cut, whole[start : start + 5000], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("start", "length"), [(-1, 10), (0, 0), (0, 2001), (1999, 2)])
def test_a_cut_beyond_the_file_is_refused(tmp_path, start, length):
    soundfile.write(tmp_path / "x.wav", np.full(2000, 0.1), 16_000)
    with pytest.raises(BlshError, match=r"x\.wav has 2000 samples at 16 kHz"):
        read_cut(tmp_path / "x.wav", start, length)


def test_a_file_shorter_than_its_header_says_is_refused(tmp_path, rng):
    soundfile.write(tmp_path / "x.flac", 0.1 * rng.standard_normal(50_000), 16_000)
    data = (tmp_path / "x.flac").read_bytes()
    (tmp_path / "x.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(BlshError, match=r"x\.flac (ends after \d+ frames|is not audio)"):
        read_cut(tmp_path / "x.flac", 0, 50_000)


def test_a_nan_in_a_cut_is_named_by_its_place_in_the_file(tmp_path):
    samples = np.full(9000, 0.1)
    samples[7000] = np.nan
    soundfile.write(tmp_path / "x.wav", samples, 16_000, subtype="FLOAT")
    assert read_cut(tmp_path / "x.wav", 0, 7000).size == 7000
    with pytest.raises(BlshError, match=r"x\.wav holds nan at sample 7000"):
        read_cut(tmp_path / "x.wav", 5000, 3000)
    with pytest.raises(BlshError, match=r"x\.wav holds nan at sample 7000"):
        list(audio_blocks(tmp_path / "x.wav", 1024))


def test_cuts_of_a_noise_start_over_at_its_end(tiny_corpus):
    entry = tiny_corpus.select("noise", "train")[0]
    noise = NoiseSource(tiny_corpus, entry)
    whole = read_audio(tiny_corpus.path(entry)).samples
    for offset, length in ((0, 10), (29_990, 100), (5, 30_000), (29_999, 70_001)):
        np.testing.assert_array_equal(noise.cut(offset, length), loop_from(whole, offset, length))


def test_drawn_mixtures_are_those_of_whole_files(tiny_corpus):
    for named in draw_mixtures(tiny_corpus, "train", 6, 3.0, np.random.default_rng(2)):
        speech, noise = (read_audio(tiny_corpus.root / path).samples for path in (named.speech_path, named.noise_path))
        whole = mix_at_snr(speech, noise, 3.0, offset=named.noise_offset)
        np.testing.assert_array_equal(named.signals.mixture, whole.mixture)


def write_long(path, minutes, rng, rate=16_000, until=None):
    """Write noise minute by minute; silence from the minute `until` on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_16") as out:
        for minute in range(minutes):
            loud = 0.0 if until is not None and minute >= until else 0.1
            out.write(loud * rng.standard_normal(60 * rate).astype(np.float32))


def test_long_speech_counts_as_several_utterances(tmp_path, rng):
    write_long(tmp_path / "speech" / "s" / "long.wav", 3, rng)
    soundfile.write(tmp_path / "speech" / "s" / "short.wav", 0.1 * rng.standard_normal(5000), 16_000)
    write_long(tmp_path / "noise" / "n.wav", 1, rng)
    corpus = load_corpus(tmp_path)
    speech = corpus.select("speech", "train")
    assert [(e.start, e.length) for e in speech] == [(k * LONGEST_UTTERANCE, LONGEST_UTTERANCE) for k in range(3)] + [
        (0, None)
    ]
    drawn = {m.speech_offset: m for m in draw_mixtures(corpus, "train", None, 0.0, rng) if "long" in m.speech_path}
    assert sorted(drawn) == [0, LONGEST_UTTERANCE, 2 * LONGEST_UTTERANCE]
    part = read_cut(tmp_path / "speech" / "s" / "long.wav", LONGEST_UTTERANCE, LONGEST_UTTERANCE)
    speech_part = drawn[LONGEST_UTTERANCE].signals.speech
    np.testing.assert_allclose(speech_part / speech_part.std(), part / part.std(), atol=1e-3)


def test_a_silent_noise_file_is_refused_without_holding_it(tmp_path, rng):
    write_long(tmp_path / "corpus" / "noise" / "n.wav", 2, rng, until=0)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal(5000), 16_000)
    (tmp_path / "corpus" / "speech" / "s").mkdir(parents=True)
    (tmp_path / "a.wav").rename(tmp_path / "corpus" / "speech" / "s" / "a.wav")
    with pytest.raises(BlshError, match=r"n\.wav is silent: all 1920000 samples are 0"):
        next(draw_mixtures(load_corpus(tmp_path / "corpus"), "train", 1, 0.0, rng))


@pytest.mark.parametrize(("minutes", "rate"), [(40, 16_000), (15, 48_000)])
def test_memory_does_not_grow_with_the_length_of_the_noise(tmp_path, rng, minutes, rate):
    """40 minutes would be 307 MB as float64 samples; what a mixture of two seconds needs is a few."""
    write_long(tmp_path / "noise" / "n.wav", minutes, rng, rate)
    (tmp_path / "speech" / "s").mkdir(parents=True)
    soundfile.write(tmp_path / "speech" / "s" / "a.wav", 0.1 * rng.standard_normal(32_000), 16_000)
    corpus = load_corpus(tmp_path)
    tracemalloc.start()
    try:
        for named in draw_mixtures(corpus, "train", 5, 0.0, rng):
            assert named.signals.mixture.size == 32_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.slow
def test_ten_hours_are_drawn_in_bounded_memory(tmp_path, rng):
    """Ten hours are 4.6 GB as float64 samples. A mixture holds a minute at most, 7.7 MB a signal."""
    for speaker in range(2):
        write_long(tmp_path / "speech" / f"s{speaker}" / "talk.flac", 240, rng)
    write_long(tmp_path / "noise" / "a.flac", 60, rng)
    write_long(tmp_path / "noise" / "b.flac", 60, rng)
    corpus = load_corpus(tmp_path)
    assert len(corpus.select("speech", "train")) == 240
    tracemalloc.start()
    try:
        count = sum(1 for _ in draw_mixtures(corpus, "train", None, 0.0, rng))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 240
    assert peak < 200e6


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("samples", [[0.5], [0.25] * 8000, [-0.1] * 200_000])
def test_a_noise_of_one_value_is_refused(tmp_path, samples, rate, rng):
    (tmp_path / "speech" / "s").mkdir(parents=True)
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "speech" / "s" / "a.wav", 0.1 * rng.standard_normal(5000), 16_000)
    soundfile.write(tmp_path / "noise" / "n.wav", samples, rate)
    corpus = load_corpus(tmp_path)
    if len(samples) > 1 or rate == 16_000:  # a third of a sample is none
        with pytest.raises(BlshError, match=r"n\.wav is constant"):
            next(draw_mixtures(corpus, "train", 1, 0.0, rng))
        assert [e.text for e in check_corpus(corpus).errors] == ["constant: an offset (DC) and next to no sound"]


def test_a_noise_that_is_an_offset_for_long_is_drawn_where_it_sounds(tmp_path, rng):
    samples = np.full(200_000, 0.5)
    samples[150_000:152_000] += 0.1 * rng.standard_normal(2000)
    (tmp_path / "noise").mkdir()
    (tmp_path / "speech" / "s").mkdir(parents=True)
    soundfile.write(tmp_path / "speech" / "s" / "a.wav", 0.1 * rng.standard_normal(5000), 16_000)
    soundfile.write(tmp_path / "noise" / "n.wav", samples, 16_000)
    corpus = load_corpus(tmp_path)
    offset, cut = NoiseSource(corpus, corpus.select("noise", "train")[0]).sounding_cut(1500, rng)
    assert 148_500 < offset < 152_000 and np.ptp(cut) > 0.01


def test_entries_default_to_whole_files():
    assert Entry("a", "speech", "train", "s") == Entry("a", "speech", "train", "s", "", 0, None)

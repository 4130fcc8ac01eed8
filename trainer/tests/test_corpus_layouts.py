# SPDX-License-Identifier: Apache-2.0
"""Corpora in every layout that is recognised: what becomes of the files, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.check import check_corpus
from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import read_audio


def put(path: Path, seed: int, samples: int = 3000, rate: int = 16_000, **options) -> np.ndarray:
    """Write a recording that its seed decides; return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = 0.1 * np.random.default_rng(seed).standard_normal(samples)
    soundfile.write(path, audio, rate, **options)
    return audio


def sphere(pcm: np.ndarray, order: str = "01", coding: str = "") -> bytes:
    """Return a NIST SPHERE file of 16-bit samples in byte order 01 (little-endian) or 10."""
    fields = [("sample_count", f"-i {pcm.size}"), ("sample_rate", "-i 16000"), ("channel_count", "-i 1")]
    fields += [("sample_n_bytes", "-i 2"), ("sample_byte_format", f"-s2 {order}"), ("sample_sig_bits", "-i 16")]
    if coding:
        fields.append(("sample_coding", f"-s{len(coding)} {coding}"))
    head = "NIST_1A\n   1024\n" + "".join(f"{name} {value}\n" for name, value in fields) + "end_head\n"
    return head.encode().ljust(1024) + pcm.astype("<i2" if order == "01" else ">i2").tobytes()


def splits(corpus: Corpus, kind: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in corpus.entries:
        if entry.kind == kind:
            found.setdefault(entry.split, set()).add(entry.speaker_or_type if kind == "speech" else entry.path)
    return found


def assert_disjoint(parts: dict[str, set[str]]) -> None:
    names = [name for part in parts.values() for name in part]
    assert len(names) == len(set(names))
    assert set(parts) == {"train", "valid", "test"}


def noises(root: Path, types: int = 3, files: int = 4) -> Path:
    for kind in range(types):
        for number in range(files):
            put(root / f"kind{kind}" / f"{number}.wav", 1000 + 10 * kind + number, 4000)
    return root


# ---- folders ------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Return a folder of ten speakers of two utterances and three types of noise, without splits."""
    root = tmp_path / "corpus"
    for speaker in range(10):
        for number in range(2):
            put(root / "speech" / f"s{speaker}" / f"{number}.flac", 10 * speaker + number)
    noises(root / "noise")
    return root


def test_folders_without_splits_are_split_by_speaker_and_noise_file(folders):
    corpus = load_corpus(folders)
    assert (corpus.layout, corpus.root) == ("folders", folders)
    speakers = splits(corpus, "speech")
    assert_disjoint(speakers)
    assert {split: len(names) for split, names in speakers.items()} == {"train": 7, "valid": 1, "test": 2}
    assert_disjoint(splits(corpus, "noise"))
    assert {e.speaker_or_type for e in corpus.entries if e.kind == "noise"} == {"kind0", "kind1", "kind2"}
    assert len(list(draw_mixtures(corpus, "test", None, 0.0, np.random.default_rng(0)))) == 4


def test_drawn_splits_follow_the_seed_and_nothing_else(folders):
    first = load_corpus(folders)
    assert load_corpus(folders).entries == first.entries
    assert splits(load_corpus(folders, split_seed=1), "speech") != splits(first, "speech")
    put(folders / "speech" / "s3" / "new.wav", 77)  # more of one speaker moves no other
    assert splits(load_corpus(folders), "speech") == splits(first, "speech")


def test_the_hash_covers_contents_and_splits(folders):
    first = load_corpus(folders).sha256
    assert load_corpus(folders).sha256 == first
    assert load_corpus(folders, split_seed=1).sha256 != first
    put(folders / "speech" / "s3" / "0.flac", 78)
    assert load_corpus(folders).sha256 != first


def test_a_corpus_goes_to_other_processes(folders):
    corpus = load_corpus(folders)
    again = pickle.loads(pickle.dumps(corpus))
    assert again == corpus and again.sha256 == corpus.sha256


def test_folders_named_after_splits_are_the_splits(tmp_path):
    for number, split in enumerate(("train", "dev", "test")):
        put(tmp_path / "speech" / split / f"s{number}" / "a.wav", number)
        put(tmp_path / "noise" / split / f"rain_{number}.wav", 10 + number)
    corpus = load_corpus(tmp_path)
    assert splits(corpus, "speech") == {"train": {"s0"}, "valid": {"s1"}, "test": {"s2"}}
    assert splits(corpus, "noise")["valid"] == {"noise/dev/rain_1.wav"}
    assert {e.speaker_or_type for e in corpus.entries if e.kind == "noise"} == {"rain"}


def test_split_folders_without_training_ones_are_pooled(tmp_path):
    for number, part in enumerate(("dev-clean", "dev-clean", "test-clean", "test-clean")):
        put(tmp_path / "libri" / part / f"{number % 2}" / "a.wav", number)
    corpus = load_corpus(tmp_path / "libri", noises(tmp_path / "n"))
    assert splits(corpus, "speech").keys() == {"train", "test"}
    assert sum(entry.kind == "speech" for entry in corpus.entries) == 4


def test_a_noise_may_be_called_train(tmp_path):
    put(tmp_path / "speech" / "s" / "a.wav", 0)
    for number, kind in enumerate(("train", "rain")):
        put(tmp_path / "noise" / kind / "a.wav", 1 + number)
        put(tmp_path / "noise" / kind / "b.wav", 3 + number)
    assert {e.speaker_or_type for e in load_corpus(tmp_path).entries if e.kind == "noise"} == {"train", "rain"}


def test_many_noise_types_are_split_by_type(tmp_path):
    put(tmp_path / "speech" / "s" / "a.wav", 0)
    noises(tmp_path / "noise", types=6, files=2)  # as DEMAND, whose files are channels of one recording
    parts = splits(load_corpus(tmp_path), "noise")
    kinds = {split: {path.split("/")[1] for path in paths} for split, paths in parts.items()}
    assert_disjoint(kinds)


@pytest.mark.parametrize("prefix", ["", "LibriSpeech"])
def test_speech_alone_goes_with_a_folder_of_noises(tmp_path, prefix):
    for number, part in enumerate(("train-clean-5", "train-clean-5", "dev-clean-2", "test-clean")):
        put(tmp_path / "libri" / prefix / part / f"{number}" / "chapter" / "a.flac", number)
    corpus = load_corpus(tmp_path / "libri", noises(tmp_path / "noises"))
    assert (corpus.layout, corpus.name) == ("speakers", "libri")
    assert splits(corpus, "speech") == {"train": {"0", "1"}, "valid": {"2"}, "test": {"3"}}
    drawn = next(draw_mixtures(corpus, "train", 1, 0.0, np.random.default_rng(0)))
    assert drawn.noise_path.startswith("kind")


# ---- TIMIT --------------------------------------------------------------------------------------------------


@pytest.fixture
def timit(tmp_path: Path) -> Path:
    """Return a folder of speakers of two dialects in TRAIN, and one in TEST, in SPHERE."""
    root = tmp_path / "TIMIT"
    for number, place in enumerate(["TRAIN/DR1"] * 4 + ["TRAIN/DR2"] * 4 + ["TEST/DR1"]):
        file = root / place / f"FAB{number}" / "SA1.WAV"
        file.parent.mkdir(parents=True)
        file.write_bytes(sphere(np.random.default_rng(number).integers(-999, 999, 2000)))
    return root


def test_timit_holds_speakers_out_of_train_for_valid(timit, tmp_path):
    corpus = load_corpus(timit, noises(tmp_path / "noises"))
    assert corpus.layout == "TIMIT"
    assert_disjoint(splits(corpus, "speech"))
    assert splits(corpus, "speech")["test"] == {"FAB8"}
    assert len(splits(corpus, "speech")["valid"]) == 1
    assert load_corpus(timit, tmp_path / "noises").entries == corpus.entries
    assert len(list(draw_mixtures(corpus, "train", None, 0.0, np.random.default_rng(0)))) == 7


def test_timit_in_small_letters_and_with_riff_copies(tmp_path):
    for speaker in range(4):
        folder = tmp_path / "t" / "data" / "train" / "dr1" / f"fab{speaker}"
        put(folder / "sa1.wav", speaker)
        put(folder / "sa1.wav.wav", speaker)
    put(tmp_path / "t" / "data" / "test" / "dr4" / "mxy0" / "sa1.wav", 9)
    corpus = load_corpus(tmp_path / "t", noises(tmp_path / "noises"))
    assert sum(entry.kind == "speech" for entry in corpus.entries) == 5


def test_timit_without_noise_says_what_to_give(timit):
    with pytest.raises(BlshError, match=r"\(TIMIT\) has speech and no noise; give a folder of noises, --noise DIR"):
        load_corpus(timit)


@pytest.mark.parametrize("order", ["01", "10"])
@pytest.mark.parametrize("coding", ["", "pcm"])
def test_sphere_is_read_in_either_byte_order(tmp_path, order, coding, rng):
    pcm = rng.integers(-32768, 32768, 2000)
    (tmp_path / "a.WAV").write_bytes(sphere(pcm, order, coding))
    np.testing.assert_array_equal(read_audio(tmp_path / "a.WAV").samples * 32768, pcm)


@pytest.mark.parametrize("coding", ["pcm,embedded-shorten-v2.00", "pcm,embedded-wavpack-v1.0"])
def test_compressed_sphere_says_how_to_convert_it(tmp_path, coding):
    (tmp_path / "a.WAV").write_bytes(sphere(np.zeros(500), "01", coding))
    with pytest.raises(BlshError, match=rf"NIST SPHERE, compressed \({coding}\); .*sph2pipe -f wav IN OUT"):
        read_audio(tmp_path / "a.WAV")


# ---- VoiceBank-DEMAND ---------------------------------------------------------------------------------------


@pytest.fixture
def voicebank(tmp_path: Path) -> Path:
    """Return six speakers to train on and one to test with, at 48 kHz; noisy recordings are clean ones and noise."""
    root = tmp_path / "voicebank"
    names = [("trainset_28spk_wav", f"p{speaker}_{n:03d}") for speaker in range(6) for n in range(2)]
    names += [("testset_wav", "p900_001"), ("testset_wav", "p900_002")]
    for number, (part, name) in enumerate(names):
        clean = put(root / f"clean_{part}" / f"{name}.wav", number, 9000, 48_000, subtype="FLOAT")
        noisy = root / f"noisy_{part}" / f"{name}.wav"
        noisy.parent.mkdir(exist_ok=True)
        noise = 0.05 * np.random.default_rng(500 + number).standard_normal(9000)
        soundfile.write(noisy, clean + noise, 48_000, subtype="FLOAT")
    (root / "logfiles").mkdir()
    (root / "logfiles" / "log_testset.txt").write_text("p900_001 bus 7.5\np900_002 cafe 12.5\n")
    return root


def test_pairs_are_split_by_speaker(voicebank):
    corpus = load_corpus(voicebank)
    assert (corpus.layout, corpus.paired) == ("VoiceBank-DEMAND", True)
    assert_disjoint(splits(corpus, "speech"))
    assert splits(corpus, "speech")["test"] == {"p900"}
    speech = {(e.path, e.split) for e in corpus.entries if e.kind == "speech"}
    assert speech == {(e.minus, e.split) for e in corpus.entries if e.kind == "noise"}
    assert {e.speaker_or_type for e in corpus.select("noise", "test")} == {"bus", "cafe"}


def test_recorded_mixtures_come_as_they_are(voicebank):
    drawn = list(draw_mixtures(load_corpus(voicebank), "test", None, None, np.random.default_rng(0)))
    assert {Path(m.speech_path).name for m in drawn} == {"p900_001.wav", "p900_002.wav"}
    for mixture in drawn:
        assert Path(mixture.speech_path).name == Path(mixture.noise_path).name
        signals = mixture.signals
        np.testing.assert_allclose(signals.mixture, read_audio(voicebank / mixture.noise_path).samples, atol=1e-12)
        np.testing.assert_allclose(signals.speech, read_audio(voicebank / mixture.speech_path).samples, atol=1e-12)
        energies = np.mean(signals.speech**2) / np.mean(signals.noise**2)
        assert mixture.snr_db == pytest.approx(10 * np.log10(energies))


def test_pairs_are_remixed_at_an_snr_from_their_parts(voicebank):
    drawn = list(draw_mixtures(load_corpus(voicebank), "train", None, -5.0, np.random.default_rng(3)))
    assert any(Path(m.speech_path).name != Path(m.noise_path).name for m in drawn)
    for mixture in drawn:
        energies = np.mean(mixture.signals.speech**2) / np.mean(mixture.signals.noise**2)
        assert 10 * np.log10(energies) == pytest.approx(-5.0)


def test_only_pairs_have_recorded_mixtures(tiny_corpus):
    with pytest.raises(BlshError, match="has no recorded mixtures"):
        draw_mixtures(tiny_corpus, "test", None, None, np.random.default_rng(0))


def test_names_that_do_not_match_are_refused(voicebank):
    (voicebank / "noisy_testset_wav" / "p900_002.wav").rename(voicebank / "noisy_testset_wav" / "p900_003.wav")
    with pytest.raises(BlshError, match=r"clean_testset_wav/p900_002.wav, .*noisy_testset_wav/p900_003.wav: no record"):
        load_corpus(voicebank)


def test_a_pair_of_unequal_lengths_is_refused(voicebank):
    put(voicebank / "noisy_testset_wav" / "p900_002.wav", 0, 8000, 48_000)
    corpus = load_corpus(voicebank)
    with pytest.raises(BlshError, match=r"p900_002.wav have 9000 and 8000 samples .*a pair must be of one length"):
        list(draw_mixtures(corpus, "test", None, None, np.random.default_rng(0)))
    assert [f.text for f in check_corpus(corpus).errors] == ["not of the length and rate of its clean recording"]


def test_a_pair_without_noise_is_refused(voicebank):
    clean = (voicebank / "clean_testset_wav" / "p900_002.wav").read_bytes()
    (voicebank / "noisy_testset_wav" / "p900_002.wav").write_bytes(clean)
    with pytest.raises(BlshError, match="is its clean recording, without noise"):
        list(draw_mixtures(load_corpus(voicebank), "test", None, None, np.random.default_rng(0)))


def test_a_folder_without_its_counterpart_is_refused(voicebank):
    (voicebank / "noisy_testset_wav").rename(voicebank / "elsewhere")
    with pytest.raises(BlshError, match="clean_testset_wav lacks its counterpart noisy_testset_wav"):
        load_corpus(voicebank)


# ---- what is refused ----------------------------------------------------------------------------------------


def test_a_folder_that_fits_nothing_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(BlshError) as refused:
        load_corpus(tmp_path)
    for reason in (
        "manifest: no manifest.csv",
        "clean_trainset_",
        "TIMIT: no folder TRAIN",
        "folders: no folder speech",
    ):
        assert reason in str(refused.value)


def test_noise_that_is_not_needed_is_refused(folders, voicebank, make_folder, corpus_rows, tmp_path):
    for root in (folders, voicebank, make_folder(corpus_rows)):
        with pytest.raises(BlshError, match=r"given as noise, but .*; leave out --noise"):
            load_corpus(root, tmp_path)


def test_a_speaker_in_two_splits_is_refused(tmp_path):
    for number, split in enumerate(("train", "test")):
        put(tmp_path / "speech" / split / "anna" / "a.wav", number)
    noises(tmp_path / "noise")
    with pytest.raises(BlshError, match=r"speaker 'anna' .* is in splits train and test"):
        load_corpus(tmp_path)


def test_a_noise_recording_in_two_splits_is_refused(tmp_path):
    for number, split in enumerate(("train", "test")):
        put(tmp_path / "speech" / split / f"s{number}" / "a.wav", number)
        put(tmp_path / "noise" / split / f"{split}.wav", 5)
    with pytest.raises(BlshError, match=r"train.wav \(split train\) and .*test.wav \(split test\) are the same"):
        load_corpus(tmp_path)


def test_speech_without_speakers_is_refused(tmp_path):
    put(tmp_path / "speech" / "a.wav", 0)
    with pytest.raises(BlshError, match=r"a.wav is in no speaker's folder; sort the speech into .*speech/SPEAKER/"):
        load_corpus(tmp_path, noises(tmp_path / "n"))


def test_folders_without_recordings_are_refused(tmp_path):
    (tmp_path / "speech" / "anna").mkdir(parents=True)
    noises(tmp_path / "noise")
    with pytest.raises(BlshError, match="has no speech in split 'train'"):
        load_corpus(tmp_path)


# ---- the check ----------------------------------------------------------------------------------------------


def test_the_check_counts_what_there_is(tiny_corpus):
    report = check_corpus(tiny_corpus)
    assert report.findings == ()
    assert [(p.split, p.kind, p.files, p.labels) for p in report.parts[:2]] == [
        ("train", "speech", 12, 6),
        ("train", "noise", 6, 3),
    ]
    assert report.parts[0].minutes == pytest.approx(12 * 20_000 / 16_000 / 60, abs=0.005)


def test_the_check_reads_every_file(folders):
    speech = folders / "speech"
    put(speech / "s0" / "short.wav", 90, 900)
    put(speech / "s1" / "telephone.wav", 91, 3000, 8000)
    soundfile.write(speech / "s2" / "stereo.wav", np.full((3000, 2), 0.1), 16_000)
    soundfile.write(speech / "s3" / "silent.wav", np.zeros(3000), 16_000)
    soundfile.write(speech / "s4" / "nan.wav", np.full(3000, np.nan), 16_000, subtype="FLOAT")
    (speech / "s5" / "text.wav").write_text("no audio")
    (speech / "s6" / "copy.flac").write_bytes((speech / "s7" / "0.flac").read_bytes())
    with pytest.raises(BlshError, match="are the same recording; keep each recording in one split"):
        load_corpus(folders)
    corpus = load_corpus(folders, refuse_copies=False)
    found = {finding.text: finding for finding in check_corpus(corpus).findings}
    levels = {name: finding.level for finding in found.values() for name in finding.files}
    assert levels["speech/s0/short.wav"] == "error"
    assert levels["speech/s1/telephone.wav"] == "remark"
    assert levels["speech/s2/stereo.wav"] == "remark"
    assert levels["speech/s3/silent.wav"] == "error"
    assert levels["speech/s4/nan.wav"] == "error"
    assert levels["speech/s5/text.wav"] == "error"
    assert "8000 Hz: resampled to 16 kHz, nothing above 4 kHz" in found
    assert [found.files for text, found in found.items() if "same recording" in text] == [
        ("speech/s7/0.flac = speech/s6/copy.flac",)
    ]


def test_stereo_and_telephone_recordings_are_accepted(tmp_path):
    for number in range(3):
        put(tmp_path / "noise" / f"n{number}" / "a.wav", number, 3000, 8000)
        folder = tmp_path / "speech" / f"s{number}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.wav", 0.1 * np.random.default_rng(number).standard_normal((3000, 2)), 8000)
    (mixture,) = draw_mixtures(load_corpus(tmp_path), "train", None, 0.0, np.random.default_rng(0))
    assert mixture.signals.mixture.shape == (6000,)

# SPDX-License-Identifier: Apache-2.0
"""Several corpora become one: its order, its files, and what two corpora may not share."""

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.check import check_corpus
from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.merging import load_corpora
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.corpora.mixture_sources import read_speech
from blsh_trainer.corpora.varied_mixtures import varied_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.evaluation.recorded_pairs import RecordedMixtures

pytestmark = pytest.mark.heavy

Rows = dict[str, tuple[str, str, str, int]]
"""By path: kind, split, speaker or type, and the seed of the samples."""

FIRST: Rows = {
    "speech/1.wav": ("speech", "train", "anna", 1),
    "speech/2.wav": ("speech", "train", "ben", 2),
    "speech/3.wav": ("speech", "test", "cleo", 3),
    "noise/1.wav": ("noise", "train", "rain", 4),
    "noise/2.wav": ("noise", "test", "rain", 5),
}
SECOND: Rows = {
    "speech/1.wav": ("speech", "train", "dora", 11),
    "speech/2.wav": ("speech", "train", "anna", 12),
    "speech/3.wav": ("speech", "valid", "emil", 13),
    "noise/1.wav": ("noise", "train", "rain", 14),
    "noise/2.wav": ("noise", "valid", "wind", 15),
}


def samples(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9999, 9999, 3000) / 32768


def write(root: Path, rows: Rows) -> Path:
    for path, (_, _, _, seed) in rows.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, samples(seed), 16_000)
    lines = [f"{path},{kind},{split},{label}" for path, (kind, split, label, _) in rows.items()]
    (root / "manifest.csv").write_text("\n".join(["path,kind,split,speaker_or_type", *lines]))
    return root


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write(tmp_path / "first", FIRST)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return write(tmp_path / "second", SECOND)


def mixtures(corpus: Corpus) -> list[tuple[object, ...]]:
    """Return the beginnings of both kinds of draws, with their samples."""
    drawn = [
        *islice(varied_mixtures(corpus, "train", 2, np.random.default_rng(3)), 3),
        *draw_mixtures(corpus, "test", 2, 0.0, np.random.default_rng(4)),
    ]
    return [(m.id, m.speech_path, m.noise_path, m.noise_type, m.signals.mixture.tobytes()) for m in drawn]


# ---- one corpus -------------------------------------------------------------------------------------------------


def test_one_folder_is_the_corpus_that_it_was(first):
    alone, given = load_corpus(first), load_corpora([first])
    assert given == alone and given.sha256 == alone.sha256 and given.members == (given,)
    assert mixtures(given) == mixtures(alone)
    assert [given.listed(entry) for entry in given.entries] == list(FIRST)


@pytest.mark.slow
def test_the_real_corpora_merge_without_a_word(real_corpus):
    extra = real_corpus.root.parent / "corpus-extra"
    if not extra.is_dir():
        pytest.skip("no shared/corpus-extra beside shared/corpus")
    both, alone = load_corpora([real_corpus.root, extra]), load_corpus(extra)
    assert len(both.entries) == len(real_corpus.entries) + len(alone.entries) and both.repeats == ()
    assert [part.sha256 for part in both.members] == [real_corpus.sha256, alone.sha256]
    heard = {entry.speaker_or_type for entry in both.select("noise", "train")}
    assert {entry.speaker_or_type for entry in both.select("noise", "valid")} - heard


# ---- what a merged corpus holds ---------------------------------------------------------------------------------


def test_entries_follow_one_another_and_equal_paths_stay_two_files(first, second):
    both = load_corpora([first, second])
    assert both.name == "first + second" and both.layout == "manifest"
    assert [both.listed(entry) for entry in both.entries] == [
        *(f"first/{path}" for path in FIRST),
        *(f"second/{path}" for path in SECOND),
    ]
    assert [both.path(entry) for entry in both.entries] == [*map(first.joinpath, FIRST), *map(second.joinpath, SECOND)]
    assert len(both.files()) == len(FIRST) + len(SECOND)
    for entry, seed in zip(both.select("speech", "train"), (1, 2, 11, 12), strict=True):
        np.testing.assert_array_equal(read_speech(both, entry), samples(seed))
    assert {entry.speaker_or_type for entry in both.select("speech", "train")} == {"anna", "ben", "dora"}
    assert both.has("train") and both.has("valid") and both.has("test")


def test_the_same_folders_in_the_same_order_give_the_same_mixtures(first, second, tmp_path):
    moved = Path(shutil.copytree(first, tmp_path / "elsewhere" / "first"))
    once, again = load_corpora([first, second]), load_corpora([moved, second])
    assert once.sha256 == again.sha256 and mixtures(once) == mixtures(again)
    other = load_corpora([second, first])
    assert other.sha256 != once.sha256 and mixtures(other) != mixtures(once)
    assert {once.sha256, *(part.sha256 for part in once.parts)} >= {load_corpus(first).sha256}


def test_the_digest_follows_every_part(first, second):
    before = load_corpora([first, second]).sha256
    soundfile.write(second / "speech" / "3.wav", samples(99), 16_000)
    assert load_corpora([first, second]).sha256 != before


def test_corpora_of_one_name_are_told_apart(first, second, tmp_path):
    twin = shutil.copytree(second, tmp_path / "x" / "first")
    both = load_corpora([first, twin])
    assert both.name == "first + first-2"
    assert both.listed(both.entries[-1]) == "first-2/noise/2.wav"


def test_draws_of_a_merged_corpus_name_and_find_their_files(first, second):
    both = load_corpora([first, second])
    drawn = DrawnMixtures(both, "train", count=8)
    assert {mixture.speech_path.split("/")[0] for mixture in drawn} == {"first", "second"}
    for mixture in drawn:
        part, _, path = mixture.speech_path.partition("/")
        recording, _ = soundfile.read({"first": first, "second": second}[part] / path)
        np.testing.assert_allclose(mixture.signals.speech * recording[0], mixture.signals.speech[0] * recording)


def test_speech_may_lie_in_one_corpus_and_noise_in_another(tmp_path):
    speech = {path: row for path, row in FIRST.items() if row[0] == "speech"}
    noise = {path: row for path, row in SECOND.items() if row[0] == "noise"}
    folders = [write(tmp_path / "talk", speech), write(tmp_path / "din", noise)]
    assert load_corpora(folders).has("train")
    with pytest.raises(BlshError, match=r"corpus .*talk \+ .*talk2 has no noise in split 'train'"):
        load_corpora([folders[0], write(tmp_path / "talk2", {"a.wav": ("speech", "train", "fred", 31)})])


# ---- what two corpora may not share -----------------------------------------------------------------------------


def test_a_speaker_in_two_splits_is_a_leak(first, tmp_path):
    rows = {path: row for path, row in SECOND.items() if row[2] != "anna"}
    other = write(tmp_path / "other", rows | {"speech/9.wav": ("speech", "test", "anna", 19)})
    where = r"split train of \S+/first \(speech/1\.wav\) and in split test of \S+/other \(speech/9\.wav\); move"
    with pytest.raises(BlshError, match=rf"speaker 'anna' is in {where} .* rename one"):
        load_corpora([first, other])
    with pytest.raises(BlshError, match=r"speaker 'anna' is in split test of \S+/other"):
        load_corpora([other, first])


@pytest.mark.parametrize("kind", ["speech", "noise"])
@pytest.mark.parametrize("container", ["WAV PCM_16", "FLAC PCM_16", "WAV FLOAT"])
@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_recording_in_two_splits_is_a_leak_whatever_its_file(first, second, kind, container, split):
    late, (form, subtype) = second / "late", container.split()
    soundfile.write(late, samples(1 if kind == "speech" else 4), 16_000, format=form, subtype=subtype)
    with (second / "manifest.csv").open("a") as manifest:
        manifest.write(f"\nlate,{kind},{split},stranger")
    one, label = ("speech/1.wav", "anna") if kind == "speech" else ("noise/1.wav", "rain")
    named = rf"first/{one} \(split train, '{label}'\) and \S+second/late \(split {split}, 'stranger'\)"
    with pytest.raises(BlshError, match=rf"{named} are the same recording; .* take it out of one of the two corpora"):
        load_corpora([first, second])
    (error,) = check_corpus(load_corpora([first, second], refuse_copies=False)).errors
    assert error.text == f"the same recording in the splits train and {split}"
    assert error.files == (f"first/{one} = second/late",)


def test_a_recording_that_two_corpora_train_on_counts_once(first, tmp_path):
    other = write(tmp_path / "other", SECOND | {"speech/1.wav": ("speech", "train", "dora", 2)})
    both = load_corpora([first, other])
    assert [(both.listed(one), both.listed(left)) for one, left in both.repeats] == [
        ("first/speech/2.wav", "other/speech/1.wav")
    ]
    assert "other/speech/1.wav" not in map(both.listed, both.entries)
    assert len(both.entries) == len(FIRST) + len(SECOND) - 1
    found = check_corpus(load_corpora([first, other], refuse_copies=False))
    assert found.sha256 == both.sha256 != replace(both, entries=both.entries[1:]).sha256
    (remark,) = (finding for finding in found.findings if "two corpora" in finding.text)
    assert (remark.level, remark.files) == ("remark", ("first/speech/2.wav = other/speech/1.wav",))
    assert found.errors == ()


def test_a_copy_of_a_whole_corpus_is_refused(first, tmp_path):
    shutil.copytree(first, tmp_path / "copy")
    with pytest.raises(BlshError, match=r"/copy has only recordings of the other corpora; leave it out"):
        load_corpora([first, tmp_path / "copy"])


def test_a_corpus_given_twice_is_refused(first, second, tmp_path):
    (tmp_path / "link").symlink_to(first)
    for name in ("first", "first/../first", "link"):
        with pytest.raises(BlshError, match=r"are the same corpus; give each corpus once"):
            load_corpora([first, second, tmp_path / name])


def test_faults_within_one_corpus_are_found_as_before(first, tmp_path):
    for number, (path, row, message) in enumerate(
        [
            (
                "speech/9.wav",
                ("speech", "test", "dora", 19),
                r"speaker 'dora' of \S+ is in splits train and test; keep",
            ),
            (
                "speech/9.wav",
                ("speech", "test", "fred", 11),
                r"are the same recording; keep each recording in one split$",
            ),
        ]
    ):
        other = write(tmp_path / str(number), SECOND | {path: row})
        with pytest.raises(BlshError, match=message):
            load_corpora([first, other])


def test_a_folder_of_noises_goes_with_one_corpus(first, second):
    with pytest.raises(BlshError, match=r"noises is given as noise for 2 corpora; --noise goes with one corpus\. Put"):
        load_corpora([first, second], "noises")
    with pytest.raises(BlshError, match="no corpus is given"):
        load_corpora([])
    with pytest.raises(BlshError, match="there is no corpus folder nowhere"):
        load_corpora([first, "nowhere"])


# ---- recorded pairs ---------------------------------------------------------------------------------------------


def pairs(root: Path, start: int) -> Path:
    """Write a corpus of the layout VoiceBank-DEMAND, its samples drawn from seeds from `start` on."""
    names = [("trainset_28spk_wav", f"p{start + speaker}_001") for speaker in range(6)]
    for number, (part, name) in enumerate([*names, ("testset_wav", f"p{start + 9}_001")], start=start):
        for quality, noise in (("clean", 0.0), ("noisy", 0.1)):
            file = root / f"{quality}_{part}" / f"{name}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, samples(number) + noise * samples(1000 + number), 16_000, subtype="FLOAT")
    return root


def test_paired_corpora_merge_and_keep_their_pairs(tmp_path):
    both = load_corpora([pairs(tmp_path / "one", 100), pairs(tmp_path / "two", 300)])
    assert both.paired and both.layout == "VoiceBank-DEMAND"
    for mixture in RecordedMixtures(both, "test"):
        part, _, path = mixture.noise_path.partition("/")
        noisy, _ = soundfile.read(tmp_path / part / path)
        np.testing.assert_allclose(mixture.signals.mixture, noisy, atol=1e-12)
        assert mixture.speech_path == mixture.noise_path.replace("noisy_", "clean_")


def test_pairs_and_other_recordings_mix_at_an_snr_alone(first, tmp_path):
    both = load_corpora([first, pairs(tmp_path / "pairs", 100)])
    assert len(list(draw_mixtures(both, "train", 12, 0.0, np.random.default_rng(1)))) == 12
    assert not both.paired
    with pytest.raises(
        BlshError, match=r"has no recorded mixtures \(layout manifest \+ VoiceBank-DEMAND\); set an SNR"
    ):
        draw_mixtures(both, "test", None, None, np.random.default_rng(0))


def test_a_recording_of_a_pair_is_not_left_out(tmp_path):
    one, two = pairs(tmp_path / "one", 100), pairs(tmp_path / "two", 300)
    shutil.copy(one / "clean_testset_wav" / "p109_001.wav", two / "clean_testset_wav" / "p309_001.wav")
    with pytest.raises(BlshError, match=r"are the same recording, and one of them is of a recorded pair; take it out"):
        load_corpora([one, two])

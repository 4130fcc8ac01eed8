# SPDX-License-Identifier: Apache-2.0
"""Recordings that no layout reads are named and counted, so that no speaker vanishes in silence."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.check import check_corpus
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.layouts import recognise
from blsh_trainer.errors import BlshError

M4A = b"\0\0\0\x20ftypM4A " + bytes(200)
FOREIGN = (
    *("m4a", "aac", "wma", "amr", "webm", "wv", "mp4", "mka", "ape", "m4b", "ac3", "dts", "3gp", "mpc", "tta", "ra"),
    *("spx", "M4A"),
)


def put(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(seed).standard_normal(3000), 16_000)


def foreign(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(M4A)


LAYOUTS = {
    "folders": ["speech/a/1.wav", "speech/b/1.wav", "noise/rain/1.wav"],
    "speakers": ["a/1.wav", "b/1.wav"],
    "TIMIT": ["TRAIN/DR1/A/SA1.WAV", "TRAIN/DR1/B/SA1.WAV", "TEST/DR1/C/SA1.WAV"],
    "VoiceBank-DEMAND": ["clean_trainset_wav/p1_1.wav", "noisy_trainset_wav/p1_1.wav"],
    "manifest": ["a/1.wav", "n.wav"],
}


def test_every_layout_is_tried() -> None:
    assert set(LAYOUTS) == {name for name, _ in recognise.LAYOUTS}


def lay(root: Path, layout: str) -> Path | None:
    """Make a corpus; returns the folder of noises where it needs one."""
    for seed, name in enumerate(LAYOUTS[layout]):
        put(root / name, seed)
    if layout == "manifest":
        rows = "a/1.wav,speech,train,a\nn.wav,noise,train,rain\n"
        (root / "manifest.csv").write_text("path,kind,split,speaker_or_type\n" + rows)
    if layout not in ("speakers", "TIMIT"):
        return None
    put(root.parent / "noises" / "rain" / "1.wav", 99)
    return root.parent / "noises"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_names_what_it_does_not_read(tmp_path, layout):
    root = tmp_path / "corpus"
    noise = lay(root, layout)
    places = [(root / LAYOUTS[layout][0]).with_name("more.m4a"), root / "dora" / "0.M4A"]
    places += [] if noise is None else [noise / "rain" / "2.wma"]
    before = load_corpus(root, noise).sha256
    for place in places:
        foreign(place)
    corpus = load_corpus(root, noise)
    assert corpus.layout == layout and corpus.sha256 == before
    assert [len(paths) for paths in corpus.unread.values()] == ([2] if noise is None else [2, 1])
    found = {finding.text: finding for finding in check_corpus(corpus).findings if "left out" in finding.text}
    assert all(finding.level == "remark" for finding in found.values())
    assert any(text.startswith("recordings left out, .m4a (2): convert them to WAV or FLAC") for text in found)


@pytest.mark.parametrize("layout", ["folders", "speakers", "TIMIT", "VoiceBank-DEMAND"])
def test_a_corpus_of_nothing_but_such_formats_names_them(tmp_path, layout):
    root = tmp_path / "corpus"
    noise = lay(root, layout)
    for file in [root / name for name in LAYOUTS[layout] if not name.startswith("noise")]:
        foreign(file.with_suffix(".m4a"))
        file.unlink()
    count = len(list(root.rglob("*.m4a")))
    with pytest.raises(BlshError, match=rf"recordings of kinds that are not read, \.m4a \({count}\): \w+/"):
        load_corpus(root, noise)


@pytest.mark.parametrize("suffix", FOREIGN)
def test_suffixes_of_sound_are_known(tmp_path, suffix):
    lay(tmp_path, "folders")
    foreign(tmp_path / "speech" / "a" / f"2.{suffix}")
    assert load_corpus(tmp_path).unread == {f".{suffix.lower()}": (f"speech/a/2.{suffix}",)}


def test_recordings_by_another_name_and_links_to_nothing_are_told(tmp_path):
    lay(tmp_path, "folders")
    shutil.copy(tmp_path / "speech" / "a" / "1.wav", tmp_path / "speech" / "a" / "1.wav.bak")
    shutil.copy(tmp_path / "speech" / "a" / "1.wav", tmp_path / "speech" / "a" / "take")
    (tmp_path / "speech" / "a" / "3.flac").symlink_to("gone")
    (tmp_path / "speech" / "a" / "4.wav").symlink_to("4.wav")
    assert load_corpus(tmp_path).unread == {
        ".bak": ("speech/a/1.wav.bak",),
        "links to nothing": ("speech/a/3.flac", "speech/a/4.wav"),
        "without a suffix": ("speech/a/take",),
    }


def test_what_systems_and_people_leave_beside_recordings_does_not_count(tmp_path):
    lay(tmp_path, "folders")
    entries = load_corpus(tmp_path).entries
    for name in ("speech/a/._1.wav", "speech/a/.DS_Store", "__MACOSX/speech/a/2.wav", "__MACOSX/speech/a/2.m4a"):
        foreign(tmp_path / name)
    for name in ("speech/Thumbs.db", "speech/a/desktop.ini", "speech/a/1.txt", "speech/a/1.TextGrid", "README"):
        (tmp_path / name).write_text("x")
    corpus = load_corpus(tmp_path)
    assert corpus.unread == {} and corpus.entries == entries


@pytest.mark.parametrize(
    "link", ["speech/a/again", "speech/a/deep/again", "speech/again", "noise/again", "noise/rain/x"]
)
def test_links_that_lead_back_make_no_recording_another_speaker_s(tmp_path, link):
    lay(tmp_path, "folders")
    put(tmp_path / "speech" / "a" / "deep" / "2.wav", 50)
    entries = load_corpus(tmp_path).entries
    for target in (tmp_path, tmp_path / link.split("/")[0]):
        (tmp_path / link).symlink_to(target)
        assert load_corpus(tmp_path).entries == entries
        (tmp_path / link).unlink()


def test_what_a_mac_packed_unfolds_like_the_folder_alone(tmp_path):
    lay(tmp_path / "inner", "folders")
    foreign(tmp_path / "__MACOSX" / "inner" / "x.wav")
    assert load_corpus(tmp_path).layout == "folders"


def test_listed_files_of_such_formats_are_errors_of_their_format(tmp_path):
    lay(tmp_path, "manifest")
    for name in ("2.m4a", "3.m4a"):
        foreign(tmp_path / "a" / name)
        with (tmp_path / "manifest.csv").open("a") as manifest:
            manifest.write(f"a/{name},speech,train,a\n")
    corpus = load_corpus(tmp_path)
    (error,) = check_corpus(corpus).errors
    assert error.text.startswith("of a format that is not read, .m4a") and error.files == ("a/2.m4a", "a/3.m4a")
    assert corpus.unread == {}

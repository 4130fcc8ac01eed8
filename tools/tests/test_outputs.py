# SPDX-License-Identifier: Apache-2.0
"""Every command that writes refuses, before any work, what cannot be written, and never what can."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_tools.audio.wav_output import check_wav_output
from blsh_tools.options.outputs import check_output, check_output_folder, same_file
from blsh_trainer.errors import BlshError

from .bench import Bench
from .blsh_command import Blsh, tree

# ---- the door ---------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder to name outputs in, which holds one of each kind."""
    folder = tmp_path / "here"
    (folder / "folder").mkdir(parents=True)
    (folder / "file").write_text("of yesterday")
    for name, to in (("link", "file"), ("dangling", "new/file"), ("round", "robin"), ("robin", "round")):
        (folder / name).symlink_to(to)
    (folder / "hard").hardlink_to(folder / "file")
    (folder / "null").symlink_to(os.devnull)
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    return folder


LONGEST = "n" * 255

GOOD = ["new", "deep/er/new", "file", "link", "dangling", "hard", "null", "pipe", "/dev/full"]
GOOD += [LONGEST, "語" * 85, "a/" * 900 + "a"]
BAD = [
    ("folder", "folder: it is a folder; name a file"),
    (".", "it is a folder; name a file"),
    ("folder/..", "it is a folder; name a file"),
    ("socket", "socket: it is a socket; name a file"),
    ("file/new", "file/new: .*/file is a file; choose a folder"),
    ("pipe/new", "pipe/new: .*/pipe is a file; choose a folder"),
    ("round", "round: .*; its symbolic links lead to each other"),
    ("round/new", "round/new: .*; its symbolic links lead to each other"),
    ("/proc/new", "/proc/new: .*; choose a writable folder"),
    ("-", "cannot write -: standard output is for the results, see --json; give a name"),
    (LONGEST + "n", "a name of 256 bytes; choose one of 255 at most"),
    ("語" * 86, "a name of 258 bytes; choose one of 255 at most"),
    ("new/" + LONGEST + "n/new", "a name of 256 bytes; choose one of 255 at most"),
    ("a/" * 2100 + "a", r"a path of \d+ bytes; choose one of 4095 at most"),
]


@pytest.mark.parametrize("name", GOOD, ids=lambda name: name[:12])
def test_what_can_be_written_is_let_through_and_nothing_stays_of_the_trial(here: Path, name: str) -> None:
    before = sorted(here.rglob("*"))
    check_output(Path(name), input=here / "other", model=None)
    assert sorted(here.rglob("*")) == before and (here / "file").read_text() == "of yesterday"


@pytest.mark.parametrize(("name", "expected"), BAD, ids=lambda text: text[:12])
def test_what_cannot_be_written_is_refused(here: Path, name: str, expected: str) -> None:
    before = sorted(here.rglob("*"))
    with pytest.raises(BlshError, match=expected):
        check_output(Path(name))
    if "it is a folder" not in expected and "is a socket" not in expected:
        with pytest.raises(BlshError, match=expected):
            check_output_folder(Path(name))
    assert sorted(here.rglob("*")) == before


def test_a_folder_may_be_there_or_not_but_is_no_file(here: Path) -> None:
    for name in ("folder", "new", "new/er", ".", LONGEST):
        check_output_folder(Path(name))
    for name in ("file", "pipe", "null"):
        with pytest.raises(BlshError, match="is a file; choose a folder"):
            check_output_folder(Path(name))


@pytest.mark.parametrize("name", ["file", "link", "hard", "folder/../file"])
def test_no_input_is_written_over_by_whatever_name(here: Path, name: str) -> None:
    with pytest.raises(BlshError, match=f"{name} is the model itself; name another file for the output"):
        check_output(Path(name), model=here / "file")
    assert same_file(Path(name), here / "link") and not same_file(Path("null"), Path(os.devnull))


def test_a_file_that_takes_standard_output_is_no_output(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("new").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BlshError, match="cannot write new: standard output goes there already"):
            check_output(Path("new"))


def test_a_device_needs_no_suffix(here: Path) -> None:
    check_wav_output(Path("null"), None)
    check_wav_output(Path("pipe"), None)
    with pytest.raises(BlshError, match="output new would be a WAV file by another name"):
        check_wav_output(Path("new"), None)


# ---- the commands -----------------------------------------------------------------------------------------------

WRITERS = {
    "train": "train CORPUS -o OUT",
    "train, checkpoint": "train CORPUS -o model.npz --checkpoint OUT",
    "evaluate": "evaluate MODEL CORPUS -o OUT",
    "evaluate, table": "evaluate MODEL CORPUS --csv OUT",
    "denoise": "denoise in.wav OUT.wav --model MODEL",
    "live": "live --input in.wav --output OUT.wav --model MODEL --board host",
    "push": "push MODEL -o OUT",
    "hil-report": "hil-report . -o OUT",
    "bench-box": "bench-box CORPUS -o OUT",
    "report": "report MODEL --corpus CORPUS -o OUT",
    "generate": "generate MODEL -o OUT",
    "export": "export MODEL --to OUT",
    "experiment": "experiment fig2 CORPUS -o OUT",
    "experiment, work": "experiment fig2 CORPUS --work OUT",
    "bench-firmware": "bench-firmware --corpus CORPUS -o OUT",
    "bench-firmware, work": "bench-firmware --corpus CORPUS --work OUT",
    "bars-firmware": "bars-firmware --corpus CORPUS -o OUT",
    "bars-quality": "bars-quality CORPUS --model MODEL -o OUT",
    "bars-quality, work": "bars-quality CORPUS --model MODEL --work OUT",
    "quality-plot": "quality-plot scores.json -o OUT",
    "demo": "demo --corpus CORPUS -o OUT",
    "demo, synthetic": "demo -o OUT",
    "corpus make": "corpus make OUT",
    "corpus fetch": "corpus fetch mini-librispeech -o OUT",
}


def line(bench: Bench, command: str, output: str) -> list[object]:
    bench.audio("in.wav", bench.noisy)
    places = {"MODEL": bench.model, "CORPUS": bench.corpus}
    words = WRITERS[command].split()
    return [places.get(word) or word.replace("OUT", output) for word in words]


@pytest.mark.parametrize("command", WRITERS)
def test_every_command_refuses_such_outputs_before_the_work(blsh: Blsh, bench: Bench, command: str) -> None:
    for name in ("n" * 256, "file/new"):
        bench.file("file")
        message = blsh.refuse("cannot write ", *line(bench, command, name))
        assert ("bytes; choose one of 255 at most" in message) or "file is a file; choose a folder" in message


def test_a_command_s_output_may_be_a_link_a_device_or_have_the_longest_name(blsh: Blsh, bench: Bench) -> None:
    bench.file("there.wav")
    (bench.folder / "link.wav").symlink_to("there.wav")
    longest = "n" * 251 + ".wav"
    for name in ("link.wav", "/dev/null", longest):
        blsh.succeed("denoise", bench.audio("in.wav", bench.noisy), name, "--model", bench.model)
    assert (bench.folder / "link.wav").is_symlink()
    assert (bench.folder / "there.wav").read_bytes() == (bench.folder / longest).read_bytes() != b"of yesterday"
    assert Path(os.devnull).is_char_device()
    assert sorted(Path(name).name for name in tree(bench.folder)) == sorted(
        ["in.wav", "link.wav", "there.wav", longest]
    )
    blsh.refuse("cannot write /dev/full: No space left on device", "push", bench.model, "-o", "/dev/full")


@pytest.mark.parametrize("join", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_an_input_is_caught_by_its_other_name(blsh: Blsh, bench: Bench, join: Callable[[Path, Path], None]) -> None:
    bench.audio("in.wav", bench.noisy)
    own = bench.folder / "own.npz"
    own.write_bytes(bench.model.read_bytes())
    join(bench.folder / "other.wav", bench.folder / "in.wav")
    join(bench.folder / "other.npz", own)
    recording = ("in.wav", "other.wav", "--model", own)
    blsh.refuse("other.wav is the input itself", "denoise", *recording)
    blsh.refuse("other.wav is the input itself", "live", "--input", "in.wav", "--output", "other.wav")
    blsh.refuse("other.npz is the model itself", "evaluate", own, bench.corpus, "--csv", "other.npz")
    blsh.refuse("other.npz is the model itself", "push", own, "-o", "other.npz")


@pytest.mark.parametrize(
    "line", ["train CORPUS -o OUT", "train CORPUS --checkpoint OUT", "evaluate MODEL CORPUS --csv OUT"]
)
def test_no_recording_of_a_corpus_is_written_over(blsh: Blsh, bench: Bench, line: str) -> None:
    corpus = bench.own_corpus()
    (bench.folder / "link").symlink_to(corpus / "speech" / "train0" / "0.flac")
    for output in (corpus / "manifest.csv", "link"):
        places = {"MODEL": bench.model, "CORPUS": corpus, "OUT": output}
        blsh.refuse("of the corpus itself; name another file", *(places.get(word, word) for word in line.split()))

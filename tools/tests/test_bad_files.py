# SPDX-License-Identifier: Apache-2.0
"""Corpora, recordings and artifacts that cannot be used have one clear message, exit code 2, and change no file.

`Blsh.refuse` holds each case to this. The tables say what is wrong, and what the message must name and advise.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import Samples, corpus_rows

# ---- corpora ------------------------------------------------------------------------------------------------


def empty_folder(bench: Bench) -> Path:
    (bench.folder / "recordings").mkdir()
    return bench.folder / "recordings"


def manifest_of_no_files(bench: Bench) -> Path:
    root = bench.own_corpus()
    (root / "manifest.csv").write_text("path,kind,split,speaker_or_type\n")
    return root


def manifest_that_is_no_text(bench: Bench) -> Path:
    root = bench.own_corpus()
    (root / "manifest.csv").write_bytes(b"path,kind,split,speaker_or_type\n\xff\xfe\x00")
    return root


def changed_row(**changes: str) -> Callable[[Bench], Path]:
    """Return what lays out a corpus whose manifest has `changes` in its third row."""

    def lay(bench: Bench) -> Path:
        rows = corpus_rows()
        rows[2] |= changes
        return bench.own_corpus(rows)

    return lay


def without(kind: str, split: str) -> Callable[[Bench], Path]:
    """Return what lays out a corpus whose manifest lacks a kind of recording in a split."""
    return lambda bench: bench.own_corpus(
        [row for row in corpus_rows() if (row["kind"], row["split"]) != (kind, split)]
    )


def missing_file(bench: Bench) -> Path:
    root = bench.own_corpus()
    (root / "noise/test1.flac").unlink()
    return root


def recording(samples: Samples | bytes, **options: Any) -> Callable[[Bench], Path]:
    """Return what lays out a corpus of which one training recording holds `samples`."""

    def lay(bench: Bench) -> Path:
        root = bench.own_corpus(
            [row | {"path": row["path"].replace("train2/4.flac", "bad.wav")} for row in corpus_rows()]
        )
        if isinstance(samples, bytes):
            (root / "speech" / "bad.wav").write_bytes(samples)
        else:
            soundfile.write(root / "speech" / "bad.wav", samples, 16_000, **options)
        return root

    return lay


NAN = np.full(16_000, 0.1)
NAN[7] = np.nan

CORPORA: dict[str, tuple[Callable[[Bench], object], str]] = {
    "missing folder": (lambda bench: "nowhere", "no corpus folder nowhere.*`blsh corpus make`"),
    "a file": (lambda bench: bench.file("notes"), "no corpus folder notes; check the path"),
    "empty folder": (empty_folder, "recordings fits none of the layouts of a corpus; .*\n +manifest: no manifest.csv"),
    "no files listed": (manifest_of_no_files, "manifest.csv lists no files; add a line for each"),
    "manifest not text": (
        manifest_that_is_no_text,
        r"manifest.csv is not a CSV table in UTF-8 \(line 2 holds the byte 0xff",
    ),
    "unknown kind": (changed_row(kind="music"), "line 4: kind 'music' is unknown; use one of speech, noise"),
    "path outside": (changed_row(path="../x.wav"), "line 4: path '../x.wav' must be relative and stay inside"),
    "speaker in two splits": (changed_row(speaker_or_type="test0"), "'test0' .* in splits train and test; keep each"),
    "listed file missing": (missing_file, "lists noise/test1.flac, which is missing; restore the file or drop"),
    "no training noise": (without("noise", "train"), "no noise in split 'train'; add some"),
    "not audio": (recording(b"RIFF, but no more than that"), r"speech/bad.wav is not audio .*give a WAV or FLAC"),
    "no bytes": (recording(b""), r"speech/bad.wav is not audio .*it is empty.*give a WAV or FLAC"),
    "no samples": (recording(np.zeros(0)), "speech/bad.wav has no samples; give a recording that is not empty"),
    "silence": (recording(np.zeros(16_000)), "speech/bad.wav is silent: all 16000 samples are 0; give one with"),
    "NaN": (recording(NAN, subtype="FLOAT"), "speech/bad.wav holds nan at sample 7; .*repair the recording"),
    "too short": (recording(np.full(900, 0.1)), "speech has 900 samples; at least one window of 1024 is needed"),
}


@pytest.mark.parametrize("case", CORPORA)
def test_corpus_is_refused(blsh: Blsh, bench: Bench, case: str) -> None:
    lay, expected = CORPORA[case]
    bench.file("model.npz")
    blsh.refuse(expected, "train", lay(bench), "-o", "model.npz", "--system", "paper", "--bits", 4)


@pytest.mark.parametrize("command", ["evaluate", "demo", "hil"])
def test_every_command_refuses_such_corpora(blsh: Blsh, bench: Bench, command: str) -> None:
    lay, expected = CORPORA["no files listed"]
    arguments = {"evaluate": [bench.model], "demo": ["--corpus"], "hil": ["--model", bench.model, "--corpus"]}
    blsh.refuse(expected, command, *arguments[command], lay(bench))


def test_evaluation_needs_what_its_split_names(blsh: Blsh, bench: Bench) -> None:
    corpus = without("noise", "test")(bench)
    blsh.refuse("no noise in split 'test'; add some to its manifest.csv", "evaluate", bench.model, corpus)
    blsh.refuse("no noise in split 'test'; add some to its manifest.csv", "demo", "--corpus", corpus)
    blsh.refuse("no speech in split 'dev'", "evaluate", bench.model, corpus, "--split", "dev")


# ---- recordings ---------------------------------------------------------------------------------------------


RECORDINGS: dict[str, tuple[Callable[[Bench], str], str]] = {
    "missing": (lambda bench: "in.wav", "no audio file in.wav; check the path"),
    "text": (lambda bench: bench.file("in.wav", b"hello " * 100), "in.wav is not audio .*give a WAV or FLAC file"),
    "no bytes": (
        lambda bench: bench.file("in.wav", b""),
        r"in.wav is not audio that can be read \(it is empty\); give a WAV or FLAC file",
    ),
    "not fetched": (
        lambda bench: bench.file("in.wav", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99\n"),
        r"in.wav is not audio that can be read \(it is a pointer of Git LFS, .* run git lfs pull\); give a WAV",
    ),
    "no samples": (lambda bench: bench.audio("in.wav", np.zeros(0)), "in.wav has no samples; give a recording"),
    "silence": (lambda bench: bench.audio("in.flac", np.zeros(99)), "in.flac is silent: all 99 samples are 0; give"),
    "channels that cancel": (
        lambda bench: bench.audio("in.wav", np.outer(bench.noisy, [1, -1])),
        "in.wav is silent when its 2 channels are averaged: .*in opposite phase and cancel each other; give one",
    ),
    "NaN": (lambda bench: bench.audio("in.wav", NAN, subtype="FLOAT"), "in.wav holds nan at sample 7; .*repair"),
    "too short to resample": (
        lambda bench: bench.audio("in.wav", [0.5], 48_000),
        "in.wav is shorter than one sample at 16000 Hz; give a longer recording",
    ),
}


@pytest.mark.parametrize("case", RECORDINGS)
def test_recording_is_refused(blsh: Blsh, bench: Bench, case: str) -> None:
    lay, expected = RECORDINGS[case]
    bench.file("out.wav")
    blsh.refuse(expected, "denoise", lay(bench), "out.wav", "--model", bench.model)


# ---- artifacts ----------------------------------------------------------------------------------------------


def cut_short(bench: Bench) -> str:
    whole = bench.model.read_bytes()
    return bench.file("cut.npz", whole[: len(whole) // 2])


def bit_flip(bench: Bench) -> str:
    """Flip a bit of the stored codes: the zip archive is sound, its content is not."""
    with np.load(bench.model) as loaded:
        codes = loaded["codes"].copy()
    codes[5, 1] ^= 4
    return bench.arrays(codes=codes)


def bit_flip_in_the_file(bench: Bench) -> str:
    damaged = bytearray(bench.model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    return bench.file("damaged.npz", bytes(damaged))


def nan_weights(bench: Bench) -> str:
    with np.load(bench.model) as loaded:
        return bench.arrays(projections=loaded["projections"] * np.nan)


ARTIFACTS: dict[str, tuple[Callable[[Bench], object], str]] = {
    "missing": (lambda bench: "nowhere.npz", "no model artifact nowhere.npz; check the path or train .*`blsh train`"),
    "a folder": (lambda bench: ".", r"\. is a folder; name a file"),
    "a device": (lambda bench: "/dev/null", "/dev/null is a device; name a file"),
    "no bytes": (
        lambda bench: bench.file("m.npz", b""),
        "m.npz is not a model artifact, or is cut short .*train or copy",
    ),
    "not an artifact": (lambda bench: bench.file("m.npz", b"PK, no"), "m.npz is not a model artifact.*train or copy"),
    "cut short": (cut_short, "cut.npz is not a model artifact, or is cut short .*train or copy it again"),
    "newer version": (
        lambda bench: bench.arrays(format_version=np.int64(6)),
        "format version 6, made by a newer version of blsh-mcu; this one reads up to 5, upgrade it",
    ),
    "array missing": (lambda bench: bench.arrays(betas=None), "lacks the array 'betas'; it is damaged, train or copy"),
    "shape": (lambda bench: bench.arrays(biases=np.zeros(3)), r"biases has shape \(3,\); expected \(20,\)"),
    "NaN": (nan_weights, "projections must be finite"),
    "bit flip in an array": (bit_flip, "SHA-256 is .*its card says .*changed after training, copy or train it again"),
    "bit flip in the file": (bit_flip_in_the_file, "damaged.npz is damaged .*; train or copy it again"),
    "card not JSON": (
        lambda bench: bench.arrays(card=np.frombuffer(b"{", np.uint8)),
        "card is not JSON .*it is damaged, train or copy it again",
    ),
}


@pytest.mark.parametrize("case", ARTIFACTS)
def test_artifact_is_refused(blsh: Blsh, bench: Bench, case: str) -> None:
    lay, expected = ARTIFACTS[case]
    bench.file("out.wav")
    bench.audio("in.wav", bench.noisy)
    blsh.refuse(expected, "denoise", "in.wav", "out.wav", "--model", lay(bench))


@pytest.mark.parametrize("command", ["evaluate", "generate", "bench", "hil"])
def test_every_command_refuses_such_artifacts(blsh: Blsh, bench: Bench, command: str) -> None:
    lay, expected = ARTIFACTS["newer version"]
    artifact = lay(bench)
    arguments = {
        "evaluate": [artifact, bench.corpus],
        "generate": [artifact, "-o", "c"],
        "bench": ["--model", artifact],
        "hil": ["--model", artifact],
    }
    blsh.refuse(expected, command, *arguments[command])

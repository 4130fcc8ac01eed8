"""Everything that can be wrong with what `blsh` is given has one clear message, exit code 2, and changes no file.

`Blsh.refuse` holds each case to all of that; the tables say what is wrong, what the message must name, and what
it must tell the user to do.
"""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from .conftest import Bench, Blsh, Samples, corpus_rows, firmware_command

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
    """A manifest whose third row is changed."""

    def lay(bench: Bench) -> Path:
        rows = corpus_rows()
        rows[2] |= changes
        return bench.own_corpus(rows)

    return lay


def without(kind: str, split: str) -> Callable[[Bench], Path]:
    """A manifest without one kind of recording."""
    return lambda bench: bench.own_corpus(
        [row for row in corpus_rows() if (row["kind"], row["split"]) != (kind, split)]
    )


def missing_file(bench: Bench) -> Path:
    root = bench.own_corpus()
    (root / "noise/test1.flac").unlink()
    return root


def recording(samples: Samples | bytes, **options: Any) -> Callable[[Bench], Path]:
    """A corpus of which one training recording is this."""

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
    blsh.refuse(expected, "train", lay(bench), "-o", "model.npz", "--bits", 4)


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
    """One bit of the stored codes, behind zip's back: the container is sound, the content is not."""
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
        lambda bench: bench.arrays(format_version=np.int64(4)),
        "format version 4, made by a newer version of blsh-mcu; this one reads up to 3, upgrade it",
    ),
    "array missing": (lambda bench: bench.arrays(betas=None), "lacks the array 'betas'; it is damaged, train or copy"),
    "shape": (lambda bench: bench.arrays(biases=np.zeros(3)), r"biases has shape \(3,\); expected \(20,\)"),
    "NaN": (nan_weights, "projections must be finite"),
    "bit flip in an array": (bit_flip, "SHA-256 is .*its card says .*changed after training, copy or train it again"),
    "bit flip in the file": (bit_flip_in_the_file, "damaged.npz is damaged .*; train or copy it again"),
    "card not JSON": (
        lambda bench: bench.arrays(card=np.frombuffer(b"{", np.uint8)),
        "card is not JSON .*the artifact is damaged",
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


# ---- options ------------------------------------------------------------------------------------------------

DENOISE = "denoise in.wav out.wav --model MODEL "
TRAIN = "train CORPUS -o out.npz --system paper "
EVALUATE = "evaluate MODEL CORPUS "

OPTIONS: list[tuple[str, str]] = [
    (DENOISE + "--engine gpu", "engine 'gpu' is unknown; choose one of float, fixed, device"),
    (DENOISE + "--engine device --board nucleo", "board 'nucleo' is unknown; known boards: disco.*boards.toml"),
    (DENOISE + "--engine device --bits 9 --share 1", "--share, --bits: the device's dictionary is in its firmware"),
    (DENOISE + "--entries 4", r"4 entries asked for; choose 5 .* to \d+ .all"),
    (DENOISE + "--entries 99999", r"99999 entries asked for; choose 5 .* to \d+ .all"),
    (DENOISE + "--share 0", "--share 0.0; choose above 0 to 1"),
    (DENOISE + "--share nan", "--share nan; choose above 0 to 1"),
    (DENOISE + "--share 0.0001", r"share 0.0001 is 1 entries; choose 5 .* to \d+"),
    (DENOISE + "--share 0.5 --entries 100", "--entries 100 and --share 0.5 exclude each other; give one"),
    (DENOISE + "--bits 21", "21 bits asked for; the model has 20, choose 1 to 20"),
    (DENOISE + "--neighbours 99999", r"99999 neighbours of \d+ entries; choose 1 to \d+"),
    (DENOISE + "--engine fixed --neighbours 33", "K = 33: firmware averages 1 to 32 neighbours"),
    (TRAIN + "--features mfcc", "feature kind 'mfcc' is unknown; choose one of stft, mel"),
    (TRAIN + "--learner forest", "learner 'forest' is unknown; choose one of blsh, lsh, lsh-plain"),
    (TRAIN + "--bits 321", "--bits 321; choose 1 to 320"),
    (TRAIN + "--neighbours 0", "--neighbours 0; choose 1 to 1,000,000"),
    (TRAIN + "--max-frames 9", "max_frames is 9; choose 10 or more"),
    (TRAIN + "--neighbours 2000", r"have \d+ frames with sound; 2000 or more are needed"),
    (TRAIN + "--snr nan", "--snr nan; choose -100 to 100"),
    (TRAIN + "--seed -1", "--seed -1; choose 0 to 9,223,"),
    (EVALUATE + "--engine device", "engine 'device' cannot be evaluated; choose float or fixed"),
    (EVALUATE + "--count 0", "--count 0; choose 1 to 1,000,000"),
    (EVALUATE + "--snr inf", "--snr inf; choose -100 to 100"),
    (EVALUATE + "--snr 0 --snr nan", "--snr nan; choose -100 to 100"),
    (EVALUATE + "--snr 5 --snr 5.0", "give one at least, and none twice"),
    (EVALUATE + "--metrics si_sdr_db,stoi", "metric 'stoi' is unknown; choose of sdr_db, si_sdr_db, pesq, estoi"),
    (EVALUATE + "--metrics ,", "give one at least, and none twice"),
    (EVALUATE + "--jobs 0", "--jobs 0; choose 1 to 4,096"),
    (EVALUATE + "--protocol field", "protocol 'field' is unknown; choose one of drawn, peers"),
    (EVALUATE + "--protocol peers --split valid", "split 'valid' with the protocol peers, which is one of the test"),
    (EVALUATE + "--protocol peers --count 999", "999 mixtures asked for; the protocol peers has 60, choose 1 to 60"),
    (EVALUATE + "--protocol peers --snr 7", "SNR 7 dB with the protocol peers; the peers were scored at -5, 0, 5"),
    (EVALUATE + "--protocol peers", r"the test split of .* has no speech/.*; the protocol peers needs the recordings"),
    (EVALUATE + "-o scores --csv ./scores", "--output and --csv both name scores; give two files"),
    (EVALUATE + "--csv MODEL", "is the model itself; name another file"),
    (EVALUATE + "--seed -1", "seed -1; choose 0 to "),
    ("generate MODEL -o c --seed -1", "seed -1; choose 0 to "),
    ("generate MODEL -o c --share 2", "--share 2.0; choose above 0 to 1"),
    (EVALUATE + "--dictionary-seed -2", "--dictionary-seed -2; choose 0 to "),
    (DENOISE + "--dictionary-seed -2", "--dictionary-seed -2; choose 0 to "),
    ("corpus make new --seed -1", "seed -1; choose 0 to "),
    ("build --board nucleo", "board 'nucleo' is unknown; known boards: disco_f407vg, microbit, mps2-an385"),
    ("bench --hops 0 --model MODEL", "--hops 0; choose 1 to 1,000,000"),
    ("hil --board nucleo --model MODEL", "board 'nucleo' is unknown; known boards: disco_f407vg, microbit, mps2-an385"),
    ("hil --minutes 0 --model MODEL", "--minutes 0.0; choose above 0 to 10,000"),
    ("demo --board nucleo --corpus CORPUS", "board 'nucleo' is unknown; known boards: disco_f407vg, microbit"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), OPTIONS, ids=[line for line, _ in OPTIONS])
def test_option_is_refused(blsh: Blsh, bench: Bench, line: str, expected: str) -> None:
    bench.audio("in.wav", bench.noisy)
    bench.file("out.wav")
    bench.file("out.npz")
    places = {"MODEL": bench.model, "CORPUS": bench.corpus}
    blsh.refuse(expected, *(places.get(word, word) for word in line.split()))


# ---- outputs ------------------------------------------------------------------------------------------------

QUICK = "--system paper --features stft --bits 4 --steps 10"
"""It trains before it writes."""

# /proc takes no files, from root neither.
OUTPUTS: list[tuple[str, str]] = [
    ("train CORPUS -o folder", "cannot write folder: it is a folder; name a file"),
    ("train CORPUS -o file/model.npz", "cannot write file/model.npz: .*/file is a file; choose a folder"),
    (f"train CORPUS -o /proc/blsh/model.npz {QUICK}", "cannot write /proc/blsh/model.npz: .*choose a writable folder"),
    ("denoise in.wav in.wav --model MODEL", "in.wav is the input itself; name another file for the output"),
    ("denoise in.wav folder/../in.wav --model MODEL", "in.wav is the input itself; name another file"),
    ("denoise in.wav link.wav --model MODEL", "link.wav is the input itself; name another file"),
    ("denoise in.wav folder.wav --model MODEL", "cannot write folder.wav: it is a folder; name a file"),
    ("denoise in.wav out.flac --model MODEL", "out.flac would be a WAV file by another name; end its name in .wav"),
    ("demo --corpus CORPUS -o file", "cannot write file/.*/file is a file; choose a folder"),
    ("evaluate MODEL CORPUS -o folder", "cannot write folder: it is a folder; name a file"),
    ("evaluate MODEL CORPUS --csv file/scores.csv", "cannot write file/scores.csv: .*/file is a file; choose a folder"),
    (
        "evaluate MODEL CORPUS --count 1 --snr 0 --metrics pesq --jobs 1 --csv /proc/blsh/x",
        "cannot write /proc/blsh/x: .*choose a writable folder",
    ),
    ("denoise in.wav file/out.wav --model MODEL", "cannot write file/out.wav: .*/file is a file; choose a folder"),
    ("denoise in.wav /proc/blsh/out.wav --model MODEL", "cannot write /proc/blsh/out.wav: .*choose a writable folder"),
    ("generate MODEL -o file", "cannot write file: .*/file is a file; choose a folder"),
    ("generate MODEL -o /proc/blsh", "cannot write /proc/blsh: .*choose a writable folder"),
    ("corpus make file", "file exists and is no synthetic corpus; choose another folder, it is left as it is"),
    ("corpus make folder", "folder exists and is no synthetic corpus; choose another folder, it is left as it is"),
    ("corpus make file/new", "cannot write file/new: .*/file is a file; choose a folder"),
]


@pytest.mark.parametrize(("line", "expected"), OUTPUTS, ids=[line for line, _ in OUTPUTS])
def test_output_is_refused(blsh: Blsh, bench: Bench, line: str, expected: str) -> None:
    if line.startswith("corpus") and shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    bench.audio("in.wav", bench.noisy)
    bench.file("file")
    (bench.folder / "link.wav").symlink_to("in.wav")
    for name in ("folder", "folder.wav"):
        (bench.folder / name).mkdir()
    bench.file("folder/notes")
    places = {"MODEL": bench.model, "CORPUS": bench.corpus}
    blsh.refuse(expected, *(places.get(word, word) for word in line.split()))


@pytest.mark.parametrize("line", ["train CORPUS -o folder", "train CORPUS -o file/out", "demo --corpus CORPUS -o file"])
def test_output_is_refused_before_the_work(blsh: Blsh, bench: Bench, line: str) -> None:
    bench.file("file")
    (bench.folder / "folder").mkdir()
    assert "mixing" not in blsh(*(bench.corpus if word == "CORPUS" else word for word in line.split())).stderr


@pytest.mark.parametrize("line", [f"train CORPUS -o out.npz {QUICK}", "denoise in.wav out.wav --model MODEL"])
def test_full_disk_is_reported(blsh: Blsh, bench: Bench, line: str) -> None:
    """As a limit on the size of files, which no file here keeps to."""
    bench.audio("in.wav", bench.noisy)
    bench.file("out.wav")
    bench.file("out.npz")
    places = {"MODEL": bench.model, "CORPUS": bench.corpus}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # inherited by the process
    try:
        process = blsh.start(*(places.get(word, word) for word in line.split()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with process:
        _, stderr = process.communicate()
    assert (process.returncode, "Traceback" in stderr) == (2, False)
    assert "error: cannot write out." in stderr
    assert sorted(path.name for path in bench.folder.iterdir()) == ["in.wav", "out.npz", "out.wav"]


# ---- tools that are not installed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("corpus make new", "espeak-ng.* is not installed; install the Debian package `espeak-ng`"),
        ("demo -o new", "espeak-ng.* is not installed; install the Debian package `espeak-ng`"),
    ],
)
def test_missing_speech_synthesiser(blsh: Blsh, line: str, expected: str) -> None:
    Blsh(blsh.cwd, blsh.project, {"PATH": "/nowhere"}).refuse(expected, *line.split())


def test_missing_cross_compiler(generated: Blsh, bench: Bench) -> None:
    expected = "arm-none-eabi-gcc is missing; install the Debian packages gcc-arm-none-eabi .*`make setup`"
    deprived = Blsh(generated.cwd, generated.project, {"PATH": "/nowhere"})
    for command in ("build", "bench", "hil", "denoise"):
        deprived.refuse(expected, *firmware_command(bench, command), alone=True)  # here, the compiler was found before


def test_missing_host_compiler(generated: Blsh, model: Path) -> None:
    expected = "gcc is missing; install the Debian package gcc"
    deprived = Blsh(generated.cwd, generated.project, {"PATH": "/nowhere"})
    deprived.refuse(expected, "hil", "--board", "host", "--model", model)


@pytest.mark.parametrize("command", ["flash", "bench", "hil", "denoise"])
def test_missing_emulator(built: Blsh, bench: Bench, tmp_path: Path, command: str) -> None:
    expected = "qemu-system-arm is missing; install the Debian package qemu-system-arm .*`make setup`"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("arm-none-eabi-gcc", "gcc"):
        if (path := shutil.which(name)) is not None:
            (tools / name).symlink_to(path)
    Blsh(built.cwd, built.project, {"PATH": str(tools)}).refuse(expected, *firmware_command(bench, command))

# SPDX-License-Identifier: Apache-2.0
"""Options and outputs that cannot be used are refused, each with its name, its value and what to choose instead."""

import resource

import pytest

from .bench import Bench
from .blsh_command import Blsh
from .conftest import Require

pytestmark = pytest.mark.heavy

# ---- options ------------------------------------------------------------------------------------------------

DENOISE = "denoise in.wav out.wav --model MODEL "
TRAIN = "train CORPUS -o out.npz --system paper "
EVALUATE = "evaluate MODEL CORPUS "

OPTIONS: list[tuple[str, str]] = [
    (DENOISE + "--engine gpu", "engine 'gpu' is unknown; choose one of float, fixed, device"),
    (DENOISE + "--engine device --board nucleo", "board 'nucleo' is unknown, .*; known boards: disco.*, and host, "),
    (DENOISE + "--engine fixd", "engine 'fixd' is unknown, did you mean fixed.; choose one of float, fixed, device"),
    (DENOISE + "third.wav", "3 arguments, in.wav out.wav third.wav; expected two, IN and OUT.* --model NAME"),
    ("denoise intercmo in.wav out.wav", "3 arguments, .*; expected two, IN and OUT.* --model intercom"),
    ("card hearng", "no model of that name in the box, did you mean hearing.; it has recorder"),
    ("estimate MODEL --board mps2-an50", "board 'mps2-an50' is unknown, did you mean mps2-an50[05]"),
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
    (EVALUATE + "--metrics si_sdr_db,stoi", "metric 'stoi' is unknown, did you mean estoi.; choose one of sdr_db, "),
    (EVALUATE + "--metrics ,", "give one at least, and none twice"),
    (EVALUATE + "--jobs 0", "--jobs 0; choose 1 to 4,096"),
    (EVALUATE + "--peers --metrics clean", "--peers with clean alone; the peers have sdr_db, si_sdr_db, pesq, estoi"),
    (EVALUATE + "--metrics clean --csv scores.csv", "--csv scores.csv with clean alone: it holds scores of mixtures"),
    (EVALUATE + "--peers --split valid", "split 'valid' with the protocol peers, which is one of the test"),
    (EVALUATE + "--peers --count 999", "999 mixtures asked for; the protocol peers has 60, choose 1 to 60"),
    (EVALUATE + "--peers --snr 7", "SNR 7 dB with the protocol peers; the peers were scored at -5, 0, 5"),
    (EVALUATE + "--peers", r"the test split of .* has no speech/.*; the protocol peers needs the recordings"),
    ("bars-quality CORPUS --model MODEL --work w -o r", r"the test split of .* has no speech/.*; the protocol peers"),
    ("bars-quality CORPUS --model MODEL --extra CORPUS -o r", "has no noise whose type is in no train split"),
    ("bars-quality CORPUS --model MODEL --small MODEL --before none.json -o r", "cannot read none.json: No such file"),
    ("quality-plot none.json -o r", "cannot read none.json: No such file"),
    (EVALUATE + "-o scores --csv ./scores", "--output and --csv both name scores; give two files"),
    (EVALUATE + "--csv MODEL", "is the model itself; name another file"),
    (EVALUATE + "--seed -1", "seed -1; choose 0 to "),
    ("generate MODEL -o c --seed -1", "seed -1; choose 0 to "),
    ("generate MODEL -o c --share 2", "--share 2.0; choose above 0 to 1"),
    (EVALUATE + "--dictionary-seed -2", "--dictionary-seed -2; choose 0 to "),
    (DENOISE + "--dictionary-seed -2", "--dictionary-seed -2; choose 0 to "),
    ("corpus make new --seed -1", "seed -1; choose 0 to "),
    ("build --board nucleo", "board 'nucleo' is unknown, .*; known boards: disco_f407vg, microbit"),
    ("build --board host", "'host' is this machine, .*blsh hil --board host.*; boards here: disco_f407vg, microbit"),
    ("bench --hops 0 --model MODEL", "--hops 0; choose 1 to 1,000,000"),
    ("hil --board nucleo --model MODEL", "board 'nucleo' is unknown, .*; known boards: disco_f407vg, microbit"),
    ("hil --minutes 0 --model MODEL", "--minutes 0.0; choose above 0 to 10,000"),
    ("demo --board nucleo --corpus CORPUS", "board 'nucleo' is unknown, .*; known boards: disco_f407vg, microbit"),
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
def test_output_is_refused(blsh: Blsh, bench: Bench, require: Require, line: str, expected: str) -> None:
    if line.startswith("corpus"):
        require("espeak-ng")
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
    """A limit on the size of files stands for the full disk."""
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

# SPDX-License-Identifier: Apache-2.0
"""`blsh init` and `blsh run`: outputs follow blsh.toml and their inputs, and nothing else is made again."""

import json
import shutil
import signal
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.generated_record import read_record
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.audio.engines import FixedEngine
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.model.tuning import Tuning, tuned
from blsh_trainer.signals.audio import to_int16
from blsh_trainer.signals.geometry import CLASSES

from .blsh_command import Blsh
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy

OUTPUTS = 'model = "out/model.npz"\ngenerated = "out/generated"\nlibrary = "out/library"\ndenoised = "out/denoised"\n'
MODEL = random_voting_model(geometry=CLASSES["intercom"])
TINY = "steps = {}\npasses = 1\nprojections = 12\nthresholds = 2\ndictionaries = 4\nentries = 16\njobs = 1\n"


@pytest.fixture
def project(blsh: Blsh, noisy: Samples) -> Blsh:
    """Return `blsh` in a folder with a small artifact, a recording, and a blsh.toml for both."""
    save_model(blsh.cwd / "own.npz", MODEL)
    soundfile.write(blsh.cwd / "noisy.wav", noisy, 16_000, subtype="PCM_16")
    settings = '[model]\nfrom = "own.npz"\n\n[tuning]\nattenuation = "model"  # by ear\n\n'
    settings += f'[outputs]\n{OUTPUTS}\n[examples]\nrecordings = ["noisy.wav"]\n'
    (blsh.cwd / "blsh.toml").write_text(settings)
    return blsh


def outcomes(result: Any) -> dict[str, str]:
    return {row["step"]: row["outcome"] for row in result["steps"]}


def reasons(result: Any) -> dict[str, list[str]]:
    return {row["step"]: row["why"] for row in result["steps"] if row["why"]}


def change(blsh: Blsh, old: str, new: str) -> None:
    file = blsh.cwd / "blsh.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


# ---- init ---------------------------------------------------------------------------------------------------


def test_a_new_project_runs_at_once_and_stays_as_it_is(blsh: Blsh) -> None:
    blsh.json("init", "denoiser")
    text = (blsh.cwd / "denoiser/blsh.toml").read_text()
    assert tomllib.loads(text)["model"] == {"from": "intercom"}
    found = blsh.json("run", "model", "--folder", "denoiser")
    assert outcomes(found) == {"model": "made"}
    expected = boxed_models()["intercom"].read_bytes()
    assert (blsh.cwd / "denoiser/out/model.npz").read_bytes() == expected
    message = blsh.refuse("denoiser/blsh.toml is there already and stays as it is", "init", "denoiser")
    assert "choose another folder" in message and (blsh.cwd / "denoiser/blsh.toml").read_text() == text


def test_a_file_that_sets_nothing_is_told(blsh: Blsh) -> None:
    (blsh.cwd / "blsh.toml").write_text("# nothing yet\n")
    told = "blsh.toml sets nothing, so every default holds; blsh init FOLDER writes one that explains them"
    assert told in blsh.succeed("run", "--dry-run").stderr
    (blsh.cwd / "blsh.toml").write_text('[model]\nfrom = "hearing"\n')
    assert "sets nothing" not in blsh.succeed("run", "--dry-run").stderr


def test_a_new_project_has_what_was_asked_for(blsh: Blsh, corpus: Path, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "noisy.wav", noisy, 16_000, subtype="PCM_16")
    budgets = ("--board", "microbit", "--flash", "128K", "--mips", "20")
    blsh.json("init", "a/b", "--corpus", corpus, "--latency", "16ms", *budgets, "--example", "noisy.wav")
    found = tomllib.loads((blsh.cwd / "a/b/blsh.toml").read_text())
    assert (blsh.cwd / "a/b" / found["model"]["corpora"][0]).resolve() == corpus.resolve()
    assert found["model"]["class"] == "headset" and found["training"] == {"seed": 0}
    assert found["firmware"] == {"board": "microbit", "flash": "128K", "mips": 20.0}
    assert found["examples"]["recordings"] == ["../../noisy.wav"] and found["outputs"]["denoised"] == "out/denoised"
    assert blsh.json("init", "c", "--latency", "8ms") and 'from = "hearing"' in (blsh.cwd / "c/blsh.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--corpus", "nowhere"), "there is no folder nowhere"),
        (("--board", "toaster"), "board 'toaster' is unknown"),
        (("--model", "nothing"), "there is no file nothing, and no model of that name"),
        (("--model", "phone", "--latency", "8ms"), "--model phone with a latency"),
        (("--latency", "5ms"), "no class has a latency of 5 ms"),
        (("--noise", "."), "--noise . without --corpus"),
        (("--example", "no.wav"), "there is no file no.wav"),
        (("--geometry", "16000/512/128/256"), "no model in the box has the geometry"),
    ],
)
def test_a_project_that_cannot_be_is_not_begun(blsh: Blsh, arguments: tuple[str, ...], expected: str) -> None:
    blsh.refuse(expected, "init", "new", *arguments)


# ---- run ----------------------------------------------------------------------------------------------------


def test_only_what_depends_on_a_change_is_made_again(project: Blsh) -> None:
    plan = project.json("run", "--dry-run")
    assert outcomes(plan) == dict.fromkeys(("model", "generated", "library", "denoised"), "to be made")
    assert not (project.cwd / "out").exists() and not (project.cwd / ".blsh").exists()
    assert set(outcomes(project.json("run")).values()) == {"made"}
    assert set(outcomes(project.json("run")).values()) == {"up to date"}

    change(project, '"model"  # by ear', "9  # by ear")
    plan = project.json("run", "--dry-run")
    assert outcomes(plan) == {"model": "to be made"} | dict.fromkeys(("generated", "library", "denoised"), "perhaps")
    assert reasons(plan)["model"] == ["tuning.attenuation is 9, was the model's own"]
    assert set(outcomes(project.json("run")).values()) == {"made"}

    change(project, '"out/library"\n', '"out/library"\nprefix = "voice"\n')
    found = project.json("run")
    assert reasons(found) == {"library": ["outputs.prefix is voice, was not given"]}
    assert (project.cwd / "out/library/src/voice_model.h").is_file()

    (project.cwd / "noisy.wav").write_bytes((project.cwd / "noisy.wav").read_bytes()[:-20])
    assert reasons(project.json("run", "model")) == {}
    assert list(reasons(project.json("run"))) == ["denoised"]


def test_a_model_of_the_box_is_told_by_its_name(blsh: Blsh) -> None:
    blsh.json("init", ".")
    blsh.json("run", "model")
    change(blsh, 'from = "intercom"', 'from = "headset"')
    told = ["intercom of the box is used no more", "headset of the box is new"]
    assert sorted(reasons(blsh.json("run", "model", "--dry-run"))["model"]) == sorted(told)


def test_the_outputs_are_those_of_the_commands(project: Blsh, noisy: Samples) -> None:
    change(project, '"model"  # by ear', "12\nsmoothing = 9")
    project.json("run")
    expected = tuned(MODEL, Tuning(12, 9))
    model = load_model(project.cwd / "out/model.npz")
    assert model.sha256 == expected.sha256
    assert read_record(project.cwd / "out/generated", model).model_sha256 == expected.sha256
    assert (
        project.json("export", "out/model.npz", "--to", "other")["files"]
        == json.loads((project.cwd / "out/library/blsh_export.json").read_text())["files"]
    )
    pcm = soundfile.read(project.cwd / "out/denoised/noisy.wav", dtype="int16")[0]
    assert np.array_equal(pcm, to_int16(FixedEngine(expected, GenerateOptions()).denoise(noisy)))
    assert integer_model(model, GenerateOptions()).smoothing == 9


def test_a_deleted_output_is_made_again_and_a_changed_one_is_kept(project: Blsh) -> None:
    project.json("run")
    header = project.cwd / "out/library/src/blsh_model.h"
    before = header.read_bytes()
    header.write_text("mine")
    (project.cwd / "out/denoised/noisy.wav").unlink()
    found = project.json("run")
    assert reasons(found) == {
        "library": ["out/library/src/blsh_model.h was changed"],
        "denoised": ["out/denoised/noisy.wav is missing"],
    }
    (kept,) = next(row for row in found["steps"] if row["step"] == "library")["kept"]
    assert (project.cwd / kept).read_text() == "mine" and header.read_bytes() == before


@pytest.mark.slow
def test_an_output_that_is_wanted_no_more_is_removed(project: Blsh) -> None:
    project.json("run")
    change(project, '"out/model.npz"', '"out/small.npz"')
    assert "out/model.npz is made no more: removed" in project.succeed("run", "model").stderr
    assert sorted(path.name for path in (project.cwd / "out").glob("*.npz")) == ["small.npz"]


def test_what_no_run_made_is_not_overwritten(project: Blsh) -> None:
    (project.cwd / "out").mkdir()
    (project.cwd / "out/model.npz").write_text("mine")
    project.refuse("out/model.npz is there already, and `blsh run` knows nothing of it .no run made it, or", "run")
    (project.cwd / "out/model.npz").unlink()
    project.json("run")
    change(project, '"out/model.npz"', '"own2.npz"')
    (project.cwd / "own2.npz").write_text("mine")
    project.refuse("own2.npz is there already", "run")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('from = "own', 'form = "own', r"blsh.toml, line 2: model.form is unknown, did you mean from\?"),
        ("[tuning]", "[tunig]", r"blsh.toml, line 4: tunig is unknown, did you mean tuning\?"),
        ('"model"  # by ear', "70", r'line 5: tuning.attenuation = 70; expected a whole number of dB, 0 to 60, "off"'),
        ('"model"  # by ear', "true", r"line 5: tuning.attenuation = true; expected"),
        (
            '"model"  # by ear',
            "1\nsmoothing = 1.5",
            r"line 6: tuning.smoothing = 1.5; expected a whole number",
        ),
        ('"own.npz"', '"nothing"', r"line 2: model.from = 'nothing'; expected a model of `blsh models`"),
        ('"own.npz"', '"intercon"', r"model.from = 'intercon', did you mean intercom\?; expected a model"),
        ('"own.npz"', '"own.npz"\nclass = "phone"', r"line 3: model.class: it is for a model that is learned"),
        ('"own.npz"', '"own.npz"\ncorpora = ["out"]', r"line 2: model.from: model.corpora is there, too"),
        ('from = "own.npz"', 'corpora = ["none"]', r"line 2: model.corpora: there is no folder none"),
        ('from = "own.npz"', 'corpora = ["."]\nclass = "radio"', r"line 3: model.class = 'radio'; expected a class"),
        ('from = "own.npz"', 'corpora = ["."]\nclass = "hedset"', r"model.class = 'hedset'.*did you mean headset\?"),
        ('"out/library"', '"out"', r"overlaps outputs"),
        ('"out/library"', '"."', r"outputs.library|overlaps"),
        ('"out/library"', '"out/library"\nimage = "out/image"', r"line 11: outputs.image: it needs a board"),
        ('["noisy.wav"]', '["gone.wav"]', r"examples.recordings: there is no gone.wav"),
        ('["noisy.wav"]', '"noisy.wav"', r"examples.recordings = 'noisy.wav'; expected a list of texts"),
        ("[model]", "[model", r"blsh.toml is no TOML: .*line 1"),
        ("[examples]", '[firmware]\nboard = "toaster"\n[examples]', r"firmware.board = 'toaster'; expected a board"),
        ("[examples]", '[firmware]\nflash = "1Q"\n[examples]', r"firmware.flash = '1Q'; expected a size"),
    ],
)
def test_a_fault_is_told_with_its_place(project: Blsh, old: str, new: str, expected: str) -> None:
    change(project, old, new)
    project.refuse(expected, "run", "--dry-run")


def test_other_refusals(project: Blsh) -> None:
    project.refuse("has no output image; it has model, .*add a line to .outputs.: image =", "run", "image")
    project.refuse("has no output cake", "run", "cake")
    project.refuse(r"has no output modle, did you mean model\?; it has", "run", "modle")
    project.refuse("there is no nowhere/blsh.toml; `blsh init nowhere` writes one", "run", "--folder", "nowhere")


def test_a_damaged_record_makes_nothing_stale(project: Blsh) -> None:
    project.json("run", "model")
    (project.cwd / ".blsh/state.json").write_text("{")
    project.refuse("out/model.npz is there already", "run", "model")
    shutil.rmtree(project.cwd / "out")
    assert outcomes(project.json("run", "model")) == {"model": "made"}


# ---- what takes longer --------------------------------------------------------------------------------------


def learned_project(blsh: Blsh, corpus: Path, steps: int) -> Blsh:
    """Begin a project that learns a tiny model; return `blsh` as a process of its own, because JAX minds forks."""
    blsh.succeed("init", ".", "--corpus", corpus, "--latency", "16ms")
    change(blsh, "seed = 0\n", "seed = 0\n" + TINY.format(steps))
    return blsh.apart()


@pytest.mark.slow
def test_a_model_is_learned_once(blsh: Blsh, corpus: Path) -> None:
    blsh = learned_project(blsh, corpus, 12)
    assert outcomes(blsh.json("run", "generated")) == dict.fromkeys(("training", "model", "generated"), "made")
    change(blsh, 'smoothing = "model"', "smoothing = 3")
    assert list(reasons(blsh.json("run", "generated"))) == ["model", "generated"]
    assert load_model(blsh.cwd / "out/model.npz").smoothing == 3  # type: ignore[union-attr]
    change(blsh, "steps = 12", "steps = 13")
    assert reasons(blsh.json("run", "--dry-run", "model"))["training"] == ["training.steps is 13, was 12"]


@pytest.mark.slow
def test_an_interrupted_run_goes_on(blsh: Blsh, corpus: Path) -> None:
    blsh = learned_project(blsh, corpus, 1_000_000)
    with blsh.start("run", "model") as process:
        assert process.stderr is not None
        while "learning: 1000000 to do" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert "interrupted; blsh run goes on from here" in process.communicate(timeout=60)[1]
    assert process.returncode == 130 and not (blsh.cwd / "out").exists()
    assert reasons(blsh.json("run", "--dry-run", "model"))["training"] == ["interrupted before"]
    change(blsh, "steps = 1000000", "steps = 12")
    assert outcomes(blsh.json("run", "model")) == {"training": "made", "model": "made"}
    assert not list((blsh.cwd / ".blsh").glob("training-*"))


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm")
def test_the_firmware_is_built_and_proven(project: Blsh) -> None:
    change(project, '"out/library"\n', '"out/library"\nimage = "out/image"\nproof = "out/proof"\n')
    change(project, "[examples]", '[firmware]\nboard = "mps2-an386"\n[proof]\nminutes = 0.1\n[examples]')
    found = outcomes(project.apart().json("run", "image", "proof"))
    assert found == dict.fromkeys(("model", "image", "proof"), "made")
    assert (project.cwd / "out/image/firmware.elf").read_bytes()[:4] == b"\x7fELF"
    assert (project.cwd / "out/proof/report.html").is_file()
    assert set(outcomes(project.apart().json("run", "image", "proof")).values()) == {"up to date"}


@pytest.mark.slow
@pytest.mark.needs("espeak-ng")
def test_the_report_is_a_page_about_the_model(project: Blsh) -> None:
    change(project, '"out/library"\n', '"out/library"\nreport = "out/report.html"\n')
    assert outcomes(project.json("run", "report")) == {"model": "made", "report": "made"}
    assert MODEL.sha256 in (project.cwd / "out/report.html").read_text(encoding="utf-8")
    assert set(outcomes(project.json("run", "report")).values()) == {"up to date"}

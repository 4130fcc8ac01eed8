# SPDX-License-Identifier: Apache-2.0
"""Every command takes a voting model as it takes others, or says what cannot be done with one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.model_image import decode_image
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.audio.engines import FixedEngine, FloatEngine
from blsh_trainer.model.artifact import save_model
from blsh_trainer.signals.audio import to_int16

from .blsh_command import Blsh
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy

MODEL = random_voting_model()


@pytest.fixture(scope="module")
def voting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voting") / "voting.npz"
    save_model(path, MODEL)
    return path


def test_a_card_shows_its_dictionaries(blsh: Blsh, voting: Path) -> None:
    told = blsh.succeed("card", voting).stdout
    assert "36 bits of memory features" in told and "3 dictionaries of 40 entries, votes, 8 neighbours" in told
    found = blsh.json("card", voting)
    assert (found["dictionaries"], found["dictionary_entries"], found["mask_kind"]) == (3, 40, "votes")


def test_both_engines_denoise(blsh: Blsh, voting: Path, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000, subtype="PCM_16")
    for name, engine in (("float", FloatEngine), ("fixed", FixedEngine)):
        blsh.succeed("denoise", "in.wav", f"{name}.wav", "--model", voting, "--engine", name, "--neighbours", 5)
        expected = to_int16(engine(MODEL, GenerateOptions(neighbours=5)).denoise(noisy))
        assert np.array_equal(soundfile.read(blsh.cwd / f"{name}.wav", dtype="int16")[0], expected), name


@pytest.mark.parametrize("engine", ["float", "fixed"])
def test_it_is_scored(blsh: Blsh, voting: Path, corpus: Path, engine: str) -> None:
    arguments = ("--engine", engine, "--metrics", "si_sdr_db", "--count", 2, "--snr", 0, "--jobs", 1)
    found = blsh.json("evaluate", voting, corpus, *arguments)
    assert (found["dictionary_entries"], found["bits"], found["model_sha256"]) == (40, 36, MODEL.sha256)


def test_an_image_is_written_and_read(blsh: Blsh, voting: Path) -> None:
    blsh.succeed("push", voting, "--output", "voting.img")
    found = decode_image((blsh.cwd / "voting.img").read_bytes())
    assert (found.model_sha256, found.dictionaries) == (MODEL.sha256, 3)


def test_an_export_says_what_it_is(blsh: Blsh, voting: Path) -> None:
    blsh.succeed("export", voting, "--to", "library")
    told = (blsh.cwd / "library" / "README.txt").read_text()
    assert "36 bits of 12 projections, dictionaries: 3 of 40 entries, K = 8, memory features, votes" in told


def test_it_cannot_be_cut(blsh: Blsh, voting: Path, corpus: Path) -> None:
    blsh.refuse("--bits 8: a voting model keeps its 36 bits; train one of that size", "generate", voting, "--bits", 8)
    blsh.refuse("--entries 20: a voting model keeps its 40 entries", "export", voting, "--to", "x", "--entries", 20)
    blsh.refuse("--masks bands1: a voting model has votes and no masks", "generate", voting, "--masks", "bands1")
    blsh.refuse("--share 0.5: a voting model keeps its 40", "evaluate", voting, corpus, "--share", 0.5)
    blsh.refuse("is a voting model, whose size cannot be cut", "experiment", "bars", corpus, "--model", voting)
    assert not (blsh.cwd / "x").exists()


def test_features_of_voting_models_are_not_for_masks(blsh: Blsh, corpus: Path) -> None:
    options = ("--system", "extended", "--features", "memory")
    blsh.refuse("'memory' features are those of voting models", "train", corpus, *options, "-o", "m.npz")

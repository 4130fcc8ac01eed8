# SPDX-License-Identifier: Apache-2.0
"""`blsh card`: a model's card for people, its attributions as a text, and warnings of empty licences."""

from pathlib import Path

import pytest

from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.attribution import attribution_text

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import TRAINING, corpus_rows

pytestmark = pytest.mark.heavy


@pytest.fixture
def credited(blsh: Blsh, bench: Bench) -> Path:
    """Return the file of a model whose corpus states sources and licences, but for one speaker."""
    rows = [
        {**row, "source": f"by {row['speaker_or_type']}", "licence": "" if "train3" in row["path"] else "CC BY 4.0"}
        for row in corpus_rows()
    ]
    told = blsh.succeed("train", bench.own_corpus(rows), "-o", "model.npz", *TRAINING).stderr
    assert "Warning: 2 recordings of corpus recordings with an empty licence column, the first speech/train3/" in told
    return blsh.cwd / "model.npz"


def test_a_card_shows_the_model_and_the_licences(blsh: Blsh, credited: Path) -> None:
    model = load_model(credited)
    outcome = blsh.succeed("card", credited)
    for word in (model.sha256, "20 bits of stft", "recordings", "CC BY 4.0", "no licence (its cell", "Warning: 2 rec"):
        assert word in outcome.stdout + outcome.stderr, word
    found = blsh.json("card", credited)
    assert (found["model_sha256"], found["card"]) == (model.sha256, model.card)
    assert found["card"]["corpora"][0]["unlicensed"]["files"] == 2


def test_attributions_are_printed_as_a_text_that_exports_and_generated_code_hold(blsh: Blsh, credited: Path) -> None:
    text = blsh.succeed("card", credited, "--attribution").stdout
    assert text == attribution_text(load_model(credited)) and "by train0: 2 recordings, " in text
    assert "by test0" not in text
    blsh.succeed("export", credited, "--to", "library", "--entries", 50)
    blsh.succeed("generate", credited, "--output", "c", "--entries", 50)
    for folder in ("library", "c"):
        assert (blsh.cwd / folder / "ATTRIBUTION.txt").read_text() == text


def test_a_card_without_licences_says_so(blsh: Blsh, model: Path) -> None:
    outcome = blsh.succeed("card", model)
    assert "licence not stated" in outcome.stdout and outcome.stderr == ""
    blsh.refuse("there is no model artifact nowhere.npz", "card", "nowhere.npz")


def test_a_card_of_the_box_shows_what_the_model_scores(blsh: Blsh) -> None:
    scores = blsh.json("card", "phone")["scores"]
    (gain,) = [each for each in scores if (each["metric"], each["snr_db"]) == ("si_sdr_db", 0.0)]
    assert gain["low"] < gain["gain"] < gain["high"] and gain["mixtures"] == 60
    shown = blsh.succeed("card", "phone").stdout
    assert f"{gain['gain']:+.2f} ({gain['low']:.2f} to {gain['high']:.2f})" in shown
    assert "PESQ-NB" in shown, "at 8 kHz PESQ is the narrow-band one"

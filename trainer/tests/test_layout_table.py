# SPDX-License-Identifier: Apache-2.0
"""The table of corpus layouts: a function and a row add one, and the tutorial lists them all."""

from pathlib import Path

import pytest
import soundfile

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.layouts import recognise
from blsh_trainer.corpora.layouts.place import Finding, Layout, Place
from blsh_trainer.errors import BlshError


def test_a_layout_is_added_by_a_function_and_a_row(tmp_path, monkeypatch, rng):
    def look_for_ending(place: Place) -> Finding:
        files = sorted(place.root.glob("*_*.wav"))
        if not files:
            return "no KIND_LABEL.wav"
        entries = [Entry(file.name, file.stem.split("_")[0], "train", file.stem.split("_")[1]) for file in files]
        return Layout(place.layout, place.root, place.root, tuple(entries))

    monkeypatch.setattr(recognise, "LAYOUTS", (("by name", look_for_ending), *recognise.LAYOUTS))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BlshError, match=r"by name: no KIND_LABEL\.wav\n  manifest: no manifest\.csv"):
        load_corpus(tmp_path / "empty")
    for name in ("speech_anna.wav", "noise_rain.wav"):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "corpus" / name, rng.uniform(-0.1, 0.1, 3000), 16_000)
    corpus = load_corpus(tmp_path / "corpus")
    assert corpus.layout == "by name"
    assert [(entry.kind, entry.speaker_or_type) for entry in corpus.entries] == [("noise", "rain"), ("speech", "anna")]


def test_the_tutorial_lists_every_layout():
    text = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
    table = text.partition("| layout | what is in the folder | splits |\n| --- | --- | --- |\n")[2].partition("\n\n")[0]
    listed = {line.split("|")[1].strip() for line in table.splitlines()}
    assert listed == {name for name, _ in recognise.LAYOUTS}

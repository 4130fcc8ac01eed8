# SPDX-License-Identifier: Apache-2.0
"""Tables I to III: sizes with their masks, networks, recorded mixtures, and a source that stays unheard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import evaluate_systems
from blsh_trainer.evaluation.recorded_pairs import RecordedMixtures
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.tables import held_out_source

from ..conftest import rustle, say

pytestmark = pytest.mark.heavy


def test_table_1_counts_the_masks_and_tells_what_is_left_out(settings: Settings) -> None:
    report = EXPERIMENTS["table1"](settings)
    rows = {row["system"] + row["features"] + f"{row['share']:g}": row for row in report.data["rows"]}
    size, entries = rows["KNNstft0.1"]["size"], rows["KNNstft0.1"]["entries"]
    assert size["masks"] == -(-entries * 513 // 8)
    assert size["total"] == size["without_masks"] + size["masks"] == entries * 513 * 4 + size["masks"]
    assert rows["KNNstft0.01"]["entries"] < entries
    assert (
        rows["IBM oracle0"]["improvement"]["si_sdr_db"]["mean"] > rows["mixture0"]["improvement"]["si_sdr_db"]["mean"]
    )
    assert rows["mixture0"]["improvement"]["si_sdr_db"]["mean"] == 0.0
    assert any("conv-tasnet-3x8" in note and "--baselines" in note for note in report.notes)


def test_a_network_is_trained_once_and_has_a_row(settings: Settings) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[baselines]'")
    asked = replace(settings, baselines=("fc-2x32",), baseline_seconds=5.0)
    report = EXPERIMENTS["table1"](asked)
    (row,) = [row for row in report.data["rows"] if row["system"] == "fc-2x32"]
    assert row["paper"] == (9.89, 9.07, 1.48, 74.18)
    weights = list((settings.work / "networks").iterdir())
    assert [file.suffix for file in weights] == [".npz"]
    before = weights[0].stat().st_mtime_ns
    EXPERIMENTS["table1"](replace(asked, mixtures=3))
    assert weights[0].stat().st_mtime_ns == before


@pytest.mark.slow
def test_table_3_says_that_it_is_a_substitute(settings: Settings) -> None:
    report = EXPERIMENTS["table3"](settings)
    assert "substitute" in report.title and any(note.startswith("A SUBSTITUTE for VoiceBank") for note in report.notes)


def write_pairs(root: Path, rng: np.random.Generator) -> Path:
    for split, names in (("train", ("p1_1", "p2_1")), ("test", ("p8_1", "p8_2", "p9_1"))):
        for name in names:
            clean = say(20_000, rng)
            for kind, samples in (("clean", clean), ("noisy", clean + 0.2 * rustle(20_000, rng))):
                file = root / f"{kind}_{split}set_wav" / f"{name}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(file, samples, 16_000, subtype="PCM_16")
    return root


def test_table_3_scores_recorded_mixtures_as_they_are(
    settings: Settings, tmp_path: Path, rng: np.random.Generator
) -> None:
    voicebank = load_corpus(write_pairs(tmp_path / "pairs", rng))
    mixtures = RecordedMixtures(voicebank, "test")
    named = mixtures[1]
    noisy, _ = soundfile.read(voicebank.root / "noisy_testset_wav" / Path(named.speech_path).name)
    np.testing.assert_allclose(named.signals.mixture, noisy, atol=1e-12)
    report = EXPERIMENTS["table3"](replace(settings, voicebank=voicebank, mixtures=9))
    scored = evaluate_systems({}, mixtures, ("si_sdr_db",), jobs=1).values("mixture", "si_sdr_db")
    assert len(scored) == 3
    assert report.data["rows"][0]["figures"]["si_sdr_db"]["mean"] == pytest.approx(scored.mean())
    assert "as they were recorded" in report.notes[0]


def test_recorded_mixtures_need_a_corpus_that_has_some(tiny_corpus: Corpus) -> None:
    with pytest.raises(BlshError, match="has no recorded mixtures"):
        RecordedMixtures(tiny_corpus)


def test_the_source_held_out_is_heard_in_neither_split_twice() -> None:
    def speech(speaker: str, split: str, count: int) -> list[Entry]:
        return [Entry(f"{speaker}_{number}.wav", "speech", split, speaker) for number in range(count)]

    entries = [*speech("pv01", "train", 3), *speech("vctk_p1", "train", 2), *speech("pv09", "test", 5)]
    entries += [*speech("vctk_p2", "test", 2), Entry("n.wav", "noise", "train", "rain")]
    apart, source = held_out_source(Corpus("c", Path("c"), tuple(entries)))
    assert source == "vctk"
    assert {(e.speaker_or_type, e.split) for e in apart.entries} == {
        ("pv01", "train"),
        ("vctk_p2", "test"),
        ("rain", "train"),
    }

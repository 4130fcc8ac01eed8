# SPDX-License-Identifier: Apache-2.0
"""The trainer's bars: those of the benchmarks, and those against the peers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.peer_scores import load_peer_scores
from blsh_trainer.experiments import peer_bars
from blsh_trainer.experiments.bars import benchmark_bars
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.model.artifact import save_model

pytestmark = pytest.mark.heavy


def test_bars_of_the_benchmarks_are_read_from_what_they_left(tmp_path: Path) -> None:
    assert [bar.met for bar in benchmark_bars(tmp_path)] == [None, None, None]
    learned = {
        "pytorch": {"seconds": 50.0, "error_of_equation_10": 0.03},
        "adaboost": {"seconds": 2.0, "error_of_equation_10": 0.03},
    }
    search = {"same_distances_as_faiss": True, "follows_the_tie_rule": True}
    search_runs = [{"threads": 1, "faiss_over_ours_median": 1.2}, {"threads": 2, "faiss_over_ours_median": 0.9}]
    scale = [{"weighting": "residual", "extrapolated_seconds": 7000.0, "peak_bytes": 9 << 30}]
    for name, content in (
        ("train", {"learners": learned}),
        ("search", {**search, "runs": search_runs}),
        ("scale", {"runs": scale}),
    ):
        (tmp_path / f"bench-{name}.json").write_text(json.dumps(content))
    assert [bar.met for bar in benchmark_bars(tmp_path)] == [True, False, False]
    (tmp_path / "bench-train.json").write_text("{}")
    assert benchmark_bars(tmp_path)[0].met is None


def test_the_bar_of_the_peers_is_about_64_bits_at_most_and_about_differences(
    settings: Settings, tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that beats SpeexDSP and the mixture by a hair on every mixture, and not RNNoise."""
    parts = {name: np.concatenate([getattr(tiny_model, name)] * 4) for name in ("projections", "biases", "betas")}
    codes = np.concatenate([tiny_model.code_bits] * 4, axis=1)
    save_model(tmp_path / "model.npz", replace(tiny_model, **parts, code_bits=codes))
    scored: list[Any] = []
    rival = {"si_sdr_db": "speexdsp-30dB", "estoi": "mixture"}

    def scores(model: Any, *_: Any) -> dict[str, Any]:
        scored.append(model)
        return {
            metric: {
                f"{snr:g}": {
                    s.id: s.figures[metric] + 0.01
                    for s in load_peer_scores()
                    if (s.system, s.snr_db) == (rival[metric], snr)
                }
                for snr in peer_bars.SNRS_DB
            }
            for metric in rival
        }

    monkeypatch.setattr(peer_bars, "_scored", scores)
    monkeypatch.setattr(peer_bars, "PeersMixtures", lambda *_: None)
    bar, stretch = peer_bars.peers_bars(replace(settings, model=tmp_path / "model.npz"), Store(tmp_path))
    assert [model.bits for model in scored] == [64, 64]
    assert bar.told.startswith("L = 64, ") and bar.met and not stretch.met
    margin = bar.figures["-5"]["si_sdr_db_over"]["speexdsp-30dB"]
    assert margin["low"] == pytest.approx(0.01) and margin["high"] == pytest.approx(0.01)


def test_without_the_peers_recordings_their_bars_are_not_measured(
    settings: Settings, tiny_model: Any, tmp_path: Path
) -> None:
    save_model(tmp_path / "model.npz", tiny_model)
    report: Report = EXPERIMENTS["bars"](replace(settings, model=tmp_path / "model.npz"))
    found = [bar for bar in report.data["bars"] if "SpeexDSP" in bar["what"] or "stretch" in bar["what"]]
    assert [bar["state"] for bar in found] == ["not measured"] * 2
    assert all("the protocol peers needs the recordings" in bar["told"] for bar in found)


def test_a_model_is_put_against_the_peers(
    settings: Settings, real_corpus: Corpus, tiny_model: Any, tmp_path: Path
) -> None:
    save_model(tmp_path / "model.npz", tiny_model)
    given = replace(settings, corpus=real_corpus, model=tmp_path / "model.npz")
    bar, stretch = peer_bars.peers_bars(given, Store(tmp_path / "store"))
    assert bar.met is False and set(bar.figures) == {"-5", "0", "5"}
    assert set(stretch.figures["0"]["si_sdr_db_over"]) == {"speexdsp-30dB", "rnnoise-0.1.1"}
    assert peer_bars.peers_bars(given, Store(tmp_path / "store")) == [bar, stretch], "kept, and read again"

"""Experiments: every one leaves its files, captions name the command, a rerun computes nothing, an interrupt little."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import Corpus, Entry, load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.evaluate import evaluate_systems
from blsh_trainer.evaluation.peer_scores import load_peer_scores
from blsh_trainer.evaluation.recorded_pairs import RecordedMixtures
from blsh_trainer.experiments import peer_bars as peers_bar
from blsh_trainer.experiments import scoring as cells
from blsh_trainer.experiments import trained_models as models
from blsh_trainer.experiments import workshop as learners
from blsh_trainer.experiments.bars import benchmark_bars
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.report_files import Report, write_report
from blsh_trainer.experiments.settings import FirmwareCost, Settings
from blsh_trainer.experiments.similarities import correlation, rank_correlation
from blsh_trainer.experiments.summaries import workshop_for
from blsh_trainer.experiments.tables import held_out_source
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.learning import bit_fit as refinement
from blsh_trainer.learning import boosted as blsh
from blsh_trainer.model.artifact import Model

from .conftest import rustle, say

COMMAND = "blsh experiment NAME recordings --fast"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder that the tests of this module share, as experiments of one corpus do."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def settings(tiny_corpus: Corpus, work: Path, tmp_path: Path) -> Settings:
    return Settings(tiny_corpus, work, tmp_path / "results", COMMAND, mixtures=2, fast=True, jobs=1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what experiments compute: mixing, fits and scored systems."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str, weight: Callable[..., int]) -> None:
        inner = getattr(module, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            counted[name] += weight(*arguments)
            return inner(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(learners, "gather_frames", lambda *_: 1)
    count(learners, "fit_learner", lambda *_: 1)
    count(cells, "evaluate_systems", lambda systems, *_: len(systems))
    count(models, "evaluate_systems", lambda systems, *_: len(systems))
    count(models, "train_model", lambda *_: 1)
    return counted


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_leaves_its_files_and_a_rerun_computes_nothing(
    name: str, settings: Settings, calls: Counter[str]
) -> None:
    settings = replace(settings, command=COMMAND.replace("NAME", name))
    report = EXPERIMENTS[name](settings)
    files = {file.name: file.read_bytes() for file in write_report(report, settings.output)}
    kinds = {"png"} if name.startswith("fig") else {"md", "png"} if name == "frontier" else {"md"}
    assert set(files) == {f"{report.name}.{kind}" for kind in ("json", "csv", *kinds)} | {"README.md"}
    assert settings.command in files["README.md"].decode()
    assert json.loads(files[f"{report.name}.json"])["command"] == settings.command
    assert all(len(content) < 150_000 for content in files.values())
    if "md" in kinds:
        assert settings.command in files[f"{report.name}.md"].decode()
    calls.clear()
    again = {file.name: file.read_bytes() for file in write_report(EXPERIMENTS[name](settings), settings.output)}
    assert again == files
    assert not calls, "a rerun computed something"


def test_an_interrupted_experiment_goes_on_from_the_cells_that_it_has(
    settings: Settings, calls: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = EXPERIMENTS["fig4"](settings)
    total = len(whole.table[1:]) // 2  # a row for each system and metric
    settings = replace(settings, work=tmp_path / "work")
    batches: list[int] = []

    def interrupted(systems: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        if batches:
            raise KeyboardInterrupt
        batches.append(len(systems))
        return evaluate_systems(systems, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cells, "evaluate_systems", interrupted)
        EXPERIMENTS["fig4"](settings)
    calls.clear()
    resumed = EXPERIMENTS["fig4"](settings)
    assert 0 < batches[0] < total
    assert calls == {"evaluate_systems": total - batches[0]}, "it fitted again, or scored what it had"
    assert resumed.table == whole.table


def test_an_interrupted_fit_goes_on_from_its_bits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = workshop_for(settings).hash(learners.PAPER, "mel", 0, 6)
    workshop = workshop_for(replace(settings, work=tmp_path / "work"))
    fitted: list[int] = []

    def stopping_at(last: int) -> Callable[..., Any]:
        def fit_bit(*arguments: Any) -> Any:
            if len(fitted) == last:
                raise KeyboardInterrupt
            fitted.append(1)
            return refinement.fit_bit(*arguments)

        return fit_bit

    monkeypatch.setattr(blsh, "fit_bit", stopping_at(4))
    with pytest.raises(KeyboardInterrupt):
        workshop.hash(learners.PAPER, "mel", 0, 6)
    monkeypatch.setattr(blsh, "fit_bit", stopping_at(99))
    resumed = workshop.hash(learners.PAPER, "mel", 0, 6)
    assert len(fitted) == 6
    np.testing.assert_array_equal(resumed.projections, whole.projections)
    assert [file.suffix for file in (tmp_path / "work" / "learners").iterdir()] == [".npz"]


def test_more_mixtures_are_scored_with_the_fits_that_are_there(settings: Settings, calls: Counter[str]) -> None:
    EXPERIMENTS["fig4"](settings)
    calls.clear()
    EXPERIMENTS["fig4"](replace(settings, mixtures=3))
    assert calls["evaluate_systems"] > 0 and set(calls) == {"evaluate_systems"}


def test_the_frontier_stays_within_its_budgets_and_never_falls_on_valid(settings: Settings) -> None:
    report = EXPERIMENTS["frontier"](settings)
    points = report.data["points"]
    assert all(point["bytes"] <= point["budget"] and point["entries"] >= 3 for point in points)
    for system in {point["system"] for point in points}:
        own = [point for point in points if point["system"] == system]
        assert [point["budget"] for point in own] == [1024 * kib for kib in (64, 128, 256, 512, 1024, 2048)]
        assert np.all(np.diff([point["valid"]["mean"] for point in own]) >= 0)
    assert [bar["state"] in ("met", "NOT MET") for bar in report.data["bars"]] == [True] * 4
    assert len(report.table) == 1 + len(points) == 1 + 3 * 6


def test_the_frontier_tells_what_the_firmware_takes(settings: Settings) -> None:
    asked: list[tuple[int, bool]] = []

    def cost(model: Model, ordered: bool) -> FirmwareCost:
        asked.append((model.entries, ordered))
        return FirmwareCost({"M4": model.entries / 10}, 100 * model.bits, "a board")

    report = EXPERIMENTS["frontier"](replace(settings, firmware_cost=cost))
    points = report.data["points"]
    assert [point["cost"]["millions_per_second"]["M4"] for point in points] == [p["entries"] / 10 for p in points]
    assert [point["cost"]["ram_bytes"] for point in points] == [100 * point["bits"] for point in points]
    assert set(asked) == {(p["entries"], p["system"] == "chosen layout") for p in points}
    assert report.table[0][-2:] == ["M4_mips", "ram_bytes"]
    assert "a board" in " ".join(report.notes)


def test_a_damaged_model_of_the_frontier_is_trained_again(
    settings: Settings, calls: Counter[str], tmp_path: Path
) -> None:
    settings = replace(settings, work=tmp_path / "work")
    whole = EXPERIMENTS["frontier"](settings)
    calls.clear()
    damaged = sorted((settings.work / "models").glob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert EXPERIMENTS["frontier"](settings).table == whole.table
    assert calls == {"train_model": 1}, "the figures belong to the model's hash, which is the same"


def test_the_bar_of_the_peers_is_about_64_bits_at_most_and_about_differences(
    settings: Settings, tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that beats SpeexDSP and the mixture by a hair on every mixture, and not RNNoise."""
    from blsh_trainer.model.artifact import save_model

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
                for snr in peers_bar.SNRS_DB
            }
            for metric in rival
        }

    monkeypatch.setattr(peers_bar, "_scored", scores)
    monkeypatch.setattr(peers_bar, "PeersMixtures", lambda *_: None)
    bar, stretch = peers_bar.peers_bars(replace(settings, model=tmp_path / "model.npz"), Store(tmp_path))
    assert [model.bits for model in scored] == [64, 64]
    assert bar.told.startswith("L = 64, ") and bar.met and not stretch.met
    margin = bar.figures["-5"]["si_sdr_db_over"]["speexdsp-30dB"]
    assert margin["low"] == pytest.approx(0.01) and margin["high"] == pytest.approx(0.01)


def test_a_picture_carries_its_command_and_is_the_same_every_time(settings: Settings, tmp_path: Path) -> None:
    def bytes_with(command: str) -> bytes:
        report = EXPERIMENTS["fig6"](replace(settings, command=command))
        assert report.draw is not None
        report.draw(tmp_path / "picture.png")
        return (tmp_path / "picture.png").read_bytes()

    first = bytes_with("blsh experiment fig6 recordings")
    assert bytes_with("blsh experiment fig6 recordings") == first != bytes_with("blsh experiment fig6 others")
    assert b"tEXt" not in first and b"tIME" not in first


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


def test_a_dictionary_smaller_than_k_is_refused(settings: Settings) -> None:
    with pytest.raises(
        BlshError, match=r"dictionary of 0.001 has 1 of \d+ training frames, fewer than the 3 neighbours"
    ):
        workshop_for(settings).dictionary("mel", 0.001, 0)


def test_smaller_dictionaries_lie_within_larger_ones(settings: Settings) -> None:
    workshop = workshop_for(settings)
    small, large = (workshop.dictionary("mel", share, 1) for share in (0.01, 0.1))
    assert set(small) < set(large) and len(large) == int(np.ceil(0.1 * len(workshop.frames("mel"))))


def test_the_store_counts_damaged_files_as_missing(tmp_path: Path) -> None:
    store, identity = Store(tmp_path), {"a": 1}
    store.keep_result("cells", identity, [1.5])
    store.keep_arrays("fits", identity, {"x": np.arange(3)})
    assert store.result("cells", identity) == [1.5] and store.result("cells", {"a": 2}) is None
    arrays = store.arrays("fits", identity)
    assert arrays is not None and arrays["x"].tolist() == [0, 1, 2]
    for file in (*(tmp_path / "cells").iterdir(), *(tmp_path / "fits").iterdir()):
        file.write_bytes(file.read_bytes()[:20])
    assert store.result("cells", identity) is None and store.arrays("fits", identity) is None


def test_intervals_count_seeds_and_mixtures(rng: np.random.Generator) -> None:
    mixtures = rng.standard_normal(40)
    seeds = np.array([-1.0, 0.0, 1.0])
    alone, both = mean_interval(mixtures), mean_interval(mixtures[None, :] + 5 * seeds[:, None])
    assert alone.mean == pytest.approx(both.mean) and both.high - both.low > 2 * (alone.high - alone.low)
    assert both.deviation == pytest.approx(5.0) and alone.deviation == 0.0
    mixtures[3] = np.nan
    assert mean_interval(mixtures).mixtures == 39


def test_correlations_of_what_is_alike_and_what_falls() -> None:
    target = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    assert correlation(2 * target + 1, target) == pytest.approx(1.0)
    assert correlation(np.ones((3, 3)), target) == 0.0
    assert rank_correlation(np.array([3.0, 2.0, 0.5])) == pytest.approx(-1.0)


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


def test_without_the_peers_recordings_their_bars_are_not_measured(
    settings: Settings, tiny_model: Any, tmp_path: Path
) -> None:
    from blsh_trainer.model.artifact import save_model

    save_model(tmp_path / "model.npz", tiny_model)
    report: Report = EXPERIMENTS["bars"](replace(settings, model=tmp_path / "model.npz"))
    found = [bar for bar in report.data["bars"] if "SpeexDSP" in bar["what"] or "stretch" in bar["what"]]
    assert [bar["state"] for bar in found] == ["not measured"] * 2
    assert all("the protocol peers needs the recordings" in bar["told"] for bar in found)


def test_a_model_is_put_against_the_peers(
    settings: Settings, real_corpus: Corpus, tiny_model: Any, tmp_path: Path
) -> None:
    from blsh_trainer.model.artifact import save_model

    save_model(tmp_path / "model.npz", tiny_model)
    given = replace(settings, corpus=real_corpus, model=tmp_path / "model.npz")
    bar, stretch = peers_bar.peers_bars(given, Store(tmp_path / "store"))
    assert bar.met is False and set(bar.figures) == {"-5", "0", "5"}
    assert set(stretch.figures["0"]["si_sdr_db_over"]) == {"speexdsp-30dB", "rnnoise-0.1.1"}
    assert peers_bar.peers_bars(given, Store(tmp_path / "store")) == [bar, stretch], "kept, and read again"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 0}, "0 seeds asked for"),
        ({"mixtures": -1}, "-1 mixtures asked for"),
        ({"jobs": 0}, "0 jobs"),
        ({"baseline_seconds": float("nan")}, "nan seconds of training"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Settings, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        replace(settings, **change)

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpus import load_corpus
from blsh_trainer.denoise import FloatDenoiser
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluate import (
    METRICS,
    MIXTURE,
    Blind,
    DrawnMixtures,
    Evaluation,
    PeersMixtures,
    Score,
    SilentEstimateError,
    bootstrap_interval,
    evaluate_systems,
)
from blsh_trainer.metrics import si_sdr
from blsh_trainer.mixing import draw_mixtures
from blsh_trainer.peers import load_peers
from blsh_trainer.protocols import PEERS_LEAD, mix_with_lead
from blsh_trainer.spectra import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Scaled:
    gain: float

    def estimate(self, signals):
        return self.gain * signals.mixture


@dataclass(frozen=True)
class Cleaner:
    """An oracle that takes most of the noise away."""

    def estimate(self, signals):
        return signals.speech + 0.1 * signals.noise


@dataclass(frozen=True)
class Answers:
    """Whatever a function of the signals says."""

    answer: object

    def estimate(self, signals):
        return self.answer(signals)


# ---- scores -----------------------------------------------------------------------------------------------------


def test_every_system_is_scored_on_every_mixture_and_so_is_the_mixture(tiny_corpus):
    mixtures = DrawnMixtures(tiny_corpus, "test", (0.0, 5.0), 3)
    found = evaluate_systems({"half": Scaled(0.5), "cleaner": Cleaner()}, mixtures, jobs=1)
    assert found.systems == (MIXTURE, "half", "cleaner") and found.snrs_db == (0.0, 5.0)
    expected = {(name, f"test-000{n}", snr) for name in found.systems for n in range(3) for snr in (0.0, 5.0)}
    assert len(found.scores) == 18 and {(s.system, s.id, s.snr_db) for s in found.scores} == expected
    for metric in METRICS:
        half, cleaner = (found.find(name, metric, 0.0) for name in ("half", "cleaner"))
        assert half.improvement == pytest.approx(0.0, abs=0.01)
        assert cleaner.improvement > 0 and cleaner.mean > half.mean
        assert cleaner.low <= cleaner.mean <= cleaner.high and cleaner.n == 3 and cleaner.undefined == 0
        assert cleaner.improvement_low <= cleaner.improvement <= cleaner.improvement_high
        assert found.find(MIXTURE, metric, 5.0).mean > found.find(MIXTURE, metric, 0.0).mean
    assert found.find("cleaner", "si_sdr_db", 0.0).improvement == pytest.approx(20.0, abs=0.5)
    assert found.find(MIXTURE, "si_sdr_db", 5.0).mean == pytest.approx(5.0, abs=0.5)


def test_any_number_of_processes_says_the_same_to_the_byte(tiny_corpus, tiny_model):
    mixtures = DrawnMixtures(tiny_corpus, "test", (-5.0, 5.0), 4, seed=3)
    systems = {"model": Blind(FloatDenoiser(tiny_model))}
    one, two = (evaluate_systems(systems, mixtures, jobs=jobs, seed=9) for jobs in (1, 2))
    assert json.dumps(one.to_dict(), allow_nan=False) == json.dumps(two.to_dict(), allow_nan=False)
    assert one.to_csv() == two.to_csv()


def test_another_seed_draws_other_mixtures_and_other_intervals(tiny_corpus):
    def run(drawn, resampled):
        return evaluate_systems(
            {"c": Cleaner()}, DrawnMixtures(tiny_corpus, seed=drawn), ("si_sdr_db",), jobs=1, seed=resampled
        )

    first, other_interval, other_draw = run(0, 0), run(0, 1), run(1, 0)
    assert first == run(0, 0)
    assert first.scores == other_interval.scores and first.summary() != other_interval.summary()
    assert first.scores != other_draw.scores
    assert first.mixtures["draws_sha256"] != other_draw.mixtures["draws_sha256"]


def test_an_undefined_figure_is_left_out_of_the_means_and_told():
    nan = float("nan")
    figures = {"mixture": [1.0, 1.5, nan], "a": [2.0, nan, 3.0], "b": [nan, nan, nan]}
    scores = tuple(
        Score(name, f"m{n}", 0.0, "s", "n", "t", {"pesq": value})
        for n in range(3)
        for name, value in ((name, values[n]) for name, values in figures.items())
    )
    found = Evaluation({}, ("pesq",), 0, scores)
    a, b = found.find("a", "pesq", 0.0), found.find("b", "pesq", 0.0)
    assert (a.mean, a.improvement, a.n, a.undefined) == (2.0, 1.0, 1, 2)
    assert np.isnan([b.mean, b.low, b.high, b.improvement]).all() and (b.n, b.undefined) == (0, 3)
    as_json = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert as_json["scores"][4]["figures"] == {"pesq": None} and as_json["summary"][2]["mean"] is None
    assert found.to_csv().splitlines()[5] == "a,m1,0,s,n,t,"


def test_csv_holds_every_score_in_full(tiny_corpus):
    found = evaluate_systems({"c": Cleaner()}, DrawnMixtures(tiny_corpus, count=2), ("estoi", "si_sdr_db"), jobs=1)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(rows) == 4 and list(rows[0])[-2:] == ["estoi", "si_sdr_db"]
    for row, score in zip(rows, found.scores, strict=True):
        assert (row["system"], row["id"], row["speech_path"]) == (score.system, score.id, score.speech_path)
        assert float(row["si_sdr_db"]) == score.figures["si_sdr_db"]


def test_progress_counts_the_mixtures(tiny_corpus):
    seen = []
    mixtures = DrawnMixtures(tiny_corpus, "test", (0.0, 5.0), 2)
    evaluate_systems({}, mixtures, ("si_sdr_db",), jobs=1, progress=lambda *call: seen.append(call))
    assert seen == [("evaluating", n, 4) for n in (1, 2, 3, 4)]


def test_the_lead_is_heard_but_not_scored(tiny_corpus):
    mixtures = PeersMixtures(tiny_corpus, (0.0,), utterances=2)
    heard = []

    def mutes_the_lead(signals):
        heard.append(signals.mixture.size)
        return np.r_[np.zeros(PEERS_LEAD), signals.speech[PEERS_LEAD:] + 0.1 * signals.noise[PEERS_LEAD:]]

    found = evaluate_systems({"a": Answers(mutes_the_lead), "b": Cleaner()}, mixtures, ("si_sdr_db",), jobs=1)
    assert heard == [PEERS_LEAD + 20_000] * 2
    np.testing.assert_array_equal(found.values("a", "si_sdr_db"), found.values("b", "si_sdr_db"))


def test_bootstrap_interval_has_the_width_of_the_mean_s_error():
    values = np.random.default_rng(51).standard_normal(400)
    low, high = bootstrap_interval(values, np.random.default_rng(52))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 / 20, rel=0.15)


# ---- what fails -------------------------------------------------------------------------------------------------


def test_a_denoiser_that_fails_is_named_with_its_mixture(tiny_corpus):
    mixtures = DrawnMixtures(tiny_corpus, "test", (0.0,), 2)

    def run(answer, jobs=1):
        evaluate_systems({"bad": answer}, mixtures, ("si_sdr_db",), jobs=jobs)

    with pytest.raises(SilentEstimateError, match=r"bad, mixture test-0000 at 0 dB: .*put out silence"):
        run(Scaled(0.0))
    with pytest.raises(BlshError, match=r"bad, mixture test-0000 .*shape \(19999,\), the speech \(20000,\)"):
        run(Answers(lambda signals: signals.mixture[:-1]))
    with pytest.raises(BlshError, match="bad, mixture test-0000 at 0 dB: the estimate holds nan at sample 0"):
        run(Scaled(float("nan")))
    with pytest.raises(BlshError, match="bad, mixture test-0000 at 0 dB: AttributeError: 'int' object"):
        run(Blind(5))
    with pytest.raises(BlshError, match=r"bad, mixture test-000\d at 0 dB: AttributeError: 'int' object"):
        run(Blind(5), jobs=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ("si_sdr_db", "stoi")}, "metric 'stoi' is unknown; choose of sdr_db, si_sdr_db, pesq, estoi"),
        ({"metrics": ()}, r"metrics \[\]; give one at least"),
        ({"metrics": ("pesq", "pesq")}, "none twice"),
        ({"jobs": 0}, "0 jobs; choose 1 or more"),
        ({"systems": {"mixture": Scaled(1.0)}}, "a system is named 'mixture'"),
    ],
)
def test_unfit_options_are_refused(tiny_corpus, options, words):
    with pytest.raises(BlshError, match=words):
        evaluate_systems(**{"systems": {}, "mixtures": DrawnMixtures(tiny_corpus), **options})


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        (DrawnMixtures, {"snrs_db": ()}, "SNRs .. dB; give one at least"),
        (DrawnMixtures, {"snrs_db": (0.0, 0)}, r"SNRs \[0.0, 0.0\] dB; .*none twice"),
        (DrawnMixtures, {"snrs_db": (0.0, float("nan"))}, "SNR nan dB; give a finite number of -100 to 100"),
        (PeersMixtures, {"snrs_db": (101,)}, "SNR 101.0 dB"),
        (DrawnMixtures, {"count": 0}, "0 mixtures asked for"),
        (DrawnMixtures, {"seed": -1}, "seed -1; choose 0 or more"),
        (DrawnMixtures, {"split": "dev"}, "no speech in split 'dev'"),
        (PeersMixtures, {"seed": -1}, "seed -1; choose 0 or more"),
        (PeersMixtures, {"utterances": 5}, "5 utterances asked for; the test split has 4, choose 1 to 4"),
        (PeersMixtures, {"utterances": 0}, "0 utterances asked for"),
    ],
)
def test_unfit_recipes_are_refused_at_once(tiny_corpus, recipe, options, words):
    with pytest.raises(BlshError, match=words):
        recipe(tiny_corpus, **options)


def test_audio_that_cannot_be_used_is_named(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    for row in corpus_rows:
        if row["kind"] == "noise" and row["split"] == "test":
            soundfile.write(root / row["path"], np.zeros(4000), SAMPLE_RATE_HZ)
    for recipe in (DrawnMixtures(load_corpus(root)), PeersMixtures(load_corpus(root), utterances=2)):
        with pytest.raises(BlshError, match=r"noise.test_.*\.flac is silent"):
            evaluate_systems({}, recipe, jobs=1)


# ---- drawn mixtures ---------------------------------------------------------------------------------------------


def test_drawn_mixtures_are_those_of_draw_mixtures(tiny_corpus):
    recipe = DrawnMixtures(tiny_corpus, "train", (5.0,), 14, seed=11)
    rng = np.random.default_rng(np.random.SeedSequence(11).spawn(2)[0])
    expected = list(draw_mixtures(tiny_corpus, "train", 14, 5.0, rng))
    assert len(recipe) == 14
    for made, drawn in zip(recipe, expected, strict=True):
        for part in ("speech", "noise", "mixture"):
            np.testing.assert_array_equal(getattr(made.signals, part), getattr(drawn.signals, part))
        assert replace(made, signals=None) == replace(drawn, signals=None)


def test_all_snrs_have_the_same_speech_and_noise(tiny_corpus):
    recipe = DrawnMixtures(tiny_corpus, "test", (0.0, -5.0, 10.0), 2)
    made = list(recipe)
    assert [(m.id, m.snr_db) for m in made] == [(f"test-000{n}", snr) for n in range(2) for snr in (0.0, -5.0, 10.0)]
    for three in (made[:3], made[3:]):
        assert len({(m.speech_path, m.noise_path, m.noise_offset) for m in three}) == 1
        first, second, _ = (m.signals for m in three)
        np.testing.assert_allclose(first.speech, second.speech)
        np.testing.assert_allclose(second.noise, first.noise * 10 ** (5 / 20))
    np.testing.assert_array_equal(recipe[4].signals.mixture, made[4].signals.mixture)


# ---- the peers' protocol ----------------------------------------------------------------------------------------


def test_peers_mixtures_lead_in_with_the_noise_that_goes_on(tiny_corpus):
    for named in PeersMixtures(tiny_corpus, (-5.0, 5.0), utterances=4):
        speech, noise = named.signals.speech, named.signals.noise
        assert named.lead == PEERS_LEAD == 2 * SAMPLE_RATE_HZ and speech.size == PEERS_LEAD + 20_000
        assert not speech[:PEERS_LEAD].any() and noise[:PEERS_LEAD].any()
        level = 10 * np.log10(np.mean(speech[PEERS_LEAD:] ** 2))
        assert level == pytest.approx(-26.0)
        assert level - 10 * np.log10(np.mean(noise[PEERS_LEAD:] ** 2)) == pytest.approx(named.snr_db)
        recording, _ = soundfile.read(tiny_corpus.root / named.noise_path)
        cut = recording[(named.noise_offset + np.arange(noise.size)) % recording.size]
        np.testing.assert_allclose(noise / np.linalg.norm(noise), cut / np.linalg.norm(cut), atol=1e-12)


def test_peers_mixtures_spread_over_speakers_and_noise_types(tiny_corpus):
    draws = PeersMixtures(tiny_corpus, utterances=4).draws
    assert len({draw.speech.path for draw in draws}) == 4
    assert set(Counter(draw.speech.speaker_or_type for draw in draws).values()) == {2}
    assert sorted(Counter(draw.noise.speaker_or_type for draw in draws).values()) == [1, 1, 2]


def test_a_loud_lead_scales_everything_down(rng):
    speech = rng.standard_normal(4000)
    noise = np.r_[rng.standard_normal(3000), 100.0, rng.standard_normal(3999 + 1000)]
    mixed = mix_with_lead(speech, noise, 0.0)
    assert np.abs(mixed.noise).max() == pytest.approx(0.99) and mixed.noise.size == 8000
    assert si_sdr(mixed.speech[4000:], mixed.mixture[4000:]) == pytest.approx(0.0, abs=1.0)


def test_peers_have_figures_at_each_snr():
    peers = load_peers()
    systems = Counter(peer.system for peer in peers)
    assert {
        "mixture",
        "rnnoise-0.1.1",
        "speexdsp-fixed-15dB",
        "speexdsp-fixed-30dB",
        "webrtc-nsx-medium",
        "ibm",
    } <= set(systems)
    assert set(systems.values()) == {4} and {peer.snr_db for peer in peers} == {-5.0, 0.0, 5.0, 10.0}
    for peer in peers:
        assert peer.sdr_db >= peer.si_sdr_db and 1 < peer.pesq < 4.65 and 0 < peer.estoi < 1


@pytest.mark.slow
def test_the_mixture_of_the_peers_protocol_scores_as_theirs(real_corpus):
    """Another draw of the same recordings: within the spread of such draws."""
    found = evaluate_systems({}, PeersMixtures(real_corpus))
    theirs = {peer.snr_db: peer for peer in load_peers() if peer.system == "mixture"}
    for snr_db in found.snrs_db:
        for metric, tolerance in (("sdr_db", 0.1), ("si_sdr_db", 0.1), ("pesq", 0.04), ("estoi", 0.03)):
            ours = found.find(MIXTURE, metric, snr_db).mean
            assert ours == pytest.approx(getattr(theirs[snr_db], metric), abs=tolerance), (snr_db, metric)

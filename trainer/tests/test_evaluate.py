# SPDX-License-Identifier: Apache-2.0
import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation import peer_comparison as against
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, Evaluation, Score, SilentEstimateError, evaluate_systems
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import SNRS_DB as PEERS_SNRS
from blsh_trainer.evaluation.peer_scores import PeerScore, PeersRecipe, load_peer_scores, load_recipes
from blsh_trainer.evaluation.protocols import PEERS_LEAD, DrawnMixtures, PeersMixtures
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

pytestmark = pytest.mark.heavy


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


def test_the_lead_is_heard_but_not_scored(tiny_corpus, tiny_recipes):
    mixtures = PeersMixtures(tiny_corpus, (0.0,), 2, tiny_recipes)
    heard = []

    def mutes_the_lead(signals):
        heard.append(signals.mixture.size)
        return np.r_[np.zeros(PEERS_LEAD), signals.speech[PEERS_LEAD:] + 0.1 * signals.noise[PEERS_LEAD:]]

    found = evaluate_systems({"a": Answers(mutes_the_lead), "b": Cleaner()}, mixtures, ("si_sdr_db",), jobs=1)
    assert heard == [PEERS_LEAD + 19_000, PEERS_LEAD + 18_900]
    np.testing.assert_array_equal(found.values("a", "si_sdr_db"), found.values("b", "si_sdr_db"))


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
        (
            {"metrics": ("si_sdr_db", "stoi")},
            "metric 'stoi' is unknown, did you mean estoi.; choose one of sdr_db, .*estoi",
        ),
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
        (
            PeersMixtures,
            {"snrs_db": (7,)},
            "SNR 7 dB with the protocol peers; the peers were scored at -5, 0, 5, 10 dB",
        ),
        (DrawnMixtures, {"count": 0}, "0 mixtures asked for"),
        (DrawnMixtures, {"seed": -1}, "seed -1; choose 0 or more"),
        (DrawnMixtures, {"split": "dev"}, "no speech in split 'dev'"),
        (PeersMixtures, {"count": 61}, "61 mixtures asked for; the protocol peers has 60, choose 1 to 60"),
        (PeersMixtures, {"count": 0}, "0 mixtures asked for"),
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
    with pytest.raises(BlshError, match=r"noise.test_.*\.flac is silent"):
        evaluate_systems({}, DrawnMixtures(load_corpus(root)), jobs=1)


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


def peers_mixture(corpus, recipe, snr_db):
    """Make a mixture as docs/results/peers.md says, step by step: the speech (n,) and the int16 mixture (n,)."""
    speech, _ = soundfile.read(corpus.root / recipe.speech)
    noise, _ = soundfile.read(corpus.root / recipe.noise)
    s = speech[recipe.first : recipe.last]
    s = np.r_[np.zeros(PEERS_LEAD), s * 10 ** (-26 / 20) / np.sqrt(np.mean(s**2))]
    n = np.tile(noise, 1 + (recipe.noise_start + s.size) // noise.size)[recipe.noise_start :][: s.size]
    level = np.sqrt(np.mean(s[PEERS_LEAD:] ** 2) / np.mean(n[PEERS_LEAD:] ** 2)) * 10 ** (-snr_db / 20)
    n = n * level
    scale = min(1.0, 0.98 / np.abs(s + n).max())
    return s * scale, np.round((s + n) * scale * 32768).astype(np.int16)


@pytest.fixture(scope="session")
def tiny_recipes(tiny_corpus):
    """Return three recipes over the tiny corpus; the second is loud enough to be scaled down."""
    speech, noise = (tiny_corpus.select(kind, "test") for kind in ("speech", "noise"))
    bare = [PeersRecipe(f"{n:02}", speech[n].path, 100 * n, 19_000, noise[n].path, 900 * n, ()) for n in range(3)]

    def digest(recipe, snr_db):
        return hashlib.sha256(peers_mixture(tiny_corpus, recipe, snr_db)[1].astype("<i2").tobytes()).hexdigest()[:16]

    return tuple(replace(each, sha256=tuple(digest(each, snr) for snr in PEERS_SNRS)) for each in bare)


def test_peers_mixtures_are_made_as_the_peers_were(tiny_corpus, tiny_recipes):
    made = list(PeersMixtures(tiny_corpus, (-5.0, 10.0), recipes=tiny_recipes))
    assert [(m.id, m.snr_db) for m in made] == [(f"{n:02}", snr) for n in range(3) for snr in (-5.0, 10.0)]
    for named, (recipe, snr_db) in zip(made, [(r, snr) for r in tiny_recipes for snr in (-5.0, 10.0)], strict=True):
        speech, pcm = peers_mixture(tiny_corpus, recipe, snr_db)
        np.testing.assert_allclose(named.signals.speech, speech, atol=1e-15)
        np.testing.assert_array_equal(named.signals.mixture * 32768, pcm)
        np.testing.assert_allclose(named.signals.noise, named.signals.mixture - speech, atol=1e-15)
        assert named.lead == PEERS_LEAD == 2 * SAMPLE_RATE_HZ and not speech[:PEERS_LEAD].any()


def test_a_mixture_that_is_not_the_peers_is_refused(tiny_corpus, tiny_recipes):
    other = replace(tiny_recipes[0], noise_start=tiny_recipes[0].noise_start + 1)
    mixtures = PeersMixtures(tiny_corpus, (0.0,), recipes=(other,))
    with pytest.raises(BlshError, match=r"mixture 00 of speech/.* at 0 dB has SHA-256 \w{16}, the peers' has \w{16}"):
        mixtures[0]


def test_another_corpus_has_no_peers(tiny_corpus):
    with pytest.raises(BlshError, match=r"has no speech/pv19/.*\.flac; the protocol peers needs the recordings"):
        PeersMixtures(tiny_corpus)


def test_the_peers_have_scores_on_every_mixture():
    recipes = load_recipes()
    assert len(recipes) == 60 == len({recipe.id for recipe in recipes})
    at = Counter((score.system, score.snr_db) for score in load_peer_scores())
    assert set(at.values()) == {60}
    for system in ("mixture", "gtcrn-dns3", "nnse", "nnse-no-dc-filter", "rnnoise-0.1.1", "speexdsp-30dB"):
        assert {snr for name, snr in at if name == system} == set(PEERS_SNRS)
    for score in load_peer_scores():
        assert 1 < score.figures["pesq"] < 4.65 and -0.1 < score.figures["estoi"] < 1, score


def test_the_difference_to_a_peer_is_taken_mixture_by_mixture(monkeypatch):
    """Two systems whose means say nothing: one is better by exactly 1 dB on each mixture."""
    levels, nan = [3.0, -40.0, 25.0, 8.0], float("nan")
    theirs = [PeerScore("peer", f"{n:02}", 0.0, {"pesq": level}) for n, level in enumerate(levels)]
    theirs += [PeerScore("partly", f"{n:02}", 0.0, {"pesq": nan if n else 2.0}) for n in range(4)]
    theirs += [PeerScore("mixture", "00", 0.0, {"pesq": 1.0}), PeerScore("elsewhere", "00", 5.0, {"pesq": 1.0})]
    monkeypatch.setattr(against, "load_peer_scores", lambda: tuple(theirs))
    ours = [Score("model", f"{n:02}", 0.0, "s", "n", "t", {"pesq": levels[n] + 1}) for n in (2, 0, 3)]
    peer, partly = against.against_peers(Evaluation({}, ("pesq",), 0, tuple(ours)), "model")
    assert (peer.peer, peer.n, peer.ours, peer.theirs) == ("peer", 3, 13.0, 12.0)
    assert (peer.difference, peer.low, peer.high) == (1.0, 1.0, 1.0)
    assert (partly.peer, partly.n, partly.difference) == ("partly", 1, 2.0)


def test_the_peers_mixtures_of_the_real_corpus_have_their_digests_and_score_as_theirs(real_corpus):
    theirs = {(s.id, s.snr_db): s.figures for s in load_peer_scores() if s.system == MIXTURE}
    found = evaluate_systems({}, PeersMixtures(real_corpus, count=2), ("si_sdr_db", "estoi"), jobs=1)
    assert len(found.scores) == 8
    for score in found.scores:
        for metric, figure in score.figures.items():
            assert figure == pytest.approx(theirs[score.id, score.snr_db][metric], abs=6e-5), score


@pytest.mark.slow
def test_every_mixture_of_the_peers_scores_as_theirs(real_corpus):
    theirs = {(s.id, s.snr_db): s.figures for s in load_peer_scores() if s.system == MIXTURE}
    published = [name for name, metric in METRICS.items() if metric.peers_column]
    for score in evaluate_systems({}, PeersMixtures(real_corpus), published).scores:
        for metric, figure in score.figures.items():
            assert figure == pytest.approx(theirs[score.id, score.snr_db][metric], abs=1e-4), score

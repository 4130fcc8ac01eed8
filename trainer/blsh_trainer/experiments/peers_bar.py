"""The bar against what engineers use today: a model's scores by the protocol of the peers, beside theirs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from blsh_trainer.artifact import Model, load_model
from blsh_trainer.denoise import FloatDenoiser
from blsh_trainer.evaluate import MIXTURE, Blind, PeersMixtures, evaluate_systems
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.statistics import Estimate, estimate
from blsh_trainer.experiments.store import Store
from blsh_trainer.experiments.verdict import Bar
from blsh_trainer.peers import load_peers
from blsh_trainer.protocols import PEERS_SEED, PEERS_UTTERANCES
from blsh_trainer.reduction import reduce_model

SNRS_DB = (-5.0, 0.0, 5.0)
MOST_BITS, MOST_ENTRIES, STRETCH_ENTRIES = 64, 32_768, 8_192
_METRICS = ("si_sdr_db", "estoi")
_SPEEX, _RNNOISE = "speexdsp", "rnnoise"


def peers_bars(settings: Settings, store: Store) -> list[Bar]:
    """Return the bar and its stretch for `settings.model`, "not measured" without one."""
    words = f"L ≤ {MOST_BITS}, at most {MOST_ENTRIES:,} entries: SI-SDR above SpeexDSP's, ESTOI not below the mixture's"
    stretch = f"stretch: the same with {STRETCH_ENTRIES:,} entries, and SI-SDR above RNNoise's at 0 dB"
    if settings.model is None:
        return [Bar(what, "not measured: give --model, an artifact of `blsh train`", None) for what in (words, stretch)]
    model = load_model(settings.model)
    whole = _of_at_most(model, MOST_ENTRIES)
    small = _of_at_most(model, STRETCH_ENTRIES)
    first = _bar(words, whole, _scored(whole, settings, store), beyond_rnnoise=False)
    return [first, _bar(stretch, small, _scored(small, settings, store), beyond_rnnoise=True)]


def _of_at_most(model: Model, entries: int) -> Model:
    return reduce_model(model, min(model.entries, entries), min(model.bits, MOST_BITS))


def _scored(model: Model, settings: Settings, store: Store) -> dict[str, Any]:
    """Return figures {system: {metric: {snr: [...]}}} of model and mixture, kept by the model's hash."""
    corpus = settings.corpus
    most = 3 if settings.fast else PEERS_UTTERANCES
    count = min(most, len(corpus.select("speech", "test")))
    identity = {"model": model.sha256, "corpus_sha256": corpus.sha256, "utterances": count, "seed": PEERS_SEED}
    kept = store.result("peers", identity)
    if kept is None:
        mixtures = PeersMixtures(corpus, SNRS_DB, PEERS_SEED, count)
        progress = settings.progress
        what = f"peers' protocol, {model.entries} entries"
        told = None if progress is None else lambda _, done, total: progress(what, done, total)
        found = evaluate_systems(
            {"model": Blind(FloatDenoiser(model))}, mixtures, _METRICS, settings.jobs, progress=told
        )
        kept = {
            name: {m: {f"{snr:g}": found.values(name, m, snr).tolist() for snr in SNRS_DB} for m in _METRICS}
            for name in (MIXTURE, "model")
        }
        store.keep_result("peers", identity, kept)
    scored: dict[str, Any] = kept
    return scored


def _bar(what: str, model: Model, found: Mapping[str, Any], beyond_rnnoise: bool) -> Bar:
    met = True
    told = [f"L = {model.bits}, {model.entries:,} entries"]
    figures: dict[str, Any] = {}
    for snr_db in SNRS_DB:
        at = f"{snr_db:g}"
        score, estoi = (_estimate(found, "model", metric, at) for metric in _METRICS)
        above = estimate(np.array(found["model"]["estoi"][at]) - np.array(found[MIXTURE]["estoi"][at]))
        rivals = {_SPEEX: _best(_SPEEX, snr_db)}
        if beyond_rnnoise and snr_db == 0.0:
            rivals[_RNNOISE] = _best(_RNNOISE, snr_db)
        met = met and score.mean > max(rivals.values()) and above.mean >= 0
        theirs = ", ".join(f"{name} {value:+.2f}" for name, value in rivals.items())
        told.append(
            f"{at} dB: {score.mean:+.2f} ({score.low:+.2f} to {score.high:+.2f}) dB, {theirs}; "
            f"ESTOI {estoi.mean:.3f}, {above.mean:+.3f} ({above.low:+.3f} to {above.high:+.3f}) over the mixture"
        )
        figures[at] = {"si_sdr_db": score.to_dict(), "estoi_over_mixture": above.to_dict(), **rivals}
    return Bar(what, "; ".join(told), met, figures)


def _estimate(found: Mapping[str, Any], system: str, metric: str, at: str) -> Estimate:
    return estimate(found[system][metric][at])


def _best(name: str, snr_db: float) -> float:
    """The highest SI-SDR of any setting of a peer."""
    return max(peer.si_sdr_db for peer in load_peers() if peer.system.startswith(name) and peer.snr_db == snr_db)

# SPDX-License-Identifier: Apache-2.0
"""Measure the bars against the peers, the denoisers that engineers use today, mixture by mixture."""

from typing import Any

from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.evaluate import Blind, evaluate_systems
from blsh_trainer.evaluation.peer_comparison import paired_with_peer
from blsh_trainer.evaluation.protocols import PeersMixtures
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.verdict import Bar
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.model.artifact import Model, load_mask_model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.reduction import reduce_model
from blsh_trainer.progress import named

SNRS_DB = (-5.0, 0.0, 5.0)
MOST_BITS, MOST_ENTRIES, STRETCH_ENTRIES = 64, 32_768, 8_192
_METRICS = ("si_sdr_db", "estoi")
_SPEEX, _RNNOISE, _MIXTURE = "speexdsp-30dB", "rnnoise-0.1.1", "mixture"
_FAST_MIXTURES = 3

Figures = dict[str, dict[str, dict[str, float]]]
"""The model's figures by metric, SNR and mixture."""


def peers_bars(settings: Settings, store: Store) -> list[Bar]:
    """Return the bar and the harder, "stretch" bar for `settings.model`.

    Both are "not measured" without a model, and on a corpus that lacks the recordings of the peers' mixtures.
    """
    words = f"L ≤ {MOST_BITS}, at most {MOST_ENTRIES:,} entries: SI-SDR above SpeexDSP's, ESTOI not below the mixture's"
    stretch = f"stretch: the same with {STRETCH_ENTRIES:,} entries, and SI-SDR above RNNoise's at 0 dB"
    if settings.model is None:
        told = "not measured: give --model, an artifact of `blsh train --system extended`"
        return [Bar(what, told, None) for what in (words, stretch)]
    try:
        mixtures = PeersMixtures(settings.corpus, SNRS_DB, _FAST_MIXTURES if settings.fast else None)
    except BlshError as error:
        return [Bar(what, f"not measured: {error}", None) for what in (words, stretch)]
    model = load_mask_model(settings.model)
    whole = _of_at_most(model, MOST_ENTRIES)
    small = _of_at_most(model, STRETCH_ENTRIES)
    first = _bar(words, whole, _scored(whole, mixtures, settings, store), beyond_rnnoise=False)
    return [first, _bar(stretch, small, _scored(small, mixtures, settings, store), beyond_rnnoise=True)]


def _of_at_most(model: Model, entries: int) -> Model:
    return reduce_model(model, min(model.entries, entries), min(model.bits, MOST_BITS))


def _scored(model: Model, mixtures: PeersMixtures, settings: Settings, store: Store) -> Figures:
    """Return the model's figures, from the store if it has them for the model's SHA-256."""
    identity = {"model": model.sha256, "corpus_sha256": settings.corpus.sha256, **mixtures.describe()}
    kept = store.result("against-peers", identity)
    if kept is None:
        what = f"peers' protocol, {model.entries} entries"
        advance = named(settings.progress, what)
        found = evaluate_systems(
            {"model": Blind(FloatDenoiser(model))}, mixtures, _METRICS, settings.jobs, progress=advance
        )
        kept = {metric: {f"{snr:g}": {} for snr in SNRS_DB} for metric in _METRICS}
        for score in found.scores:
            if score.system == "model":
                for metric in _METRICS:
                    kept[metric][f"{score.snr_db:g}"][score.id] = score.figures[metric]
        store.keep_result("against-peers", identity, kept)
    scored: Figures = kept
    return scored


def _bar(what: str, model: Model, found: Figures, beyond_rnnoise: bool) -> Bar:
    met = True
    told = [f"L = {model.bits}, {model.entries:,} entries"]
    figures: dict[str, Any] = {}
    for snr_db in SNRS_DB:
        at = f"{snr_db:g}"
        rivals = [_SPEEX, _RNNOISE] if beyond_rnnoise and snr_db == 0.0 else [_SPEEX]
        margins = {name: _margin(found["si_sdr_db"][at], name, "si_sdr_db", snr_db) for name in rivals}
        above = _margin(found["estoi"][at], _MIXTURE, "estoi", snr_db)
        score = mean_interval(list(found["si_sdr_db"][at].values()))
        met = met and min(margin.mean for margin in margins.values()) > 0 and above.mean >= 0
        over = ", ".join(f"{m.mean:+.2f} ({m.low:+.2f} to {m.high:+.2f}) over {name}" for name, m in margins.items())
        told.append(
            f"{at} dB: {score.mean:+.2f} dB, {over}; "
            f"ESTOI {above.mean:+.3f} ({above.low:+.3f} to {above.high:+.3f}) over the mixture"
        )
        figures[at] = {
            "si_sdr_db": score.to_dict(),
            "estoi_over_mixture": above.to_dict(),
            "si_sdr_db_over": {name: margin.to_dict() for name, margin in margins.items()},
        }
    return Bar(what, "; ".join(told), met, figures)


def _margin(ours: dict[str, float], peer: str, metric: str, snr_db: float) -> MeanInterval:
    """Return the mean difference to `peer`, mixture by mixture; `ours` are figures by mixture."""
    pairs = paired_with_peer(ours, peer, metric, snr_db)
    return mean_interval(pairs[:, 0] - pairs[:, 1])

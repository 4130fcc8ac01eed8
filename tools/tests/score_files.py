# SPDX-License-Identifier: Apache-2.0
"""Scores as `blsh evaluate --json` prints them, without an evaluation."""

from typing import Any

from blsh_trainer.evaluation.peer_scores import SNRS_DB, load_recipes
from blsh_trainer.model.artifact import AnyModel

METRICS = ("si_sdr_db", "pesq", "estoi")
PEERS = ("gtcrn-dns3", "rnnoise-0.1.1", "speexdsp-30dB")


def scores_of(model: AnyModel, peers: bool = True) -> dict[str, Any]:
    """Return scores on the mixtures of the peers: the model has 2, and gains 1.5 (1 to 2).

    It is better than the last peer, worse than the first, and no difference to the others is shown.
    """
    mean = {"n": 60, "improvement": 1.5, "improvement_low": 1.0, "improvement_high": 2.0}
    summary = [
        {"system": system, "snr_db": snr_db, "metric": metric, "mean": level, "low": level - 0.2, "high": 2.5, **mean}
        for snr_db in SNRS_DB
        for system, level in (("mixture", 0.5), ("model", 2.0))
        for metric in METRICS
    ]
    differences = dict.fromkeys(PEERS, (-0.1, 0.1)) | {PEERS[0]: (-0.3, -0.1), PEERS[-1]: (0.1, 0.3)}
    compared = [
        {"peer": peer, "snr_db": snr_db, "metric": metric, "n": 60, "theirs": 1.0, "ours": 2.0,
         "difference": (low + high) / 2, "low": low, "high": high}
        for snr_db in SNRS_DB for peer, (low, high) in differences.items() for metric in METRICS
    ]  # fmt: skip
    recipe = {"protocol": "peers", "split": "test", "mixtures": len(load_recipes()), "snrs_db": list(SNRS_DB)}
    return {
        "model_sha256": model.sha256,
        "engine": "fixed",
        "dictionary_entries": model.entries,
        "bits": model.bits,
        "mixtures": recipe,
        "metrics": list(METRICS),
        "summary": summary,
        **({"peers": compared} if peers else {}),
    }

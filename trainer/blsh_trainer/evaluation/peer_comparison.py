# SPDX-License-Identifier: Apache-2.0
"""Compare figures with the peers', mixture by mixture: the mean difference and its interval."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.evaluate import MIXTURE, Evaluation
from blsh_trainer.evaluation.peer_scores import load_peer_scores


@dataclass(frozen=True)
class Against:
    """Our system against one peer by one metric at one SNR, on the `n` mixtures where both have a figure.

    `ours` and `theirs` are means; `difference` is the mean of ours less theirs, `low` to `high` its 95 % bootstrap
    interval over the mixtures.
    """

    peer: str
    snr_db: float
    metric: str
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    n: int


def against_peers(found: Evaluation, system: str) -> list[Against]:
    """Compare `system`, of an evaluation of PeersMixtures, with each peer; ordered by SNR, peer and metric.

    A peer that has no figure at an SNR by a metric is left out there.
    """
    peers = [name for name in dict.fromkeys(score.system for score in load_peer_scores()) if name != MIXTURE]
    compared = []
    for snr_db in found.snrs_db:
        ours = [score for score in found.scores if (score.system, score.snr_db) == (system, snr_db)]
        for peer in peers:
            for metric in found.metrics:
                pairs = paired_with_peer({score.id: score.figures[metric] for score in ours}, peer, metric, snr_db)
                if len(pairs):
                    compared.append(_against(peer, snr_db, metric, pairs, found.seed))
    return compared


def paired_with_peer(ours: Mapping[str, float], peer: str, metric: str, snr_db: float) -> FloatArray:
    """Return figures (n, 2), ours and the peer's, on the mixtures where both have one.

    `ours` are our figures of that metric at that SNR by the mixture's id; the peer "mixture" is the unprocessed one.
    """
    theirs = {s.id: s.figures[metric] for s in load_peer_scores() if (s.system, s.snr_db) == (peer, snr_db)}
    pairs: FloatArray = np.array([(figure, theirs[name]) for name, figure in ours.items() if name in theirs]).reshape(
        -1, 2
    )
    both: FloatArray = pairs[np.isfinite(pairs).all(axis=1)]
    return both


def _against(peer: str, snr_db: float, metric: str, pairs: FloatArray, seed: int) -> Against:
    ours, theirs = (float(mean) for mean in pairs.mean(axis=0))
    difference = mean_interval(pairs[:, 0] - pairs[:, 1], seed)
    means = (ours, theirs, difference.mean, difference.low, difference.high)
    return Against(peer, snr_db, metric, *means, n=len(pairs))

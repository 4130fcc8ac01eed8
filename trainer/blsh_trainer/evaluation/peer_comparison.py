"""Compare an evaluated system with the peers, mixture by mixture: the mean difference and its interval."""

from dataclasses import dataclass

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.evaluate import MIXTURE, Evaluation, mean_and_interval
from blsh_trainer.evaluation.peer_scores import load_peer_scores


@dataclass(frozen=True)
class Against:
    """One metric of one peer at one SNR, on the `n` mixtures where both it and our system have a figure.

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
    """Return `system` of an evaluation of PeersMixtures against each peer, by SNR, peer and metric.

    A peer that was not scored at an SNR is left out there.
    """
    theirs = {(score.system, score.snr_db, score.id): score.figures for score in load_peer_scores()}
    names = [name for name in dict.fromkeys(name for name, _, _ in theirs) if name != MIXTURE]
    compared = []
    for snr_db in found.snrs_db:
        ours = [score for score in found.scores if (score.system, score.snr_db) == (system, snr_db)]
        for name in names:
            pairs = [(s.figures, theirs[key]) for s in ours if (key := (name, snr_db, s.id)) in theirs]
            for metric in found.metrics:
                values = np.array([(own[metric], other[metric]) for own, other in pairs]).reshape(-1, 2)
                values = values[np.isfinite(values).all(axis=1)]
                if len(values):
                    compared.append(_against(name, snr_db, metric, values, found.seed))
    return compared


def _against(name: str, snr_db: float, metric: str, values: FloatArray, seed: int) -> Against:
    """Compare the columns of `values` (n, 2), ours and theirs."""
    ours, theirs = (float(mean) for mean in values.mean(axis=0))
    return Against(
        name, snr_db, metric, ours, theirs, *mean_and_interval(values[:, 0] - values[:, 1], seed), n=len(values)
    )

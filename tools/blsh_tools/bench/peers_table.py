# SPDX-License-Identifier: Apache-2.0
"""A model beside its peers: their figures and costs, paired differences, and in words which differences are shown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from blsh_tools.bench.model_costs import ModelCosts
from blsh_tools.bench.peer_costs import PeerCost, load_peer_costs
from blsh_trainer.evaluation.evaluate import MIXTURE, Evaluation
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_comparison import Against, against_peers

MODEL = "model"
BETTER, WORSE, OPEN = "better", "worse", "no difference shown"


@dataclass(frozen=True)
class Table:
    """A table for people: its title, its columns and its lines."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class PeersComparison:
    """The scores of a model on the peers' mixtures, its costs, and its differences to each peer."""

    scores: Evaluation
    costs: ModelCosts
    against: tuple[Against, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return costs and comparisons as JSON values; each comparison says in a word what its interval shows."""
        peers = [{**asdict(each), "shown": shown(each)} for each in self.against]
        return {"costs": self.costs.to_dict(), "peers": peers}

    def tables(self) -> list[Table]:
        """Return the figures, the differences, and which differences are shown."""
        return [self._figures(), self._differences(), self._words()]

    def _figures(self) -> Table:
        found = self.scores
        snrs = " / ".join(f"{snr_db:g}" for snr_db in found.snrs_db)
        costs = {peer.peer: peer for peer in load_peer_costs()}
        rows = [[MIXTURE, *(self._levels(MIXTURE, metric) for metric in found.metrics), ""]]
        ours = f"{self.costs.millions['M4']:.1f}, {self.costs.source}"
        rows += [[MODEL, *(self._levels(MODEL, metric) for metric in found.metrics), ours]]
        for name in self._peers:
            rows.append([name, *(self._theirs(name, metric) for metric in found.metrics), _m4(costs.get(name))])
        title = f"Means over {found.mixtures['mixtures']} mixtures of {found.mixtures['split']} at {snrs} dB"
        return Table(title, ["system", *_titles(found.metrics), "M instructions/s on M4"], rows)

    def _differences(self) -> Table:
        rows = []
        for name in self._peers:
            for snr_db in self.scores.snrs_db:
                of = {each.metric: each for each in self.against if (each.peer, each.snr_db) == (name, snr_db)}
                if of:
                    rows.append([name, f"{snr_db:g}", *(_difference(of.get(metric)) for metric in self.scores.metrics)])
        title = "The model less each peer, mixture by mixture: mean and 95 % interval"
        return Table(title, ["peer", "SNR", *_titles(self.scores.metrics)], rows)

    def _words(self) -> Table:
        rows = []
        for name in self._peers:
            here = [each for each in self.against if each.peer == name]
            rows.append([name, *(_listed(each for each in here if shown(each) == word) for word in _WORDS)])
        title = "The model against each peer, where the interval excludes 0; the last column: where it holds 0"
        return Table(title, ["peer", *_WORDS], rows)

    @property
    def _peers(self) -> list[str]:
        return list(dict.fromkeys(each.peer for each in self.against))

    def _levels(self, system: str, metric: str) -> str:
        of = (self.scores.find(system, metric, snr_db) for snr_db in self.scores.snrs_db)
        return " / ".join(METRICS[metric].shown.figure(each.mean) if each.n else "-" for each in of)

    def _theirs(self, peer: str, metric: str) -> str:
        of = {each.snr_db: each.theirs for each in self.against if (each.peer, each.metric) == (peer, metric)}
        figure = METRICS[metric].shown.figure
        return " / ".join(figure(of[snr_db]) if snr_db in of else "-" for snr_db in self.scores.snrs_db)


_WORDS = (BETTER, WORSE, OPEN)


def compare_with_peers(found: Evaluation, costs: ModelCosts) -> PeersComparison:
    """Return the comparison of the system MODEL of `found`, an evaluation of PeersMixtures, with every peer."""
    return PeersComparison(found, costs, tuple(against_peers(found, MODEL)))


def shown(each: Against) -> str:
    """Return BETTER or WORSE where the interval of the difference excludes 0, OPEN where it holds 0."""
    if each.low <= 0.0 <= each.high:
        return OPEN
    return BETTER if (each.low > 0.0) == (METRICS[each.metric].better == "higher") else WORSE


def _listed(found: Any) -> str:
    """Return comparisons in words, as "SI-SDR at 0, 5 dB; ESTOI at 10 dB"."""
    snrs: dict[str, list[str]] = {}
    for each in found:
        snrs.setdefault(METRICS[each.metric].shown.title, []).append(f"{each.snr_db:g}")
    return "; ".join(f"{title} at {', '.join(at)} dB" for title, at in snrs.items())


def _difference(each: Against | None) -> str:
    if each is None:
        return "-"
    notation = METRICS[each.metric].shown
    return notation.estimate(each.difference, each.low, each.high, "+")


def _titles(metrics: Sequence[str]) -> list[str]:
    return [f"{n.title}, {n.unit}" if n.unit else n.title for n in (METRICS[metric].shown for metric in metrics)]


def _m4(cost: PeerCost | None) -> str:
    return "" if cost is None else cost.m4

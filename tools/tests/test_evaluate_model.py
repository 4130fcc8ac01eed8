# SPDX-License-Identifier: Apache-2.0
"""`blsh evaluate` shows scores, and its options offer all entries of the registries."""

from typing import Any, get_type_hints

import pytest

from blsh_tools.commands.evaluate import DEFAULT_METRICS, evaluate
from blsh_tools.commands.train import train
from blsh_tools.evaluate_model import EvaluateOptions, ModelScores
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviours import BEHAVIOURS, Behaved, TrialFigures
from blsh_trainer.evaluation.evaluate import Evaluation, Score
from blsh_trainer.evaluation.metrics import METRICS, Metric, Notation
from blsh_trainer.evaluation.peer_scores import load_peer_scores
from blsh_trainer.learning.options import SYSTEMS
from blsh_trainer.learning.registry import LEARNERS, WEIGHTINGS
from blsh_trainer.signals.features import MASK_FEATURES
from blsh_trainer.signals.masks import MASK_KINDS

CLICKS = Metric("clicks", lambda _reference, _estimate: 0.0, Notation("Clicks", "1/s", 1), better="lower")


def scores(metrics: tuple[str, ...]) -> Evaluation:
    """Return two mixtures, on which the mixture has figures of 1 and 3, the model of 2 and 4."""
    rows = [("mixture", "a", 1.0), ("model", "a", 2.0), ("mixture", "b", 3.0), ("model", "b", 4.0)]
    made = [Score(who, which, 5.0, "s", "n", "t", dict.fromkeys(metrics, figure)) for who, which, figure in rows]
    return Evaluation({"mixtures": 2, "split": "test"}, metrics, 0, tuple(made))


def test_a_new_metric_is_shown_and_compared_by_its_line_in_the_table_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "clicks", CLICKS)
    load_peer_scores.cache_clear()
    assert all(score.figures["clicks"] != score.figures["clicks"] for score in load_peer_scores())  # NaN
    load_peer_scores.cache_clear()
    EvaluateOptions(metrics=("clicks", "sdr_db")).check()
    (table,) = ModelScores(scores(("clicks", "sdr_db")), {"engine": "float"}).tables()
    assert table.header == ["SNR", "system", "Clicks, 1/s", "SDR, dB"]
    assert table.title == "Evaluated: 2 mixtures of test, engine float; means"
    rows = {row[1]: row[2:] for row in table.rows if not row[1].startswith(" ")}
    assert rows == {"mixture": ["2.0", "2.00"], "model": ["3.0", "3.00"], "improvement": ["+1.0", "+1.00"]}


def test_behaviours_are_shown_by_figure_and_signal() -> None:
    nan = float("nan")
    starts = [("in_noise", -1.0), ("in_noise", -2.0), ("clean", nan)]
    trials = [TrialFigures("start", group, "id", dict.fromkeys(BEHAVIOURS["start"].shown, v)) for group, v in starts]
    found = ModelScores(None, {"engine": "fixed"}, behaved=Behaved(tuple(trials), 0))
    (table,) = found.tables()
    assert (table.title, table.header) == ("start (blsh docs measures)", ["figure", "in_noise", "clean"])
    assert table.rows[2] == ["first second over settled, dB", "-1.50", "undefined"]
    means = found.to_dict()["behaviours"]["means"]
    assert (means[0]["mean"], means[0]["n"]) == (-1.5, 2) and (means[-1]["mean"], means[-1]["n"]) == (None, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "device"}, "engine 'device' cannot be evaluated; choose float or fixed"),
        ({"metrics": ("loudness",)}, "metric 'loudness' is unknown; choose one of sdr_db, si_sdr_db, pesq, estoi"),
        ({"metrics": ("clean", "clean")}, "give one at least, and none twice"),
        ({"metrics": ("clean",), "peers": True}, "--peers with clean alone; the peers have sdr_db, si_sdr_db"),
        ({"jobs": 0}, "jobs"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        EvaluateOptions(**options).check()


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [
        (train, "system", SYSTEMS),
        (train, "features", MASK_FEATURES),
        (train, "masks", MASK_KINDS),
        (train, "learner", LEARNERS),
        (train, "weighting", WEIGHTINGS),
        (evaluate, "metrics", BEHAVIOURS),
    ],
)
def test_the_help_of_an_option_names_all_that_it_takes(command: Any, option: str, names: Any) -> None:
    told = get_type_hints(command, include_extras=True)[option].__metadata__[0].help
    assert sorted(name for name in names if f"`{name}`" in told) == sorted(names)


def test_all_metrics_are_measured_by_default() -> None:
    assert DEFAULT_METRICS.split(",") == list(METRICS) == list(EvaluateOptions().metrics)

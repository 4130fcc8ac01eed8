# SPDX-License-Identifier: Apache-2.0
"""The summary at the top of the page: each sentence follows from figures further down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from blsh_tools.bench.estimate_model import BoardEstimate
from blsh_tools.report.recordings import Heard
from blsh_tools.report.scores import Scores, counted_words
from blsh_tools.report.stage_loss import StageLoss
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attribution import licence_rows, licence_warnings
from blsh_trainer.model.card import CORPORA

GOOD, BAD, NOTE = "good", "bad", "note"
_GAIN: Final = "si_sdr_db"


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary. state: GOOD, BAD, or NOTE, which is neither."""

    state: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return both as JSON values."""
        return vars(self)


def summary(
    found: BoardEstimate,
    scores: Scores | None,
    losses: Sequence[StageLoss],
    heard: Sequence[Heard],
    device: str,
) -> list[Sentence]:
    """Return the sentences in order: quality, peers, board, bits, loss, rights."""
    return [
        *_quality(scores),
        *_peers(scores),
        _board(found),
        _bits(heard, device),
        _loss(losses),
        _rights(found.model),
    ]


def _quality(scores: Scores | None) -> list[Sentence]:
    if scores is None:
        text = (
            "This model has no scores yet. `blsh evaluate MODEL CORPUS -o FILE` makes them, --scores FILE shows them."
        )
        return [Sentence(NOTE, text)]
    sheet = scores.sheet
    snr_db = 0.0 if 0.0 in sheet.snrs_db else sheet.snrs_db[0]
    level = sheet.gains.get((snr_db, _GAIN))
    if level is None:
        return []
    told = f"{METRICS[_GAIN].shown.figure(level.mean, '+')} dB ({METRICS[_GAIN].shown.interval(level.low, level.high)})"
    text = f"SI-SDR gains {told} at {snr_db:g} dB, mean of {level.n} mixtures with its 95 % interval."
    return [Sentence(GOOD if level.low > 0 else BAD if level.high < 0 else NOTE, text)]


def _peers(scores: Scores | None) -> list[Sentence]:
    if scores is None or not scores.sheet.peers:
        return []
    counts, sheet = counted_words(scores), scores.sheet
    metrics = ", ".join(METRICS[metric].shown.title for metric in scores.metrics)
    text = (
        f"Beside {len(sheet.peers)} versions of other denoisers, by {metrics} at {len(sheet.snrs_db)} SNRs: better in "
        f"{counts['better']} of {sum(counts.values())} comparisons, worse in {counts['worse']}, no difference shown in "
        f"{counts['open']}."
    )
    return [Sentence(GOOD if counts["better"] > counts["worse"] else NOTE, text)]


def _board(found: BoardEstimate) -> Sentence:
    share = f"its dearest hop takes {100 * found.cpu_share_most:.0f} % of a hop's time, were each instruction one cycle"
    if found.cpu_share_most > 1:
        return Sentence(BAD, f"Too slow for {found.board.name}: {share}.")
    return Sentence(GOOD, f"Fits {found.board.name}: flash and RAM suffice, and {share}.")


def _bits(heard: Sequence[Heard], device: str) -> Sentence:
    differing, samples = sum(each.differing for each in heard), sum(len(each.source.noisy) for each in heard)
    text = f"{differing:,} of {samples:,} samples of the device differ from the integer reference. Device: {device}."
    return Sentence(BAD if differing else GOOD, text)


def _loss(losses: Sequence[StageLoss]) -> Sentence:
    output = next(each for each in losses if each.stage == "output")
    text = (
        f"The firmware's output is {output.mean:.0f} dB above its difference from double precision, "
        f"{output.least:.0f} dB in the worst recording."
    )
    return Sentence(NOTE, text)


def _rights(model: AnyModel) -> Sentence:
    corpora = model.card.get(CORPORA)
    if not corpora:
        return Sentence(BAD, "The card does not list the recordings that the model was learned from.")
    if warnings := licence_warnings(corpora):
        return Sentence(BAD, " ".join(warnings))
    rows = licence_rows(model.card)
    files = sum(each["files"] for each in corpora)
    licences = len({row[1] for row in rows})
    text = f"Learned from {files:,} recordings under {licences} licences; the text to pass on is below."
    return Sentence(GOOD, text)

# SPDX-License-Identifier: Apache-2.0
"""Measure what the bars of quality judge, and write the verdicts."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_tools.bench.demand import HEADER, Demand, bar_rows
from blsh_tools.bench.model_costs import model_costs
from blsh_tools.bench.quality_bars import NEEDED, Figures, quality_bars
from blsh_tools.evaluate_model import EvaluateOptions, ReducedModel, evaluate_model
from blsh_tools.options.arguments import RESULTS
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.generalisation import generalisation, heard_and_unheard
from blsh_trainer.experiments.report_files import markdown_table, write_index
from blsh_trainer.experiments.verdict import state_of
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress, named

NAME: Final = "bars-quality"
_ENGINE = "fixed"
_NOTES = (
    "The 60 mixtures, the peers and their scores: [peers](peers.md); our model runs in the firmware's integers. A "
    "difference is the mean over the mixtures, with its 95 % interval in brackets; a bar is met by the mean. Measures "
    "on signals of their own, and generalisation: [measures](../measures.md). Instructions are counted by an emulator "
    "(measured) or estimated from such counts."
)


@dataclass(frozen=True)
class Judged:
    """A model to judge: the artifact, and the part of it that the firmware holds."""

    artifact: AnyModel
    reduction: GenerateOptions


@dataclass(frozen=True)
class JudgeOptions:
    """The options of judging. extra: a corpus whose valid split has unheard noise. before: figures of an older model.

    work: folder that keeps the figures of each model. jobs: processes (None: one for each core).
    """

    extra: Corpus | None
    before: Path | None
    work: Path
    jobs: int | None = None


def judge_quality(
    big: Judged, small: Judged | None, corpus: Corpus, options: JudgeOptions, progress: Progress | None = None
) -> list[Demand]:
    """Return every bar of quality, of the model `big` and of `small`, which has its own bar.

    BlshError as of evaluate_model, and for a file of older figures that cannot be used.
    """
    if options.extra is not None:
        heard_and_unheard(corpus, options.extra)  # what is lacking there is said before the work
    before = None if options.before is None else _read(options.before)
    figures = _measured(big, corpus, options, named(progress, "big model"))
    little = None if small is None else _measured(small, corpus, options, named(progress, "small model"))
    spread = None
    if options.extra is not None:
        engine = ReducedModel(big.artifact, big.reduction, _ENGINE).engine
        spread = generalisation(engine, corpus, options.extra, options.jobs, progress=progress)
    return quality_bars(figures, little, before, spread)


def write_quality_bars(bars: Sequence[Demand], command: str, folder: Path) -> list[Path]:
    """Write bars-quality, a page and a JSON file, into `folder`, renew its index, and return the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    met = sum(bar.met is True for bar in bars)
    reached, stretches = sum(bar.reached is True for bar in bars), sum(bool(bar.stretch) for bar in bars)
    counts = f"{met} of {len(bars)} bars met, {reached} of {stretches} stretches reached"
    table = markdown_table(HEADER, bar_rows(bars))
    page = "\n\n".join(["# The bars of quality", f"`{command}`", counts, table, _NOTES]) + "\n"
    data = {"command": command, "bars": [{**bar.to_dict(), "state": state_of(bar.met)} for bar in bars]}
    files = [
        write_text_if_changed(folder / f"{NAME}.md", page),
        write_text_if_changed(folder / f"{NAME}.json", json.dumps(data, indent=1, sort_keys=True) + "\n"),
    ]
    write_index(folder)
    return files


def _measured(judged: Judged, corpus: Corpus, options: JudgeOptions, progress: Progress | None) -> Figures:
    """Return the figures of a model, from the work folder if it has them; costs are taken anew."""
    model = ReducedModel(judged.artifact, judged.reduction, _ENGINE)
    identity = {**model.told, "corpus_sha256": corpus.sha256, "runtime_format": RUNTIME_FORMAT, "metrics": NEEDED}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    kept = options.work / f"quality-{digest}.json"
    if kept.exists():
        costs = model_costs(judged.artifact, judged.reduction, corpus, RESULTS).to_dict()
        return {**_read(kept), "costs": costs}
    wanted = EvaluateOptions(engine=_ENGINE, metrics=NEEDED, peers=True, jobs=options.jobs)
    found = evaluate_model(model, corpus, wanted, progress)
    options.work.mkdir(parents=True, exist_ok=True)
    write_text_if_changed(kept, found.to_json())
    return found.to_dict()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BlshError(
            f"cannot read {path}: {error.strerror or error}; give a file of blsh evaluate --peers"
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BlshError(f"{path} is not a file of blsh evaluate --peers; give one, or remove it to measure anew")
    return found

# SPDX-License-Identifier: Apache-2.0
"""`blsh bench-box`: the scores of the models in the box, on the mixtures of other denoisers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, CorpusFolders
from blsh_tools.options.numbers_in_range import COUNT, JOBS
from blsh_tools.options.outputs import check_output, check_outside


def bench_box(
    corpora: CorpusFolders,
    names: Annotated[
        list[str] | None, typer.Option("--model", help="A model of the box; repeat it for more [default: all].")
    ] = None,
    count: Annotated[int | None, COUNT.option("Mixtures at each SNR [default: all 60].", "--count")] = None,
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file to write [default: scores.json of the box].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the models of the box in the firmware's integers, on the mixtures on which other denoisers were scored.

    Some minutes for each model. The file is written after each, and a later run scores only what it lacks. The page of
    `blsh report` shows these scores.
    """
    from blsh_tools.evaluate_model import EvaluateOptions
    from blsh_tools.score_box import ENGINE, score_box
    from blsh_trainer.corpora.merging import load_corpora
    from blsh_trainer.errors import BlshError
    from blsh_trainer.evaluation.score_sheet import SCORES
    from blsh_trainer.model.boxed_models import boxed_models

    models = boxed_models()
    strange = [name for name in names or [] if name not in models]
    if strange:
        raise BlshError(f"--model {strange[0]}: the box has {', '.join(models)}")
    file = SCORES if output is None else output
    check_output(file)
    corpus = load_corpora(corpora, None)
    check_outside(corpus, file)
    chosen = {name: path for name, path in models.items() if not names or name in names}
    options = EvaluateOptions(engine=ENGINE, peers=True, count=count, jobs=jobs)
    with progress() as advance:
        found = score_box(chosen, corpus, file, options, advance)
    show(
        found, as_json, _rows(found["models"]), "Gain of SI-SDR over the mixture in dB, with its 95 % interval", _HEADER
    )
    say(f"written: {file}")


_HEADER = ("name", "mixtures", "-5 dB", "0 dB", "5 dB", "10 dB")


def _rows(models: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, each in models.items():
        gains = [r for r in each["summary"] if (r["system"], r["metric"]) == ("model", "si_sdr_db")]
        told = [f"{r['improvement']:+.2f} ({r['improvement_low']:.2f} to {r['improvement_high']:.2f})" for r in gains]
        rows.append([name, str(each["mixtures"]["mixtures"]), *told])
    return rows

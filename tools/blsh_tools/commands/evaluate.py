# SPDX-License-Identifier: Apache-2.0
"""`blsh evaluate`: a model's scores on unseen speakers and noise, as a table, as JSON and as CSV."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, CorpusFolders, ModelFile, NoiseFolder, Seed
from blsh_tools.options.corpora import say_repeats
from blsh_tools.options.model import DictionaryOptions, sized
from blsh_tools.options.numbers_in_range import COUNT, JOBS, SNR_DB
from blsh_tools.options.outputs import check_output, check_outside, same_file
from blsh_trainer.errors import BlshError

DEFAULT_METRICS = "sdr_db,si_sdr_db,pesq,estoi"
"""All of them. It stands here so that `blsh --help` need not import what measures; a test holds it to the metrics."""


def evaluate(
    model: ModelFile,
    corpora: CorpusFolders,
    split: Annotated[str, typer.Option(help="`test`, `valid` or `train`.")] = "test",
    snr: Annotated[
        list[float] | None, SNR_DB.option("SNR of the mixtures in dB; repeat it for more [default: -5, 0, 5, 10].")
    ] = None,
    count: Annotated[
        int | None, COUNT.option("Mixtures at each SNR [default: one for each utterance; peers: all 60].")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="`float` or `fixed` [default: float; with --peers: fixed].")
    ] = None,
    metrics: Annotated[
        str,
        typer.Option(help="What to measure, separated by commas; `steadiness`, `clean` and `start` besides."),
    ] = DEFAULT_METRICS,
    noise: NoiseFolder = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Use the mixtures on which other denoisers were scored, and show theirs.")
    ] = False,
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    *,
    reduction: DictionaryOptions,
    seed: Seed = 0,
    table: Annotated[Path | None, typer.Option("--csv", help="CSV file to write, with a line for each score.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on mixtures of unseen speakers and noise: SDR, SI-SDR, PESQ and ESTOI before and after.

    With --peers, beside other denoisers on the same mixtures. `steadiness`, `clean` and `start` are measured on signals
    of their own: what is left of steady noise, what happens to clean speech, and how the first second sounds.
    """
    from blsh_tools.evaluate_model import EvaluateOptions, ReducedModel, evaluate_model
    from blsh_trainer.corpora.merging import load_corpora
    from blsh_trainer.evaluation.protocols import DEFAULT_SNRS_DB
    from blsh_trainer.model.artifact import load_model

    options = EvaluateOptions(
        engine=engine or ("fixed" if peers else "float"),
        metrics=tuple(name.strip() for name in metrics.split(",") if name.strip()),
        peers=peers,
        split=split,
        snrs_db=tuple(snr) if snr else DEFAULT_SNRS_DB,
        count=count,
        seed=seed,
        jobs=jobs,
    )
    options.check()
    if table is not None and not options.of_mixtures:
        raise BlshError(f"--csv {table} with {metrics} alone: it holds scores of mixtures; leave it out")
    _check_outputs(output, table, model)
    artifact = load_model(model)
    reduced = ReducedModel(artifact, sized(reduction.wishes(), artifact.entries), options.engine)
    source = load_corpora(corpora, noise)
    say_repeats(source)
    check_outside(source, output, table)
    with progress() as advance:
        found = evaluate_model(reduced, source, options, advance)
    _write(output, found.to_json())
    if found.scores is not None:
        _write(table, found.scores.to_csv())
    for part in found.tables()[: 1 if as_json else None]:
        show(found.to_dict(), as_json, part.rows, part.title, part.header)
    if found.peers is not None:
        say("Of the mixtures, the differences and the peers: blsh docs results/peers")


def _check_outputs(output: Path | None, table: Path | None, model: Path) -> None:
    given = [path for path in (output, table) if path is not None]
    for path in given:
        check_output(path, model=model)
    if len(given) == 2 and same_file(*given):
        raise BlshError(f"--output and --csv both name {given[0]}; give two files")


def _write(path: Path | None, text: str) -> None:
    from blsh_trainer.files import replacing

    if path is not None:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

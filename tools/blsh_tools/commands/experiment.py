"""`blsh experiment`: the paper's tables and figures on a corpus of one's own, and the trainer's bars."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, NoiseFolder
from blsh_tools.options.numbers_in_range import COUNT, FEW, JOBS, TRAINING_S
from blsh_tools.options.outputs import check_output_folder
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:
    from blsh_trainer.corpora.corpus import Corpus

NAMES = ("table1", "table2", "table3", "fig2", "fig3", "fig4", "fig5", "fig6", "bars", "frontier")
RESULTS, TRIALS = Path("docs/results"), Path("out/experiments/fast")
_FOR = {  # options that only some experiments heed
    "--baselines": ("table1",),
    "--baseline-seconds": ("table1",),
    "--voicebank": ("table3",),
    "--model": ("bars",),
    "--seeds": ("table1", "table2", "table3", "fig3", "fig4", "bars", "frontier"),
    "--mixtures": ("table1", "table2", "table3", "fig3", "fig4", "bars", "frontier"),
}


def experiment(
    name: Annotated[
        str,
        typer.Argument(help=f"{', '.join(NAMES[:-2])}: the paper's; bars, the trainer's; frontier, quality per byte."),
    ],
    corpus: Annotated[Path, typer.Argument(help="Folder of recordings; see `blsh corpus check`.")],
    seeds: Annotated[int | None, FEW.option("Draws of hash and dictionary [default: 1 to 5, by experiment].")] = None,
    mixtures: Annotated[int | None, COUNT.option("Test mixtures under each condition [default: 48].")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Tiny sizes, to try a corpus out: the figures mean little.")
    ] = False,
    baselines: Annotated[
        str | None,
        typer.Option(help="table1: networks to train too, `all`, or names separated by commas [default: none]."),
    ] = None,
    baseline_seconds: Annotated[float | None, TRAINING_S.option("table1: most seconds of training a network.")] = None,
    voicebank: Annotated[
        Path | None,
        typer.Option(help="table3: recorded mixtures in VoiceBank-DEMAND's layout [default: a held-out source]."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="bars: artifact to put against other denoisers, by the protocol of the peers.")
    ] = None,
    noise: NoiseFolder = None,
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    work: Annotated[
        Path, typer.Option(help="Folder that keeps what is computed; a run that finds it there goes on from it.")
    ] = Path("out/experiments"),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=f"Folder for the results and their index [default: {RESULTS}; --fast: {TRIALS}]."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Regenerate a table or figure of the paper on a corpus, or measure the trainer's bars or quality per byte.

    Fits and scores are kept in --work as they come: an interrupted run goes on from there, and other options compute
    only what they change. The results are NAME.json and .csv with a table, NAME.md, or a picture, NAME.png.
    """
    from blsh_tools.bench.frontier_costs import firmware_costs
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.experiments.registry import EXPERIMENTS
    from blsh_trainer.experiments.report_files import write_report
    from blsh_trainer.experiments.settings import Settings
    from blsh_trainer.model.artifact import load_model

    if name not in NAMES:
        raise BlshError(f"experiment {name!r} is unknown; choose one of {', '.join(NAMES)}")
    given: dict[str, Any] = {
        "--seeds": seeds,
        "--mixtures": mixtures,
        "--baselines": baselines if baselines != "none" else None,
        "--baseline-seconds": baseline_seconds,
        "--voicebank": voicebank,
        "--model": model,
    }
    for option, value in given.items():
        if value is not None and name not in _FOR[option]:
            raise BlshError(f"{option} {value} is of no use to {name}; it is for {', '.join(_FOR[option])}")
    place = output or (TRIALS if fast else RESULTS)
    for folder in (work, place):
        check_output_folder(folder)
    networks = _networks(given["--baselines"])
    source = load_corpus(corpus, noise)
    if model is not None:
        load_model(model)
    given |= {"--noise": noise, "--fast": fast or None}
    with progress() as advance:
        settings = Settings(
            corpus=source,
            work=work,
            output=place,
            command=_command(name, corpus, given),
            seeds=seeds,
            mixtures=mixtures,
            fast=fast,
            jobs=jobs,
            voicebank=None if voicebank is None else _recorded(voicebank),
            baselines=networks,
            baseline_seconds=baseline_seconds,
            model=model,
            progress=advance,
            firmware_cost=firmware_costs(source) if name == "frontier" else None,
        )
        report = EXPERIMENTS[name](settings)
    files = write_report(report, place)
    header, rows = report.brief_rows()
    show(report.to_dict(), as_json, rows, report.title, header)
    say(report.finding)
    say(f"written: {', '.join(str(file) for file in files)}")


def _command(name: str, corpus: Path, given: dict[str, Any]) -> str:
    """The command without what leaves the result as it is; paths as seen from here, for others to read."""
    words = ["blsh", "experiment", name, os.path.relpath(corpus)]
    for option, value in given.items():
        if value is not None:
            text = os.path.relpath(value) if isinstance(value, Path) else str(value)
            words += [option] if value is True else [option, text]
    return shlex.join(words)


def _recorded(folder: Path) -> "Corpus":
    from blsh_trainer.corpora.corpus import load_corpus

    corpus = load_corpus(folder)
    if not corpus.paired:
        raise BlshError(f"--voicebank {folder}: layout {corpus.layout} has no pairs of clean and noisy recordings")
    return corpus


def _networks(asked: str | None) -> tuple[str, ...]:
    """The names in --baselines, checked; BlshError, too, where PyTorch is missing."""
    from blsh_trainer.baselines.architecture import PAPER_SIZES_MB, architecture, require_torch

    if asked is None:
        return ()
    names = list(PAPER_SIZES_MB) if asked == "all" else [name.strip() for name in asked.split(",") if name.strip()]
    chosen = tuple(dict.fromkeys(architecture(name).name for name in names))
    if not chosen:
        raise BlshError(f"--baselines {asked!r} names none; choose of {', '.join(PAPER_SIZES_MB)}, or leave it out")
    require_torch()
    return chosen

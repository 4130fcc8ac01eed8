# SPDX-License-Identifier: Apache-2.0
"""`blsh experiment`: the paper's tables and figures on one's own corpus, the trainer's bars, our models compared."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import RESULTS, AsJson, CorpusFolders, NoiseFolder
from blsh_tools.options.numbers_in_range import COUNT, FEW, JOBS, TRAINING_S
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import repeatable
from blsh_trainer.errors import BlshError
from blsh_trainer.experiments.registry import EXPERIMENTS, Experiment, find_experiment

if TYPE_CHECKING:
    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.experiments.settings import Settings
    from blsh_trainer.progress import Progress

TRIALS = Path("out/experiments/fast")
_OUTPUT_HELP = f"Folder for the results and their index [default: {RESULTS}; --fast: {TRIALS}]."

Name = Annotated[
    str,
    typer.Argument(
        help=f"{', '.join(EXPERIMENTS)}: the paper's, the trainer's bars, quality per byte, a dense network."
    ),
]
Seeds = Annotated[int | None, FEW.option("Draws of hash and dictionary [default: 1 to 5, by experiment].")]
Mixtures = Annotated[int | None, COUNT.option("Test mixtures under each condition [default: 48].")]
Fast = Annotated[bool, typer.Option("--fast", help="Tiny sizes, to try a corpus out: the figures mean little.")]
Baselines = Annotated[
    str | None, typer.Option(help="table1: networks to train too, `all`, or names separated by commas [default: none].")
]
BaselineSeconds = Annotated[float | None, TRAINING_S.option("table1: most seconds of training a network.")]
VoiceBank = Annotated[
    Path | None,
    typer.Option(help="table3: recorded mixtures in VoiceBank-DEMAND's layout [default: a held-out source]."),
]
BarsModel = Annotated[
    Path | None,
    typer.Option(help="bars: artifact to put against the peers; dense: voting model whose cost a network has."),
]
Jobs = Annotated[int | None, JOBS.option("Processes [default: one for each core].")]
Work = Annotated[
    Path, typer.Option(help="Folder that keeps what is computed; a run that finds it there goes on from it.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help=_OUTPUT_HELP)]


@dataclass(frozen=True)
class _Sizes:
    """The options that some experiments heed and others refuse; None where an option was not given."""

    seeds: int | None
    mixtures: int | None
    baselines: str | None
    baseline_seconds: float | None
    voicebank: Path | None
    model: Path | None

    def given(self) -> dict[str, Any]:
        """Return the values that were given, by the option's name in Settings."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def check(self, experiment: Experiment) -> None:
        """Raise BlshError for an option that `experiment` does not heed."""
        for name, value in self.given().items():
            if name not in experiment.options:
                heeding = ", ".join(each.name for each in EXPERIMENTS.values() if name in each.options)
                raise BlshError(f"{_flag(name)} {value} is of no use to {experiment.name}; it is for {heeding}")


@dataclass(frozen=True)
class _Run:
    """The inputs that all experiments share: the folders it reads and writes, and how it runs."""

    corpora: list[Path]
    noise: Path | None
    work: Path
    output: Path
    fast: bool
    jobs: int | None


def experiment(
    name: Name,
    corpora: CorpusFolders,
    seeds: Seeds = None,
    mixtures: Mixtures = None,
    fast: Fast = False,
    baselines: Baselines = None,
    baseline_seconds: BaselineSeconds = None,
    voicebank: VoiceBank = None,
    model: BarsModel = None,
    noise: NoiseFolder = None,
    jobs: Jobs = None,
    work: Work = Path("out/experiments"),
    output: Output = None,
    as_json: AsJson = False,
) -> None:
    """Regenerate a table or figure of the paper on a corpus, or measure bars, quality per byte, or a dense network.

    Fits and scores are kept in --work as they come: an interrupted run goes on from there, and other options compute
    only what they change. The results are NAME.json and .csv with a table, NAME.md, or a picture, NAME.png.
    """
    from blsh_trainer.experiments.report_files import write_report

    chosen = find_experiment(name)
    networks = None if baselines == "none" else baselines
    sizes = _Sizes(seeds, mixtures, networks, baseline_seconds, voicebank, model)
    sizes.check(chosen)
    chosen.check()
    run = _Run(corpora, noise, work, output or (TRIALS if fast else RESULTS), fast, jobs)
    with progress() as advance:
        report = chosen(_settings(name, sizes, run, advance))
    files = write_report(report, run.output)
    header, rows = report.brief_rows()
    show(report.to_dict(), as_json, rows, report.title, header)
    say(report.finding)
    say(f"written: {', '.join(str(file) for file in files)}")


def _settings(name: str, sizes: _Sizes, run: _Run, advance: "Progress") -> "Settings":
    """Return the settings of a run, with what it reads loaded and checked. BlshError for what cannot be used."""
    from blsh_tools.bench.dense_costs import DenseFirmware
    from blsh_tools.bench.frontier_costs import FrontierFirmware
    from blsh_trainer.corpora.merging import load_corpora
    from blsh_trainer.experiments.settings import Settings
    from blsh_trainer.model.artifact import load_mask_model, load_model
    from blsh_trainer.model.voting_model import VotingModel

    for folder in (run.work, run.output):
        check_output_folder(folder)
    networks = _networks(sizes.baselines)
    corpus = load_corpora(run.corpora, run.noise)
    load = load_model if name == "dense" else load_mask_model
    model = None if sizes.model is None else load(sizes.model)
    return Settings(
        corpus=corpus,
        work=run.work,
        output=run.output,
        command=_command(name, sizes, run),
        seeds=sizes.seeds,
        mixtures=sizes.mixtures,
        fast=run.fast,
        jobs=run.jobs,
        voicebank=None if sizes.voicebank is None else _recorded(sizes.voicebank),
        baselines=networks,
        baseline_seconds=sizes.baseline_seconds,
        model=sizes.model,
        progress=advance,
        firmware=FrontierFirmware(corpus) if name == "frontier" else None,
        network_firmware=DenseFirmware(model, corpus) if name == "dense" and isinstance(model, VotingModel) else None,
    )


def _command(name: str, sizes: _Sizes, run: _Run) -> str:
    """Return the command without the options that leave the result as it is, its paths as seen from here."""
    given = {_flag(option): value for option, value in sizes.given().items()}
    return repeatable("experiment", {**given, "--noise": run.noise, "--fast": run.fast or None}, name, *run.corpora)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _recorded(folder: Path) -> "Corpus":
    """Return the corpus of recorded pairs in `folder`. BlshError for a corpus without pairs."""
    from blsh_trainer.corpora.corpus import load_corpus

    corpus = load_corpus(folder)
    if not corpus.paired:
        raise BlshError(f"--voicebank {folder}: layout {corpus.layout} has no pairs of clean and noisy recordings")
    return corpus


def _networks(asked: str | None) -> tuple[str, ...]:
    """Return the names in --baselines. BlshError for an unknown name, for no name, and where PyTorch is missing."""
    from blsh_trainer.baselines.architecture import PAPER_SIZES_MB, architecture, require_torch

    if asked is None:
        return ()
    names = list(PAPER_SIZES_MB) if asked == "all" else [name.strip() for name in asked.split(",") if name.strip()]
    chosen = tuple(dict.fromkeys(architecture(name).name for name in names))
    if not chosen:
        raise BlshError(f"--baselines {asked!r} names none; choose of {', '.join(PAPER_SIZES_MB)}, or leave it out")
    require_torch()
    return chosen

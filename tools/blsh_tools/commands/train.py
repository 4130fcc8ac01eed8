# SPDX-License-Identifier: Apache-2.0
"""`blsh train`: learn projections and a dictionary of masks, here or on a cluster."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import TRAINED_MODEL, AsJson, CorpusFolders, NoiseFolder, Seed, Without
from blsh_tools.options.corpora import say_remarks
from blsh_tools.options.geometry import GeometryText, Latency, Rate, chosen_geometry
from blsh_tools.options.model import dictionary_size
from blsh_tools.options.numbers_in_range import (
    BITS,
    COUNT,
    ENTRIES,
    FLOOR,
    FLOOR_DB,
    JOBS,
    LOSS_WEIGHT,
    NEIGHBOURS,
    RANK,
    RANKS,
    RULE_ODDS,
    SHIFT_ODDS,
    SMOOTHING,
    SNR_DB,
)
from blsh_tools.options.outputs import check_output, check_outside
from blsh_trainer import system_names
from blsh_trainer.errors import BlshError
from blsh_trainer.extras import require
from blsh_trainer.model.attenuation import parse_attenuation
from blsh_trainer.suggestions import unknown

DEVICES = ("cpu", "gpu")
OF_VOTING = f"Options of the system {system_names.VOTING} alone"
OF_OTHERS = "Options of the systems extended and paper"
_VOTING_PLACE = ("device", "jobs", "coordinator", "rank", "ranks")
_OTHERS_PLACE = ("scheduler",)
_PLACES = (*_VOTING_PLACE, *_OTHERS_PLACE)
"""Options that say where a system learns; the others are those of JointOptions and TrainOptions."""
_FLAGS = {"feature_kind": "features", "mask_kind": "masks", "snr_db": "snr"}
"""Options whose flags are not their names on the card."""

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_trainer.compute.block_pool import Pool
    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.learning.joint.options import JointOptions
    from blsh_trainer.learning.joint.ranks import Ranks
    from blsh_trainer.learning.options import TrainOptions
    from blsh_trainer.model.artifact import AnyModel, Model
    from blsh_trainer.model.voting_model import VotingModel
    from blsh_trainer.progress import Progress


def train(
    corpora: CorpusFolders,
    output: Annotated[Path, typer.Option("--output", "-o", help="Artifact to write.")] = TRAINED_MODEL,
    system: Annotated[
        str,
        typer.Option(
            help="`voting` (ours, sounds best), `extended` (ours, its size can be cut later) or `paper`: "
            "sets what is not given."
        ),
    ] = system_names.DEFAULT,
    latency: Latency = None,
    rate: Rate = None,
    geometry: GeometryText = None,
    neighbours: Annotated[int | None, NEIGHBOURS.option("Entries to average, K; a board averages up to 32.")] = None,
    entries: Annotated[
        int | None, ENTRIES.option("Entries of a dictionary; of `paper`: at most, all training frames if left out.")
    ] = None,
    passes: Annotated[int | None, COUNT.option("Times that each utterance is mixed, with other noises.")] = None,
    steps: Annotated[
        int | None, COUNT.option("Steps of learning; of the `masks` learner for each block of bits.")
    ] = None,
    smoothing: Annotated[
        int | None, SMOOTHING.option("Sixteenths that a mask keeps of the one before; of `voting`, log odds.")
    ] = None,
    attenuation: Annotated[
        str | None,
        typer.Option(
            metavar="DB",
            help="The model's own limit: it lowers no band by more than 0 to 60 decibels, unless its user says "
            "otherwise; or `off` [default: off].",
        ),
    ] = None,
    projections: Annotated[
        int | None, BITS.option("Projections, each with a bit for each threshold.", panel=OF_VOTING)
    ] = None,
    thresholds: Annotated[int | None, COUNT.option("Thresholds of each projection, up to 4.", panel=OF_VOTING)] = None,
    dictionaries: Annotated[
        int | None, COUNT.option("Dictionaries, each of a group of bands.", panel=OF_VOTING)
    ] = None,
    smoothing_down: Annotated[
        int | None, SMOOTHING.option("As --smoothing, where log odds fall.", panel=OF_VOTING)
    ] = None,
    start_odds: Annotated[
        float | None,
        RULE_ODDS.option("Added to all log odds when a stream starts; it fades in 1 s.", panel=OF_VOTING),
    ] = None,
    steady_odds: Annotated[
        float | None, RULE_ODDS.option("Taken from all log odds in steady noise.", panel=OF_VOTING)
    ] = None,
    shift_odds: Annotated[
        float | None,
        SHIFT_ODDS.option("Added to all log odds; below 0 leaves less noise, and less speech.", panel=OF_VOTING),
    ] = None,
    floor_db: Annotated[float | None, FLOOR_DB.option("Least gain, in dB.", panel=OF_VOTING)] = None,
    hearing: Annotated[
        float | None, LOSS_WEIGHT.option("Weight of compressed spectra in the loss.", panel=OF_VOTING)
    ] = None,
    clarity: Annotated[
        float | None, LOSS_WEIGHT.option("Weight of the likeness of envelopes in the loss.", panel=OF_VOTING)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Where to learn: `cpu`, or `gpu` with jax[cuda12] [default: cpu].", rich_help_panel=OF_VOTING
        ),
    ] = None,
    jobs: Annotated[
        int | None, JOBS.option("Processes that mix [default: one for each core].", panel=OF_VOTING)
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT where rank 0 of several processes waits; they share each step.", rich_help_panel=OF_VOTING
        ),
    ] = None,
    rank: Annotated[
        int | None, RANK.option("Number of this process among them, from 0; rank 0 writes.", panel=OF_VOTING)
    ] = None,
    ranks: Annotated[int | None, RANKS.option("How many they are.", panel=OF_VOTING)] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="`mel` (128 bands), `stft` (all bins) or `tracked` (64 bands and noise floors).",
            rich_help_panel=OF_OTHERS,
        ),
    ] = None,
    bits: Annotated[int | None, BITS.option("Bits of a hash code, L; a board holds no more.", panel=OF_OTHERS)] = None,
    learner: Annotated[
        str | None, typer.Option(help="`blsh`, `lsh` (centred) or `lsh-plain`.", rich_help_panel=OF_OTHERS)
    ] = None,
    weighting: Annotated[
        str | None,
        typer.Option(
            help="How blsh learns: from `masks`, by `residual` fitting, or the paper's `adaboost`.",
            rich_help_panel=OF_OTHERS,
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            help="`ibm` (a bit a bin), or 80 bands of 2, 4 or 16 levels: `bands1`, `bands2`, `bands`.",
            rich_help_panel=OF_OTHERS,
        ),
    ] = None,
    floor: Annotated[int | None, FLOOR.option("Least gain, in 256ths.", panel=OF_OTHERS)] = None,
    varied: Annotated[
        bool | None,
        typer.Option(
            "--varied/--plain",
            help="Many SNRs with noises coloured anew, or --snr alone.",
            rich_help_panel=OF_OTHERS,
        ),
    ] = None,
    snr: Annotated[float | None, SNR_DB.option("SNR of the training mixtures in dB.", panel=OF_OTHERS)] = None,
    max_frames: Annotated[
        int | None, ENTRIES.option("Most frames that are kept of the mixtures.", panel=OF_OTHERS)
    ] = None,
    fit_frames: Annotated[
        int | None, ENTRIES.option("Frames from which the projections are learned.", panel=OF_OTHERS)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Dask scheduler to learn on, as tcp://HOST:8786 [default: this machine].", rich_help_panel=OF_OTHERS
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model; the firmware reports it.")] = "blsh",
    noise: NoiseFolder = None,
    without: Without = None,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File that keeps what has been learned; the same command goes on from it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn a model from recordings, those of the split `train`: by default one of the `voting` system.

    Several corpora count as one; a speaker or a recording in different splits of two is refused. The same corpora and
    options give the same model, on any machine or cluster. If a run with a --checkpoint is interrupted, the same
    command makes the mixtures again and goes on learning where it was. Once the model is written, the checkpoint may be
    removed.

    Several processes share each step of `voting`: give all the same command, but each its own --rank.
    """
    from blsh_trainer.corpora.merging import load_corpora
    from blsh_trainer.model.artifact import save_model

    given = {
        "name": name,
        "seed": seed,
        "feature_kind": features,
        "bits": bits,
        "neighbours": neighbours,
        "learner": learner,
        "weighting": weighting,
        "mask_kind": masks,
        "smoothing": smoothing,
        "floor": floor,
        "varied": varied,
        "snr_db": snr,
        "passes": passes,
        "max_frames": max_frames,
        "entries": entries,
        "fit_frames": fit_frames,
        "steps": steps,
        "projections": projections,
        "thresholds": thresholds,
        "dictionaries": dictionaries,
        "smoothing_down": smoothing_down,
        "start_odds": start_odds,
        "steady_odds": steady_odds,
        "shift_odds": shift_odds,
        "floor_db": floor_db,
        "hearing": hearing,
        "clarity": clarity,
        "attenuation": None if attenuation is None else parse_attenuation(attenuation),
        "geometry": chosen_geometry(latency, rate, geometry),
    }
    _check_outputs(output, checkpoint)
    places = dict(zip(_PLACES, (device, jobs, coordinator, rank, ranks, scheduler), strict=True))
    learner_of_system = _learner(system, _given(given), _given(places))
    place = Place(checkpoint, scheduler, device, jobs, _ranks(coordinator, rank, ranks))
    learner_of_system.check(place)
    source = load_corpora(corpora, noise, without=without or ())
    check_outside(source, output, checkpoint)
    say_remarks(source)
    with progress() as advance:
        model = learner_of_system.learn(source, place, advance)
    if model is None:
        _show_rank(rank, ranks, as_json)
    else:
        save_model(output, model)
        _show(model, output, as_json)


def _show_rank(rank: int | None, ranks: int | None, as_json: bool) -> None:
    rows = [("rank", f"{rank} of {ranks}"), ("model", "rank 0 writes it")]
    show({"rank": rank, "ranks": ranks, "model": None}, as_json, rows, "Trained")


def _ranks(coordinator: str | None, rank: int | None, ranks: int | None) -> "Ranks | None":
    """Return the place of this process among several, None for none. BlshError where an option of them lacks."""
    if coordinator is None and rank is None and ranks is None:
        return None
    if coordinator is None or rank is None or ranks is None:
        given = {"--coordinator": coordinator, "--rank": rank, "--ranks": ranks}
        missing = next(flag for flag, value in given.items() if value is None)
        raise BlshError(f"{missing} is missing; several processes need {', '.join(given)}")
    from blsh_trainer.learning.joint.ranks import Ranks

    return Ranks(coordinator, rank, ranks)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {option: value for option, value in options.items() if value is not None}


def _learner(system: str, given: dict[str, Any], places: dict[str, Any]) -> "_Staged | _Joint":
    """Return the learner of a system. BlshError for one that is unknown, and for options that cannot be used."""
    from blsh_trainer.learning.joint.options import JointOptions, joint_options
    from blsh_trainer.learning.options import PAPER, SYSTEMS, system_options
    from blsh_trainer.model.card import ATTENUATION, GEOMETRY

    unusual = {GEOMETRY, ATTENUATION}
    known: dict[str, set[str]] = {system_names.VOTING: {*JointOptions().to_card(), *unusual, *_VOTING_PLACE}}
    known |= {name: {*PAPER.to_card(), *unusual, *_OTHERS_PLACE} for name in SYSTEMS}
    if system not in known:
        raise BlshError(f"system {system!r} {unknown(system, known)}")
    for option, value in (given | places).items():
        if option not in known[system]:
            owners = [name for name, options in known.items() if option in options]
            choice = " or ".join(f"--system {name}" for name in owners)
            raise BlshError(
                f"{_typed(option, value)} is an option of {' and '.join(owners)}, and the system is {system}; "
                f"give {choice}, or leave it out"
            )
    return _Joint(joint_options(given)) if system == system_names.VOTING else _Staged(system_options(system, given))


def _typed(option: str, value: Any) -> str:
    """Return an option as the user typed it."""
    if option == "varied":
        return "--varied" if value else "--plain"
    return f"--{_FLAGS.get(option, option).replace('_', '-')} {value}"


@dataclass(frozen=True)
class Place:
    """Where a model is learned: its checkpoint file, a cluster, a device and processes, each None where not given.

    jobs: processes that mix. ranks: the place of this process among those that learn together.
    """

    checkpoint: Path | None
    scheduler: str | None
    device: str | None
    jobs: int | None
    ranks: "Ranks | None"


class _Staged:
    """The learners that hash first and fill a dictionary then."""

    def __init__(self, options: "TrainOptions") -> None:
        self._options = options

    def check(self, place: Place) -> None:
        if place.scheduler is not None:
            require("distributed")
        self._options.code.kind.check_use(place.checkpoint, place.scheduler)

    def learn(self, source: "Corpus", place: Place, advance: "Progress") -> "Model":
        from blsh_trainer.learning.checkpoint import read_checkpoint
        from blsh_trainer.learning.train import train_model

        if place.checkpoint is not None:
            read_checkpoint(place.checkpoint)  # a file that is no checkpoint is refused before the mixing
        with _pool(place.scheduler) as pool:
            return train_model(source, self._options, advance, checkpoint=place.checkpoint, pool=pool)


class _Joint:
    """The learner of voting models."""

    def __init__(self, options: "JointOptions") -> None:
        self._options = options

    def check(self, place: Place) -> None:
        require("jax")
        if place.device not in (None, *DEVICES):
            raise BlshError(f"--device {place.device!r} {unknown(place.device, DEVICES)}")

    def learn(self, source: "Corpus", place: Place, advance: "Progress") -> "VotingModel | None":
        from blsh_trainer.learning.joint.checkpoint import read_identity
        from blsh_trainer.learning.joint.train import train_jointly

        if place.checkpoint is not None:
            read_identity(place.checkpoint)  # a file that is no checkpoint is refused before the mixing
        device = place.device or DEVICES[0]
        return train_jointly(source, self._options, advance, place.checkpoint, device, place.jobs, place.ranks)


def _show(model: "AnyModel", output: Path, as_json: bool) -> None:
    result = {
        "model": str(output),
        "model_sha256": model.sha256,
        "bits": model.bits,
        "feature_kind": model.feature_kind,
        "dictionaries": model.dictionaries,
        "dictionary_entries": model.entries,
        "artifact_bytes": output.stat().st_size,
        "card": model.card,
    }
    rows = [
        ("model", str(output)),
        ("sha256", model.sha256),
        ("bits", f"{model.bits} of {model.feature_kind} features"),
        ("dictionary", dictionary_size(model)),
    ]
    show(result, as_json, rows, "Trained")


def _check_outputs(output: Path, checkpoint: Path | None) -> None:
    check_output(output)
    if checkpoint is not None:
        check_output(checkpoint, model=output)


def _pool(scheduler: str | None) -> "AbstractContextManager[Pool | None]":
    if scheduler is None:
        return nullcontext(None)
    from blsh_trainer.compute.dask_pool import DaskPool

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # our own errors replace Dask's log
    return DaskPool(scheduler)

# SPDX-License-Identifier: Apache-2.0
"""`blsh train`: learn projections and a dictionary of masks, here or on a cluster."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import DEFAULT_MODEL, AsJson, CorpusFolders, NoiseFolder, Seed
from blsh_tools.options.corpora import say_remarks
from blsh_tools.options.numbers_in_range import BITS, COUNT, ENTRIES, FLOOR, NEIGHBOURS, SMOOTHING, SNR_DB
from blsh_tools.options.outputs import check_output, check_outside

DEFAULT_SYSTEM = "extended"

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_trainer.compute.block_pool import Pool
    from blsh_trainer.model.artifact import AnyModel


def train(
    corpora: CorpusFolders,
    output: Annotated[Path, typer.Option("--output", "-o", help="Artifact to write.")] = DEFAULT_MODEL,
    system: Annotated[
        str, typer.Option(help="`extended` (ours) or `paper`: sets all options below that are not given.")
    ] = DEFAULT_SYSTEM,
    features: Annotated[
        str | None, typer.Option(help="`mel` (128 bands), `stft` (513 bins) or `tracked` (64 bands and noise floors).")
    ] = None,
    bits: Annotated[int | None, BITS.option("Bits of a hash code, L; a board holds no more.")] = None,
    neighbours: Annotated[int | None, NEIGHBOURS.option("Masks to average, K; a board averages up to 32.")] = None,
    learner: Annotated[str | None, typer.Option(help="`blsh`, `lsh` (centred) or `lsh-plain`.")] = None,
    weighting: Annotated[
        str | None,
        typer.Option(help="How blsh learns: from `masks`, by `residual` fitting, or the paper's `adaboost`."),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(help="`ibm` (a bit a bin), or 80 bands of 2, 4 or 16 levels: `bands1`, `bands2`, `bands`."),
    ] = None,
    smoothing: Annotated[int | None, SMOOTHING.option("Sixteenths of the previous mask that each mask keeps.")] = None,
    floor: Annotated[int | None, FLOOR.option("Least gain, in 256ths.")] = None,
    varied: Annotated[
        bool | None,
        typer.Option("--varied/--plain", help="Many SNRs with noises coloured anew, or --snr alone."),
    ] = None,
    snr: Annotated[float | None, SNR_DB.option("SNR of the training mixtures in dB.")] = None,
    passes: Annotated[int | None, COUNT.option("Times that each utterance is mixed, with other noises.")] = None,
    max_frames: Annotated[int | None, ENTRIES.option("Most frames that are kept of the mixtures.")] = None,
    entries: Annotated[int | None, ENTRIES.option("Most frames that become entries [paper: all].")] = None,
    fit_frames: Annotated[int | None, ENTRIES.option("Frames from which the projections are learned.")] = None,
    steps: Annotated[int | None, COUNT.option("Steps of the `masks` learner for each block of bits.")] = None,
    name: Annotated[str, typer.Option(help="Name of the model; the firmware reports it.")] = "blsh",
    noise: NoiseFolder = None,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File that keeps the bits that have been learned; the same command goes on from it."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler to learn on, as tcp://HOST:8786 [default: this machine].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Learn projections and a dictionary of masks from recordings, those of the split `train`.

    Several corpora count as one; a speaker or a recording in different splits of two is refused. The same corpora and
    options give the same model, on any machine or cluster. If a run with a --checkpoint is interrupted, the same
    command makes the mixtures again and goes on learning where it was. Once the model is written, the checkpoint may be
    removed.
    """
    from blsh_trainer.corpora.merging import load_corpora
    from blsh_trainer.learning.checkpoint import read_checkpoint
    from blsh_trainer.learning.options import system_options
    from blsh_trainer.learning.train import train_model
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
    }
    options = system_options(system, {option: value for option, value in given.items() if value is not None})
    _check_outputs(output, checkpoint)
    options.code.kind.check_use(checkpoint, scheduler)
    source = load_corpora(corpora, noise)
    check_outside(source, output, checkpoint)
    if checkpoint is not None:
        read_checkpoint(checkpoint)  # a file that is no checkpoint is refused before the mixing
    say_remarks(source)
    with _pool(scheduler) as pool, progress() as advance:
        model = train_model(source, options, advance, checkpoint=checkpoint, pool=pool)
    save_model(output, model)
    _show(model, output, as_json)


def _show(model: "AnyModel", output: Path, as_json: bool) -> None:
    result = {
        "model": str(output),
        "model_sha256": model.sha256,
        "bits": model.bits,
        "feature_kind": model.feature_kind,
        "dictionary_entries": model.entries,
        "artifact_bytes": output.stat().st_size,
        "card": model.card,
    }
    rows = [
        ("model", str(output)),
        ("sha256", model.sha256),
        ("bits", f"{model.bits} of {model.feature_kind} features"),
        ("dictionary", f"{model.entries:,} frames"),
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

# SPDX-License-Identifier: Apache-2.0
"""`blsh demo`: the whole chain in one command."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, CorpusOrSynthetic, Seed
from blsh_tools.options.geometry import GeometryText, Latency, Rate, chosen_geometry
from blsh_tools.options.numbers_in_range import SECONDS_OF_AUDIO
from blsh_trainer.extras import require


def demo(
    corpus: CorpusOrSynthetic = None,
    board: BoardName = DEFAULT_BOARD,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")] = Path("out/demo"),
    seconds: Annotated[float, SECONDS_OF_AUDIO.option("Seconds of noisy speech to send through the board.")] = 30.0,
    seed: Seed = 0,
    latency: Latency = None,
    rate: Rate = None,
    geometry: GeometryText = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train a model first, on --corpus or a synthetic one: minutes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole chain: take a model, generate, build, boot, compare bit for bit, denoise a recording, measure.

    The model is that of the box (`blsh models`), of 32 ms unless a latency is named. With --corpus, or --train, a model
    is trained first: a quick one of 64 ms unless a latency is named.
    """
    from blsh_hil.boards.table import find_board
    from blsh_tools.demo_chain import DemoOptions, check_demo_folder, run_demo
    from blsh_tools.options.corpora import SYNTHETIC, corpus_or_synthetic
    from blsh_trainer.model.boxed_models import boxed_model
    from blsh_trainer.signals.geometry import CLASSES, RECORDER

    chosen = find_board(board)
    check_demo_folder(output)
    asked = chosen_geometry(latency, rate, geometry)
    trained = train or corpus is not None
    if trained:
        require("jax")
    options = DemoOptions(
        corpus or SYNTHETIC,
        seconds=seconds,
        seed=seed,
        synthetic=corpus is None,
        model=None if trained else boxed_model(asked or CLASSES[DEFAULT_MODEL.name]),
        geometry=asked or RECORDER,
    )
    with progress() as advance:
        source = corpus_or_synthetic(corpus, seed, advance)
        result = run_demo(source, chosen, output, options, advance)
    kind = "SYNTHETIC recordings" if corpus is None else f"corpus {source.name}"
    show(result, as_json, _rows(result, output), f"blsh demo, {board}, {kind}")


def _rows(result: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    quality, scores = result["si_sdr_db"], result["test_mixtures_si_sdr_db"]
    compared = f"{result['frames_compared']} hops x 8 stages"
    instructions = result["instructions"]
    rate_hz, window, hop, synthesis = result["geometry"]
    origin = "trained here" if result["trained"] else "of the box (blsh models)"
    return [
        ("model", f"{result['model']}, {origin}"),
        ("latency", f"{1000 * synthesis / rate_hz:g} ms: windows of {window}, hops of {hop} samples at {rate_hz} Hz"),
        ("SI-SDR of the noisy recording", f"{quality['mixture']:6.2f} dB"),
        ("... float reference", f"{quality['float']:6.2f} dB"),
        ("... integer reference", f"{quality['fixed']:6.2f} dB"),
        (f"... {result['board']}", f"{quality['device']:6.2f} dB"),
        (
            f"mean of {scores['mixtures']} test mixtures",
            f"mixture {scores['mixture']:.2f}, float {scores['float']:.2f}, fixed {scores['fixed']:.2f} dB",
        ),
        ("mismatching values", f"{sum(result['mismatches'].values())} in {compared}"),
        ("... of each stage", ", ".join(f"{stage} {count}" for stage, count in result["mismatches"].items())),
        (
            "flash",
            f"{result['flash_bytes']:,} bytes, {result['dictionaries']} dictionaries of "
            f"{result['dictionary_entries']:,} entries in it",
        ),
        ("RAM", f"{result['ram_bytes']:,} bytes of variables and buffers, {result['stack_bytes']:,} of stack used"),
        (
            "instructions per hop",
            f"{result['instructions_per_hop']:,} ({instructions['millions_per_second']:.1f} M/s), "
            f"at most {instructions['maximum']:,}",
        ),
        ("listen to", f"{folder}/noisy.wav, then {folder}/device.wav"),
        ("files", f"{folder}/: noisy.wav, clean.wav, float.wav, device.wav, spectrograms.png, result.json"),
    ]

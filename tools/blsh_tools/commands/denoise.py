# SPDX-License-Identifier: Apache-2.0
"""`blsh denoise`: a recording in, a WAV out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import (
    DEFAULT_BOARD,
    DEFAULT_MODEL,
    AsJson,
    Attenuation,
    BoardName,
    Gain,
    ModelOption,
    PortUrl,
)
from blsh_tools.options.model import DictionaryOptions
from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import parse_attenuation
from blsh_trainer.suggestions import closest


def denoise(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="WAV, FLAC or another format that soundfile reads; - is standard input."),
    ],
    target: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="WAV to write, mono, 16 bits, at the model's rate; - is standard output."),
    ],
    model: ModelOption = DEFAULT_MODEL,
    engine: Annotated[str, typer.Option(help="`float`, `fixed` (the firmware's integers) or `device`.")] = "float",
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    gain: Gain = None,
    attenuation: Attenuation = None,
    *,
    reduction: DictionaryOptions,
    as_json: AsJson = False,
) -> None:
    """Denoise a recording; the result has the same length and is aligned in time, at the rate of the model.

    The device has its dictionary in its firmware: give --entries and the like to `blsh generate` there. A recording
    that was cut short is denoised as far as it goes. Standard input is kept in a temporary file; it must have a header,
    of WAV or of another format. With OUT - only the WAV goes to standard output, so there is no --json.
    """
    _check_arguments([str(source), str(target), *context.args])
    from blsh_tools.audio.denoise_file import DenoiseOptions, denoise_file
    from blsh_tools.audio.wav_output import is_standard_output

    if port is not None and engine != "device":
        raise BlshError(f"--port {port} is for a board, and the engine {engine} uses none; add --engine device")
    limit = None if attenuation is None else parse_attenuation(attenuation)
    piped = is_standard_output(target)
    if piped and as_json:
        raise BlshError(f"output {target} and --json would both go to standard output; name a file for the output")
    with progress() as advance:
        options = DenoiseOptions(model, engine, board, port, reduction, gain, limit)
        result = denoise_file(source, target, options, advance)
    if piped:
        say(f"standard output: {result['samples']:,} samples at {_khz(result)}, engine {engine}")
        return
    rows = [("written", str(target)), ("samples", f"{result['samples']:,} at {_khz(result)}"), ("engine", engine)]
    if result["attenuation_db"] is not None:
        rows += [("attenuation", f"{result['attenuation_db']} dB at most")]
    if link := result.get("link"):
        rows += [("rate", f"{link['hops_per_second']:.0f} hops/s, {link['times_real_time']:.2f} times real time")]
        rows += [("asked again", f"{link['retries']:,} of {link['requests']:,} requests")]
    show(result, as_json, rows, "Denoised")


def _khz(result: dict[str, Any]) -> str:
    return f"{result['sample_rate_hz'] / 1000:g} kHz"


def _check_arguments(given: list[str]) -> None:
    """Raise BlshError for more than two arguments: often the name of a model is among them."""
    if len(given) == 2:
        return
    from blsh_trainer.model.boxed_models import boxed_models

    names = {text: closest(text, boxed_models()) for text in given}
    model = next((near[0] for near in names.values() if near), "NAME")
    raise BlshError(
        f"{len(given)} arguments, {' '.join(given)}; expected two, IN and OUT. A model is an option: --model {model}"
    )

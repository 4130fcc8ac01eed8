# SPDX-License-Identifier: Apache-2.0
"""`blsh live`: sound through the board in real time, with its latency measured."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import show
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
from blsh_tools.options.numbers_in_range import BUFFER_MS, SECONDS_OF_AUDIO
from blsh_trainer.model.attenuation import parse_attenuation

_SENTENCES = {
    "waiting_to_send": "waiting to be sent",
    "link_and_board": "link and board",
    "waiting_to_play": "waiting to be played",
    "end_to_end": "end to end",
}


def live(
    model: ModelOption = DEFAULT_MODEL,
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    source: Annotated[
        Path | None, typer.Option("--input", metavar="IN", help="Recording to play [default: the microphone].")
    ] = None,
    gain: Gain = None,
    attenuation: Attenuation = None,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="OUT.wav", help="WAV to write [default: the loudspeaker].")
    ] = None,
    buffer: Annotated[
        float, BUFFER_MS.option("Milliseconds from the arrival of the first hop until it is played.", metavar="MS")
    ] = 32.0,
    seconds: Annotated[
        float | None,
        SECONDS_OF_AUDIO.option("Seconds of audio to play; Ctrl-C ends it, too."),
    ] = None,
    microphone: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Name or number [default: the system's].")
    ] = None,
    loudspeaker: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Name or number [default: the system's].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play a recording or a microphone through the board in real time, and measure the latency of every hop.

    With --input and --output no sound device is needed. The output file is what the board puts out, which lags.
    Ctrl-C, SIGTERM and SIGHUP end it in order: the file is complete. A file is kept after an error of the board, too,
    as far as it goes; after 37 hours it is full. If a board is slower than real time, hops come late.
    """
    from blsh_tools.audio.play_live import LiveOptions, play_live

    options = LiveOptions(
        model=model,
        board=board,
        port=port,
        source=source,
        target=target,
        gain_db=gain,
        attenuation=None if attenuation is None else parse_attenuation(attenuation),
        buffer_s=buffer / 1000,
        seconds=seconds,
        microphone=microphone,
        loudspeaker=loudspeaker,
    )
    result = play_live(options)
    show(result, as_json, _rows(result), f"Live: {result['input']} → {board} → {result['output']}")


def _rows(result: dict[str, Any]) -> list[list[str]]:
    latency: dict[str, Any] = result["latency_ms"]
    rows = [["hops", f"{result['hops']:,}, {result['seconds']:g} s"]]
    rows += [["latency: the algorithm", f"{latency['algorithm']:g} ms"]]
    for name, words in _SENTENCES.items():
        if name in latency:
            rows.append([f"... {words}", _spread(latency[name])])
    if result["board_ms"]:
        rows.append(["the board's own work", _spread(result["board_ms"])])
    late = f"{result['late_hops']:,}; {result['underruns']:,} hops of silence in their place"
    rows += [["late hops", late], ["thrown away", f"{result['dropped_hops']:,}"]]
    rows += [["real time", "yes" if result["real_time"] else f"no: {result['speed']} times"]]
    rows += [["asked again", f"{result['link']['retries']:,}; streams {result['streams']}"]]
    return rows


def _spread(part: dict[str, float]) -> str:
    return f"min {part['min']:.1f}, mean {part['mean']:.1f}, 95 % {part['p95']:.1f}, most {part['max']:.1f} ms"

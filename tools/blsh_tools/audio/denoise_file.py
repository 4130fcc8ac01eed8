"""`blsh denoise`: a file in, a file out, by any of the engines."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.spec.constants import HOP
from blsh_firmware.build.images import reach
from blsh_hil.boards.session import connect
from blsh_hil.link.client import BoardClient
from blsh_tools.audio.engines import ENGINES, DeviceEngine, FixedEngine, FloatEngine, Samples
from blsh_tools.audio.recordings import (
    MOST_SAMPLES,
    STANDARD_OUTPUT,
    Recording,
    as_file,
    open_recording,
    pipe_wav_blocks,
    say_remarks,
    write_wav_blocks,
)
from blsh_tools.console import say
from blsh_tools.options.model import DictionaryOptions, sized
from blsh_tools.options.outputs import check_wav_output
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model, load_model
from blsh_trainer.progress import Progress
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

_LONG = 60 * SAMPLE_RATE_HZ  # of what is shorter the progress is not worth a line


def denoise_file(
    source: Path,
    target: Path,
    *,
    model_path: Path,
    engine: str,
    board_name: str,
    port: str | None,
    reduction: DictionaryOptions,
    gain_db: float | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Denoise `source` into `target` (16 kHz, mono, 16 bits); returns what was done, as JSON values.

    Either may be "-". reduction: the device takes none. gain_db: see open_recording. Memory does not depend on the
    length. Raises BlshError for whatever cannot be used, and then writes nothing.
    """
    if engine not in ENGINES:
        raise BlshError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if engine == "device" and (given := reduction.given()):
        raise BlshError(
            f"{', '.join(given)}: the device's dictionary is in its firmware; run blsh generate with these options"
        )
    piped = str(target) in STANDARD_OUTPUT
    if not piped:
        check_wav_output(target, source)
    with ExitStack() as closing:
        recording = open_recording(closing.enter_context(as_file(source)), gain_db)
        say_remarks(source, recording)
        if recording.samples > MOST_SAMPLES:
            raise BlshError(f"{source} is longer than a WAV file can hold, {MOST_SAMPLES} samples; cut it in parts")
        model = load_model(model_path)
        client = None
        if engine == "device":
            client = closing.enter_context(connect(*reach(board_name, port, model, say, pushed=True)))
            pieces = DeviceEngine(client, progress).stream(recording.hops(), recording.hop_count, recording.samples)
        else:
            pieces = _computed(engine, model, sized(reduction.wishes(), model.entries), recording, progress)
        began = time.monotonic()
        written = pipe_wav_blocks(pieces, recording.samples) if piped else write_wav_blocks(target, pieces)
        link = {} if client is None else _link_figures(client, written, time.monotonic() - began)
    return {
        "input": str(source),
        "output": str(target),
        "engine": engine,
        "samples": written,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "resampled_from_hz": recording.rate_hz if recording.rate_hz != SAMPLE_RATE_HZ else None,
        "channels_averaged": recording.channels,
        "model_sha256": model.sha256,
        **link,
    }


def _computed(
    engine: str, model: Model, options: GenerateOptions, recording: Recording, progress: Progress
) -> Iterator[Samples]:
    """What the float or the fixed engine makes of a recording, piece by piece; of a long one the progress is shown."""
    if engine == "float":
        pieces = FloatEngine(model, options).stream(recording.sound())
    else:
        pieces = FixedEngine(model, options).stream(recording.hops(), recording.samples)
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        if recording.samples > _LONG:
            progress("denoising", done // HOP, recording.samples // HOP)


def _link_figures(client: BoardClient, samples: int, seconds: float) -> dict[str, Any]:
    """How fast the board was, all that was asked again included."""
    rates = {"hops_per_second": samples / HOP / seconds, "times_real_time": samples / SAMPLE_RATE_HZ / seconds}
    return {"link": {**{name: round(rate, 3) for name, rate in rates.items()}, **client.counts.to_dict()}}

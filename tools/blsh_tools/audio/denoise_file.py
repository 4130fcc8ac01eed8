# SPDX-License-Identifier: Apache-2.0
"""Denoise a recording into a WAV file, by any of the engines."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blsh_hil.boards.session import connect
from blsh_hil.link.client import BoardClient
from blsh_tools.audio.engines import ENGINES, DeviceEngine, FixedEngine, FloatEngine, Samples
from blsh_tools.audio.recordings import Recording, as_file, open_recording, say_remarks
from blsh_tools.audio.wav_output import (
    MOST_SAMPLES,
    check_wav_output,
    is_standard_output,
    pipe_wav_blocks,
    write_wav_blocks,
)
from blsh_tools.console import say
from blsh_tools.options.arguments import DEFAULT_BOARD
from blsh_tools.options.model import DictionaryOptions, ModelOptions, sized
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.model.attenuation import ATTENUATION_OFF
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import unknown

_LONG_S = 20  # seconds of the shortest recording whose progress is worth a line


@dataclass(frozen=True)
class DenoiseOptions:
    """The options of denoising a recording.

    model: the artifact. engine: one of ENGINES. board, port: for the engine `device`. reduction: for the other engines.
    gain_db: see open_recording. attenuation: the limit, None for the model's own.
    """

    model: Path
    engine: str = "float"
    board: str = DEFAULT_BOARD
    port: str | None = None
    reduction: DictionaryOptions | ModelOptions = field(default_factory=DictionaryOptions)
    gain_db: float | None = None
    attenuation: int | None = None

    def check(self) -> None:
        """Raise BlshError for an unknown engine, and for a reduction that the engine cannot heed."""
        if self.engine not in ENGINES:
            raise BlshError(f"engine {self.engine!r} {unknown(self.engine, ENGINES)}")
        if self.engine == "device" and (given := self.reduction.given()):
            raise BlshError(
                f"{', '.join(given)}: the device's dictionary is in its firmware; run blsh generate with these options"
            )


def denoise_file(source: Path, target: Path, options: DenoiseOptions, progress: Progress) -> dict[str, Any]:
    """Denoise `source` into `target` (at the model's rate, mono, 16 bits). Return a record of the work, as JSON values.

    Either may be "-". The memory that is needed does not depend on the length. Raises BlshError for whatever cannot be
    used, and then writes nothing.
    """
    options.check()
    piped = is_standard_output(target)
    if not piped:
        check_wav_output(target, source)
    with ExitStack() as closing:
        sound = closing.enter_context(as_file(source))
        model = load_model(options.model)
        rate_hz = model.geometry.rate_hz
        limit = model.attenuation if options.attenuation is None else options.attenuation
        recording = open_recording(sound, model.geometry, options.gain_db)
        say_remarks(source, recording)
        if recording.samples > MOST_SAMPLES:
            raise BlshError(f"{source} is longer than a WAV file can hold, {MOST_SAMPLES} samples; cut it in parts")
        client = None
        if options.engine == "device":
            from blsh_firmware.build.images import reach  # half a second, which the other engines need not wait for

            client = closing.enter_context(connect(*reach(options.board, options.port, model, say, pushed=True)))
            engine = DeviceEngine(client, progress, options.attenuation)
            pieces = engine.stream(recording.hops(), recording.hop_count, recording.samples)
        else:
            pieces = _computed(model, options, recording, progress)
        began = time.monotonic()
        written = (
            pipe_wav_blocks(pieces, recording.samples, rate_hz) if piped else write_wav_blocks(target, pieces, rate_hz)
        )
        link = {} if client is None else _link_figures(client, written, time.monotonic() - began)
    return {
        "input": str(source),
        "output": str(target),
        "engine": options.engine,
        "samples": written,
        "sample_rate_hz": rate_hz,
        "resampled_from_hz": recording.rate_hz if recording.rate_hz != rate_hz else None,
        "channels_averaged": recording.channels,
        "attenuation_db": None if limit == ATTENUATION_OFF else limit,
        "model_sha256": model.sha256,
        **link,
    }


def _computed(model: AnyModel, options: DenoiseOptions, recording: Recording, progress: Progress) -> Iterator[Samples]:
    """Yield `recording` denoised by the float or the fixed engine, in pieces; show the progress of a long one."""
    reduction = sized(options.reduction.wishes(), model.entries)
    if options.engine == "float":
        pieces = FloatEngine(model, reduction, options.attenuation).stream(recording.sound())
    else:
        pieces = FixedEngine(model, reduction, options.attenuation).stream(recording.hops(), recording.samples)
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        geometry = recording.geometry
        if recording.samples > _LONG_S * geometry.rate_hz:
            progress("denoising", done // geometry.hop, recording.samples // geometry.hop)


def _link_figures(client: BoardClient, samples: int, seconds: float) -> dict[str, Any]:
    """Return how fast the board was, repeated requests included, as JSON values."""
    geometry = client.geometry
    rates = {
        "hops_per_second": samples / geometry.hop / seconds,
        "times_real_time": samples / geometry.rate_hz / seconds,
    }
    return {"link": {**{name: round(rate, 3) for name, rate in rates.items()}, **client.counts.to_dict()}}

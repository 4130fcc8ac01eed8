"""`blsh denoise`: a file in, a file out, by any of the engines."""

import time
from pathlib import Path
from typing import Any

from blsh_codegen.fixed import HOP
from blsh_hil.client import BoardClient
from blsh_hil.session import connect
from blsh_tools.console import say
from blsh_tools.engines import ENGINES, DeviceEngine, FixedEngine, FloatEngine
from blsh_tools.firmware import reach
from blsh_tools.model_options import DictionaryOptions, sized
from blsh_tools.outputs import check_wav_output
from blsh_tools.recordings import open_recording, say_conversion, write_wav_blocks
from blsh_trainer.arrays import Progress
from blsh_trainer.artifact import load_model
from blsh_trainer.audio import read_audio, require_sound, write_wav
from blsh_trainer.errors import BlshError
from blsh_trainer.spectra import SAMPLE_RATE_HZ


def denoise_file(
    source: Path,
    target: Path,
    *,
    model_path: Path,
    engine: str,
    board_name: str,
    port: str | None,
    reduction: DictionaryOptions,
    progress: Progress,
) -> dict[str, Any]:
    """Denoise `source` into `target` (16 kHz, mono, 16 bits); returns what was done, as JSON values.

    reduction: the device takes none. Raises BlshError for whatever cannot be used, and then writes nothing.
    """
    if engine not in ENGINES:
        raise BlshError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if engine == "device" and (given := reduction.given()):
        raise BlshError(
            f"{', '.join(given)}: the device's dictionary is in its firmware; run blsh generate with these options"
        )
    check_wav_output(target, source)
    if engine == "device":
        recording = open_recording(source)
        rate_hz, channels = recording.rate_hz, recording.channels
        say_conversion(source, rate_hz, channels)
        model = load_model(model_path)
        with connect(*reach(board_name, port, model, say, pushed=True)) as client:
            denoiser = DeviceEngine(client, progress)
            began = time.monotonic()
            pieces = denoiser.stream(recording.hops(), recording.hop_count, recording.samples)
            written = write_wav_blocks(target, pieces)
            link = _link_figures(client, written, time.monotonic() - began)
    else:
        audio = read_audio(source)
        require_sound(audio, source)
        rate_hz, channels = audio.source_rate_hz, audio.source_channels
        say_conversion(source, rate_hz, channels)
        model = load_model(model_path)
        options = sized(reduction.wishes(), model.entries)
        output = (FloatEngine if engine == "float" else FixedEngine)(model, options).denoise(audio.samples)
        write_wav(target, output)
        written, link = len(output), {}
    return {
        "input": str(source),
        "output": str(target),
        "engine": engine,
        "samples": written,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "resampled_from_hz": rate_hz if rate_hz != SAMPLE_RATE_HZ else None,
        "channels_averaged": channels,
        "model_sha256": model.sha256,
        **link,
    }


def _link_figures(client: BoardClient, samples: int, seconds: float) -> dict[str, Any]:
    """How fast the board was, all that was asked again included."""
    rates = {"hops_per_second": samples / HOP / seconds, "times_real_time": samples / SAMPLE_RATE_HZ / seconds}
    return {"link": {**{name: round(rate, 3) for name, rate in rates.items()}, **client.counts.to_dict()}}

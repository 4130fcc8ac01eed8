"""`blsh denoise`: a file in, a file out, by any of the engines."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from blsh_codegen.generate import GenerateOptions
from blsh_hil.session import connect
from blsh_tools.console import say
from blsh_tools.engines import ENGINES, DeviceEngine, Engine, FixedEngine, FloatEngine
from blsh_tools.firmware import reach
from blsh_tools.outputs import check_output
from blsh_trainer.arrays import Progress
from blsh_trainer.artifact import load_model
from blsh_trainer.audio import Audio, read_audio, require_sound, write_wav
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
    reduction: dict[str, Any],
    options: Callable[[int], GenerateOptions],
    progress: Progress,
) -> dict[str, Any]:
    """Denoise `source` into `target` (16 kHz, mono, 16 bits); returns what was done, as JSON values.

    reduction: options that were given for the dictionary; the device takes none. options: GenerateOptions for an
    artifact with so many entries. Raises BlshError for whatever cannot be used, and then writes nothing.
    """
    if engine not in ENGINES:
        raise BlshError(f"engine {engine!r} is unknown; choose one of {', '.join(ENGINES)}")
    if engine == "device" and reduction:
        raise BlshError(
            f"{', '.join(reduction)}: the device's dictionary is in its firmware; run blsh generate with these options"
        )
    if target.resolve() == source.resolve():
        raise BlshError(f"{target} is the input itself; name another file for the output")
    if target.suffix.lower() != ".wav":
        raise BlshError(f"output {target} would be a WAV file by another name; end its name in .wav")
    check_output(target)
    audio = read_audio(source)
    require_sound(audio, source)
    _say_conversion(source, audio)
    model = load_model(model_path)
    with ExitStack() as cleanup:
        denoiser: Engine
        if engine == "device":
            client = cleanup.enter_context(connect(*reach(board_name, port, model, say, pushed=True)))
            denoiser = DeviceEngine(client, progress)
        else:
            denoiser = (FloatEngine if engine == "float" else FixedEngine)(model, options(model.entries))
        output = denoiser.denoise(audio.samples)
    write_wav(target, output)
    return {
        "input": str(source),
        "output": str(target),
        "engine": engine,
        "samples": len(output),
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "resampled_from_hz": audio.source_rate_hz if audio.source_rate_hz != SAMPLE_RATE_HZ else None,
        "channels_averaged": audio.source_channels,
        "model_sha256": model.sha256,
    }


def _say_conversion(source: Path, audio: Audio) -> None:
    if audio.source_rate_hz != SAMPLE_RATE_HZ:
        say(f"{source}: resampled from {audio.source_rate_hz} Hz to {SAMPLE_RATE_HZ} Hz")
    if audio.source_channels != 1:
        say(f"{source}: {audio.source_channels} channels averaged")

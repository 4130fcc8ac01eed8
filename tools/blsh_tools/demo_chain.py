# SPDX-License-Identifier: Apache-2.0
"""Go the whole way: from recordings to a microcontroller that denoises, and to the proof that it computes rightly."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_codegen.project import project_root
from blsh_firmware.build.images import Image, build_image, generate_firmware, generated_folder
from blsh_hil.boards.board import Board
from blsh_hil.boards.project_lock import project_lock
from blsh_hil.boards.session import connect
from blsh_hil.link.child_process import run_child
from blsh_hil.prove.compare import Comparison, compare
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, InstructionCounts, count_instructions
from blsh_tools.audio.engines import DeviceEngine, Engine, FixedEngine, FloatEngine
from blsh_tools.audio.spectrogram_picture import draw_spectrograms
from blsh_tools.console import say
from blsh_tools.narration import detail
from blsh_tools.options.outputs import check_output
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, evaluate_systems
from blsh_trainer.evaluation.listening_passage import Listening, make_listening
from blsh_trainer.evaluation.protocols import DrawnMixtures, mixtures_at
from blsh_trainer.files import replacing
from blsh_trainer.model.artifact import AnyModel, load_model, save_model
from blsh_trainer.progress import Progress
from blsh_trainer.replacing_folder import scratch_beside
from blsh_trainer.signals.audio import to_int16, write_wav
from blsh_trainer.signals.geometry import RECORDER, Geometry

TRAINING = {"passes": 3, "steps": 8000}
"""Options of `blsh train`: fewer scenes and steps than by default, a minute or two on two cores."""

_LEAVE_S = 10.0

_MEASURED_S = 2.0  # of audio, whose instructions are counted
_RECORDINGS = ("noisy", "clean", "float", "fixed", "device")
_FILES = ("model.npz", *(f"{name}.wav" for name in _RECORDINGS), "spectrograms.png", "result.json")


@dataclass(frozen=True)
class DemoOptions:
    """The options of the demo; the defaults are those of `make demo`.

    recordings: the folder of the corpus. model: the artifact to take; None trains one of `geometry` on the corpus.
    seconds, snr_db: of the recording that goes through the board. mixtures: of the test split, to score the engines on.
    synthetic: whether the corpus is; result.json says so.
    """

    recordings: Path
    model: AnyModel | None = None
    seconds: float = 30.0
    snr_db: float = 0.0
    mixtures: int = 24
    seed: int = 0
    synthetic: bool = False
    geometry: Geometry = RECORDER


def check_demo_folder(folder: Path) -> None:
    """Raise BlshError unless the files of a demo can be written into `folder`."""
    for name in _FILES:
        check_output(folder / name)


def run_demo(corpus: Corpus, board: Board, folder: Path, options: DemoOptions, progress: Progress) -> dict[str, Any]:
    """Train unless there is a model, generate, build, compare, denoise, measure. Write all into `folder`.

    Return the contents of result.json.

    Everything is made beside `folder` and moved there at the end, over the files of an earlier demo. Raises BlshError
    before any work if the corpus lacks something, and at the end if the board differs from the reference.
    """
    for kind in ("speech", "noise"):
        corpus.select(kind, "test")
    with scratch_beside(folder) as staging:
        result, difference = _make_demo(corpus, board, staging, options, progress)
        for name in _FILES:
            with replacing(folder / name) as temporary:
                (staging / name).replace(temporary)
    if difference is not None:
        raise BlshError(
            f"{board.name} does not compute what the reference says: {difference}; all counts are in "
            f"{folder / 'result.json'}; to see more: blsh hil --board {board.name} --model {folder / 'model.npz'}"
        )
    return result


def _make_demo(
    corpus: Corpus, board: Board, folder: Path, options: DemoOptions, progress: Progress
) -> tuple[dict[str, Any], str | None]:
    """Return the result, and the first difference between board and reference, if there is one."""
    # First, because the corpus may have too little speech for it.
    geometry = options.model.geometry if options.model else options.geometry
    listening = make_listening(corpus, options.seconds, options.snr_db, options.seed + 1, geometry.rate_hz)
    times: dict[str, float] = {}
    if options.model is None:
        with _timed("train", times):
            model = _train(folder / "model.npz", options)
    else:
        model = options.model
        save_model(folder / "model.npz", model)
    whole = GenerateOptions()
    with project_lock(project_root()):  # no other program generates a model in between
        with _timed("generate", times):
            generate_firmware(model, whole, generated_folder())
        with _timed("build", times):
            image = build_image(board, detail, model=model)
    float_engine, fixed_engine = FloatEngine(model, whole), FixedEngine(model, whole)
    engines: dict[str, Engine] = {"float": float_engine, "fixed": fixed_engine}
    on_board = _run_board(image, fixed_engine.reference, listening, times, progress)
    with _timed("evaluate", times):
        scores = _scores(engines, corpus, options, geometry.rate_hz, progress)
    with _timed("write", times):
        outputs = {name: engine.denoise(listening.noisy) for name, engine in engines.items()}
        outputs["device"] = on_board.output
        _write_recordings(folder, listening, outputs, geometry)
    recordings = {"mixture": listening.noisy, **outputs}
    result = {
        "board": board.name,
        "geometry": list(geometry.numbers),
        "model": model.name,
        "trained": options.model is None,
        "corpus": {"name": corpus.name, "sha256": corpus.sha256, "synthetic": options.synthetic},
        "si_sdr_db": {name: _rounded(listening.mean_si_sdr(signal)) for name, signal in recordings.items()},
        "test_mixtures_si_sdr_db": scores,
        "mismatches": on_board.comparison.mismatches,
        "frames_compared": on_board.comparison.hops,
        "device_equals_fixed": bool(np.array_equal(outputs["device"], outputs["fixed"])),
        "seconds_of_audio": round(listening.seconds, 2),
        "recordings": listening.describe(),
        "instructions_per_hop": round(on_board.counts.mean),
        "instructions": on_board.counts.to_dict(),
        "stack_bytes": on_board.stack_bytes,
        **_size(image, model),
        "wall_seconds": {name: round(seconds, 1) for name, seconds in times.items()},
    }
    (folder / "result.json").write_text(json.dumps(result, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if not on_board.comparison.exact:
        return result, str(on_board.comparison.first or "digests differ")
    return result, None if result["device_equals_fixed"] else "streamed samples differ"


def _train(output: Path, options: DemoOptions) -> AnyModel:
    """Return the model that `blsh train` writes to `output`. SystemExit where it fails: it has said why.

    It is a process of its own: the learner's threads must not be there when boards are started, which forks.
    """
    given = {"output": output, "name": "demo", "seed": options.seed, "geometry": options.geometry, **TRAINING}
    flags = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-m", "blsh_tools.cli", "train", *flags, "--", str(options.recordings)]
    code = run_child(command, _LEAVE_S, subprocess.DEVNULL)
    if code:
        raise SystemExit(code if code > 0 else 128 - code)
    return load_model(output)


@dataclass(frozen=True)
class _OnBoard:
    """The results of the board: the comparison of every stage, the denoised recording, the instructions counted."""

    comparison: Comparison
    output: FloatArray
    counts: InstructionCounts
    stack_bytes: int


def _run_board(
    image: Image, reference: VectorisedDenoiser, listening: Listening, times: dict[str, float], progress: Progress
) -> _OnBoard:
    geometry = reference.model.geometry
    hops = padded_to_hops(to_int16(listening.noisy), geometry)
    with connect(image.target(None), image.expected) as client:
        with _timed("compare", times):
            comparison = compare(client, reference, hops, progress)
        with _timed("denoise on the board", times):
            output = DeviceEngine(client, progress).denoise(listening.noisy)
        stack_bytes = client.hello().stack_bytes_used
    measured = image.target(None, icount_shift=ICOUNT_SHIFT)
    with _timed("count instructions", times), connect(measured, image.expected) as client:
        part = hops[: round(_MEASURED_S * geometry.hops_per_second) * geometry.hop]
        counts = count_instructions(client, part, progress)
    return _OnBoard(comparison, output, counts, stack_bytes)


def _scores(
    engines: dict[str, Engine], corpus: Corpus, options: DemoOptions, rate_hz: int, progress: Progress
) -> dict[str, Any]:
    drawn = DrawnMixtures(corpus, "test", (options.snr_db,), options.mixtures, options.seed)
    mixtures = mixtures_at(drawn, rate_hz)
    systems = {name: Blind(engine) for name, engine in engines.items()}
    found = evaluate_systems(systems, mixtures, ("si_sdr_db",), seed=options.seed, progress=progress)
    means = {name: _rounded(found.find(name, "si_sdr_db", options.snr_db).mean) for name in (MIXTURE, *systems)}
    return {"mixtures": options.mixtures, **means}


def _write_recordings(folder: Path, listening: Listening, outputs: dict[str, Any], geometry: Geometry) -> None:
    recordings = {"noisy": listening.noisy, "clean": listening.clean, **outputs}
    for name in _RECORDINGS:
        write_wav(folder / f"{name}.wav", recordings[name], geometry.rate_hz)
    titles = {
        "noisy": "noisy.wav: what the microphone hears",
        "clean": "clean.wav: the speech in it",
        "float": "float.wav: denoised in double precision",
        "device": "device.wav: denoised by the microcontroller",
    }
    shown = {title: recordings[name] for name, title in titles.items()}
    draw_spectrograms(shown, geometry, folder / "spectrograms.png")


def _size(image: Image, model: AnyModel) -> dict[str, Any]:
    size = image.to_dict()
    kept = ("flash_bytes", "ram_bytes", "build_id", "model_sha256", "dictionary_entries", "bits")
    own = {name: getattr(model, name) for name in ("dictionaries", "feature_kind", "neighbours")}
    return {**{name: size[name] for name in kept}, **own}


@contextmanager
def _timed(name: str, times: dict[str, float]) -> Iterator[None]:
    say(f"== {name}")
    start = time.monotonic()
    yield
    times[name] = time.monotonic() - start


def _rounded(decibels: float) -> float:
    return round(decibels, 3)

"""A small model, random in all it holds, and firmware that holds it: for tests and the fuzzer."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_hil.boards.catalogue import Board
from blsh_hil.wire import protocol_header
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.spectra import feature_count


def random_model(seed: int = 4, *, bits: int = 50, entries: int = 128, neighbours: int = 10) -> IntegerModel:
    """An integer model of mel features and binary masks; the same for the same seed."""
    rng = np.random.default_rng(seed)
    projections = rng.normal(size=(bits, feature_count("mel")))
    artifact = Model(
        name="random",
        feature_kind="mel",
        neighbours=neighbours,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(bits),
        code_bits=rng.random((entries, bits)) < 0.5,
        mask_levels=(rng.random((entries, 513)) < 0.5).astype(np.uint8),
        card={},
    )
    return integer_model(artifact, GenerateOptions())


def generate_into(folder: Path, model: IntegerModel) -> Path:
    """Write the C files of `model` and the protocol header to `folder`; returns it."""
    generate(model, GenerateOptions(), folder)
    protocol_header.write(folder)
    return folder


def build_elf(board: Board, model: IntegerModel, folder: Path, arguments: Sequence[str | Path] = ()) -> Path:
    """The firmware of `board` with `model`, by the compiler alone: PlatformIO's start would cost more than the build.

    folder: is filled with a copy of firmware/. arguments: more of them, or sources, for the compiler.
    Raises BlshError with its words if it refuses.
    """
    root = folder / "project"
    shutil.copytree(project_root() / "firmware", root / "firmware", ignore=shutil.ignore_patterns("generated"))
    generate_into(root / "firmware" / "generated", model)
    sources = [path for part in ("core", "app", "generated") for path in sorted((root / "firmware" / part).glob("*.c"))]
    elf = folder / f"{board.name}.elf"
    command = [*board.compile_command(root, elf, sources), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BlshError(f"the firmware of {board.name} does not build:\n{done.stderr[-4000:]}")
    return elf

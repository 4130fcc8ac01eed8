# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the command's tests: a tiny corpus, a model of it, projects to build firmware in, `blsh` in a folder.

Nothing here touches the checkout: every run gets BLSH_PROJECT, a copy of the firmware project.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.project import project_root
from blsh_firmware.build.project_files import copy_project
from blsh_trainer.model.artifact import load_model, save_model

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import SEED, TRAINING, Samples, noise, speech, write_corpus

MadeOnce = Callable[[str, Callable[[Path], object]], Path]
Require = Callable[..., None]
"""The fixture `require` of blsh_suite.shared_fixtures."""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Return a function that returns a folder by name. The first process that asks fills it; read only."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        done = shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(shared / name, ignore_errors=True)  # the folder of a process that failed to fill it
                (shared / name).mkdir()
                fill(shared / name)
                done.touch()
        return shared / name

    return folder


@pytest.fixture(scope="session")
def corpus(made_once: MadeOnce) -> Path:
    """Return a corpus of a few seconds; read only."""
    return made_once("corpus", write_corpus)


@pytest.fixture(scope="session")
def noisy() -> Samples:
    """Return speech in noise, 12,345 samples at 16 kHz: no whole number of hops."""
    rng = np.random.default_rng(SEED + 1)
    return np.round((speech(12_345, rng) + 0.5 * noise(12_345, rng)) * 32768) / 32768


# ---- models and projects ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def empty_project(made_once: MadeOnce) -> Path:
    """Return a copy of the checkout's firmware project with nothing generated; read only."""
    return made_once("empty-project", lambda folder: copy_project(project_root(), folder))


@pytest.fixture(scope="session")
def model(made_once: MadeOnce, corpus: Path, empty_project: Path) -> Path:
    """Return an artifact that `blsh train` wrote; read only."""

    def train(folder: Path) -> None:
        Blsh(folder, empty_project).succeed("train", corpus, "-o", "model.npz", *TRAINING)

    return made_once("model", train) / "model.npz"


@pytest.fixture(scope="session")
def other_model(made_once: MadeOnce, model: Path) -> Path:
    """Return the same model with another card: it computes the same, and is another artifact."""
    other = load_model(model).with_metrics({"other": True})
    return made_once("other", lambda folder: save_model(folder / "model.npz", other)) / "model.npz"


@pytest.fixture(scope="session")
def generated_project(made_once: MadeOnce, model: Path) -> Path:
    """Return a project whose firmware was generated from `model`, and not built; read only."""

    def generate(folder: Path) -> None:
        Blsh(folder, copy_project(project_root(), folder)).succeed("generate", model)

    return made_once("generated-project", generate)


@pytest.fixture(scope="session")
def built_project(made_once: MadeOnce, generated_project: Path, require: Require) -> Path:
    """Return a project whose firmware was generated from `model` and built; read only."""
    require("arm-none-eabi-gcc")

    def build(folder: Path) -> None:
        Blsh(folder, copy_project(generated_project, folder, generated=True)).succeed("build")

    return made_once("built-project", build)


@pytest.fixture(scope="session")
def slots_project(made_once: MadeOnce, model: Path, empty_project: Path) -> Path:
    """Return a project whose firmware takes pushed models, generated and not built yet; read only."""

    def fill(folder: Path) -> None:
        copy_project(empty_project, folder)
        Blsh(folder, folder).succeed("generate", model, "--slots")

    return made_once("slots-project", fill)


@pytest.fixture
def blsh(tmp_path: Path, empty_project: Path) -> Blsh:
    """Return `blsh` in an empty folder, with a project in which nothing is generated."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Blsh(folder, empty_project)


@pytest.fixture
def built(blsh: Blsh, built_project: Path) -> Blsh:
    """Return `blsh` in an empty folder, with a project whose firmware is built."""
    return Blsh(blsh.cwd, built_project)


@pytest.fixture(scope="session")
def emulator(require: Require) -> None:
    """Skip a test where there is no emulator."""
    require("qemu-system-arm")


@pytest.fixture
def generated(tmp_path: Path, blsh: Blsh, generated_project: Path) -> Blsh:
    """Return `blsh` with a project of its own, generated but not built."""
    return Blsh(blsh.cwd, copy_project(generated_project, tmp_path / "project", generated=True))


@pytest.fixture
def bench(blsh: Blsh, corpus: Path, model: Path, noisy: Samples) -> Bench:
    return Bench(blsh.cwd, corpus, model, noisy)

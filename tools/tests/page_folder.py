# SPDX-License-Identifier: Apache-2.0
"""Prepare a folder in which a page's commands can be typed, and type them. CONTRIBUTING.md lists what is in it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from blsh_firmware.build.project_files import copy_project
from blsh_trainer.model.artifact import Model, save_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.masks import find_mask_kind

from . import tiny_corpus
from .blsh_command import ENVIRONMENT
from .page_output import SIGN, wrong_output
from .pages import ROOT, Block
from .tiny_corpus import corpus_rows, write_manifest

PAGE_TIMEOUT_S = 900
_RATE_HZ = 16_000
_CMAKE_PROJECT = "cmake_minimum_required(VERSION 3.16)\nproject(page C)\nadd_executable(firmware main.c)\n"
_CMAKE_PROGRAM = (
    '#include "blsh_model.h"\nstatic blsh_state_t state;\nint main(void) { return blsh_init(&state, &blsh_model); }\n'
)
_NOT_FOR_SALE = "noise/train1.flac"  # for `--without '*NC*'`
_PROGRAMS = Path(".venv") / "bin"


def fill_page_folder(folder: Path) -> None:
    """Write recordings, corpora, models, the firmware's project and the programs of a set-up checkout into `folder`."""
    rng = np.random.default_rng(tiny_corpus.SEED)
    clean = tiny_corpus.speech(3 * _RATE_HZ, rng)
    soundfile.write(folder / "clean.wav", clean, _RATE_HZ)
    soundfile.write(folder / "noisy.wav", clean + tiny_corpus.noise(clean.size, rng), _RATE_HZ)
    tiny_corpus.write_corpus(folder / "recordings")
    licences = ({"licence": "CC BY-NC 4.0" if row["path"] == _NOT_FOR_SALE else "CC0"} for row in corpus_rows())
    write_manifest(folder / "recordings", [row | more for row, more in zip(corpus_rows(), licences, strict=True)])
    _write_more(folder, rng)
    copy_project(ROOT, folder)
    for name in ("examples", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("out", "results"))
    for name in ("hil_tests", "conftest.py", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    write_programs(folder / _PROGRAMS)
    (folder / "out").mkdir()
    box = boxed_models()
    for name, boxed in (("model", "intercom-small"), ("hearing", "hearing"), ("other", "intercom")):
        shutil.copy(box[boxed], folder / "out" / f"{name}.npz")
    shutil.copy(folder / "out" / "model.npz", folder / "model.npz")
    for seed, name in enumerate(("extended", "other-extended")):
        save_model(folder / "out" / f"{name}.npz", any_extended(name, seed))


def any_extended(name: str, seed: int) -> Model:
    """Return a model of the shape of the extended system's, 4 096 entries of 128 bits, with random contents."""
    rng = np.random.default_rng(seed)
    masks = find_mask_kind("bands", RECORDER)
    return Model(
        name=name,
        feature_kind="tracked",
        neighbours=8,
        projections=rng.normal(size=(128, find_feature_kind("tracked").count(RECORDER))),
        biases=0.1 * rng.normal(size=128),
        betas=np.linspace(1, 0.1, 128),
        code_bits=rng.random((4096, 128)) < 0.5,
        mask_levels=rng.integers(0, masks.top + 1, (4096, masks.width)).astype(np.uint8),
        mask_kind="bands",
        card={"seed": seed},
        nested=True,
    )


def _write_more(folder: Path, rng: np.random.Generator) -> None:
    """Write more corpora: more/ (folders), TIMIT/ and noises/ for it."""
    files = {f"noises/kind{number}.wav": None for number in range(6)}
    files |= {f"more/speech/voice{number}/0.wav": number for number in range(12)}
    files |= {f"more/noise/kind{number}.wav": None for number in range(6)}
    places = [f"{split}/DR1/M{split[:2]}{number}" for split in ("TRAIN", "TEST") for number in range(10)]
    files |= {f"TIMIT/{place}/SA1.WAV": number for number, place in enumerate(places)}
    for name, speaker in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        samples = tiny_corpus.noise(20_000, rng) if speaker is None else tiny_corpus.speech(20_000, rng)
        soundfile.write(folder / name, samples, _RATE_HZ)


def write_programs(folder: Path) -> None:
    """Write the programs of a set-up checkout: `blsh`, made quick, Python and PlatformIO; and `make`.

    `make` without -C does nothing: what a target does has tests of its own, and most take minutes.
    """
    folder.mkdir(parents=True)
    here = Path(sys.executable).parent
    lines = {
        "blsh": f'exec "{sys.executable}" "{Path(__file__).with_name("quick_blsh.py")}" "{here / "blsh"}" "$@"',
        "python": f'exec "{sys.executable}" "$@"',
        "pio": f'exec "{here / "pio"}" "$@"',
        "make": '[[ " $* " == *" -C "* ]] || exit 0\nexec /usr/bin/make "$@"',
    }
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        (folder / name).chmod(0o755)


def script_of(blocks: Sequence[Block], folder: Path) -> str:
    """Return the shell script that does in `folder` what a page's blocks say, in order.

    Before each block it names the block's line on standard error.
    """
    lines = ["set -e -o pipefail"]
    for number, block in enumerate(blocks):
        lines.append(f"echo '{SIGN}{block.place}' >&2")
        if block.runs and "first" in block.marks:
            lines.append(block.marks["first"])
        text = folder / f".block-{number}"
        for mark, sign in (("file", ">"), ("added to", ">>")):
            if target := block.marks.get(mark):
                text.write_text(block.text, encoding="utf-8")
                lines.append(f'mkdir -p "$(dirname "{target}")" && cat "{text}" {sign} "{target}"')
        if block.runs and block.language == "python":
            text.write_text(block.text, encoding="utf-8")
            lines.append(f'python "{text}"')
        elif block.runs and block.language == "cmake":
            text.write_text(_CMAKE_PROJECT + block.text, encoding="utf-8")
            (folder / "main.c").write_text(_CMAKE_PROGRAM, encoding="utf-8")
            build = f"out/cmake-{number}"
            lines += [f'cp "{text}" CMakeLists.txt', f"cmake -B {build}", f"cmake --build {build}"]
        elif block.runs:
            lines.append(block.text)
    return "\n".join([*lines, ""])


def run_page(blocks: Sequence[Block], folder: Path) -> str:
    """Run a page's blocks in `folder`. Return "" if all went well and the outputs that it shows are true.

    Else return the block, and the end of what was said or the lines that were not printed.
    """
    variables = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "PYTEST_ADDOPTS")}
    variables |= ENVIRONMENT | {"BLSH_PROJECT": str(folder), "BLSH_CORPUS": str(folder / "recordings")}
    variables["PATH"] = f"{folder / _PROGRAMS}:{variables['PATH']}"
    script = folder / ".page.sh"
    script.write_text(script_of(blocks, folder), encoding="utf-8")
    said = folder / ".said"
    with (
        said.open("w") as stream,
        subprocess.Popen(
            ["bash", script], cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            code: int | str = process.wait(timeout=PAGE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = f"none after {PAGE_TIMEOUT_S} s"
        finally:
            _end(process.pid)
    text = said.read_text(encoding="utf-8", errors="replace")
    if code == 0:
        return wrong_output(blocks, text)
    block = text.rsplit(SIGN, 1)[-1].split("\n")[0]
    return f"{block}: exit code {code}\n{text[-3000:]}"


def _end(group: int) -> None:
    """End what a page left running in the background, such as an emulator."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return

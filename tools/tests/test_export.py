# SPDX-License-Identifier: Apache-2.0
"""`blsh export`, and what users do with the folder: PlatformIO's host and Cortex-M4 programs, the manual's snippets."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_codegen.project import project_root
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.platformio import platformio_environment
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.signals.geometry import CLASSES, RECORDER

from .bench import Bench
from .blsh_command import Blsh, tree

HOP, LAG = RECORDER.hop, RECORDER.lag
pytestmark = pytest.mark.heavy

ENTRIES = 100
PROJECT = Path(__file__).parent / "export_project"
MANUAL = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"


@pytest.fixture
def library(blsh: Blsh, model: Path) -> Path:
    """Return an export that `blsh` wrote."""
    blsh.succeed("export", model, "--to", "library", "--entries", ENTRIES)
    return blsh.cwd / "library"


@pytest.fixture
def stream(rng: np.random.Generator, model: Path) -> tuple[bytes, bytes]:
    """Return samples, and the scalar reference's output for them and for the silence that brings out the last."""
    samples = edge_signal("speech_like", 6 * HOP, rng)
    denoiser = ReferenceDenoiser(integer_model(load_model(model), GenerateOptions(entries=ENTRIES)))
    hops = np.concatenate([samples, np.zeros(LAG, samples.dtype)]).reshape(-1, HOP)
    output = np.concatenate([denoiser.hop(hop).output for hop in hops])
    assert output.any()
    return samples.astype("<i2").tobytes(), output.astype("<i2").tobytes()


def output_of(*command: object, data: bytes) -> bytes:
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


# ---- the command ---------------------------------------------------------------------------------------------------


def test_export_says_what_it_wrote(blsh: Blsh, model: Path) -> None:
    result = blsh.json("export", model, "--to", "library", "--entries", ENTRIES)
    assert result["folder"] == "library" and result["dictionary_entries"] == ENTRIES
    assert result["model_sha256"] == load_model(model).sha256
    assert all((blsh.cwd / "library" / name).is_file() for name in result["files"])
    assert "100 entries, CRC-32" in blsh.succeed("export", model, "--to", "library", "--entries", ENTRIES).stdout


def test_same_bytes_from_another_process_elsewhere(blsh: Blsh, model: Path, tmp_path: Path) -> None:
    """Neither the folder nor the order of Python's sets changes the generated C or the export."""
    made = []
    for seed in ("1", "2"):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        other = Blsh(folder, blsh.project, {"PYTHONHASHSEED": seed})
        other.succeed("export", model, "--to", "library", "--entries", ENTRIES)
        other.succeed("generate", model, "-o", folder / "c", "--entries", ENTRIES)
        made.append({str(Path(path).relative_to(folder)): digest for path, digest in tree(folder).items()})
    assert made[0] == made[1]
    assert "c/blsh_model.c" in made[0] and "library/src/blsh_model.c" in made[0]
    assert made[0]["c/blsh_model.c"] == made[0]["library/src/blsh_model.c"]


REFUSED = {
    "a file in its place": ("export MODEL --to file", "cannot write file: it is a file; name a folder"),
    "a folder of someone": (
        "export MODEL --to folder",
        "folder exists and is no export of blsh; choose another folder",
    ),
    "no place": ("export MODEL --to /proc/blsh/x", "cannot write /proc/blsh/x: .*choose a writable folder"),
    "entries": ("export MODEL --to new --entries 99999", r"99999 entries asked for; choose 5 .* to \d+"),
    "neighbours": ("export MODEL --to new --neighbours 33", "K = 33: firmware averages 1 to 32 neighbours"),
    "infinite weight": ("export INFINITE --to new", "projections must be finite"),
    "a prefix that C cannot take": ("export MODEL --to new --prefix 2nd", "--prefix '2nd' cannot begin names in C"),
    "a prefix of the core": ("export MODEL --to new --prefix blsh", "--prefix blsh: names of the core begin with blsh"),
    "one prefix twice": (
        "export MODEL MODEL --to new --prefix near --prefix near",
        "--prefix near is given 2 times; give each model its own",
    ),
    "models without prefixes": (
        "export MODEL MODEL --to new",
        "2 models and 0 --prefix; give each model of one program",
    ),
    "more prefixes than models": ("export MODEL --to new --prefix near --prefix far", "1 model and 2 --prefix; give"),
    "a budget for two": (
        "export MODEL MODEL --to new --prefix near --prefix far --board microbit --flash 64K",
        "--board microbit, --flash 64K with 2 models: a budget is for one model; choose --entries instead",
    ),
    "an example for two models": (
        "export MODEL MODEL --to new --prefix near --prefix far --example rp2040",
        "--example takes a model without --prefix",
    ),
    "a second model that is none": (
        "export MODEL file --to new --prefix near --prefix far",
        "file is no model artifact|file.*",
    ),
    "masks of another width": ("export NARROW --to new", r"\(\d+, 64\), dtype uint8; expected uint8 \(rows, 65\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_exports_nothing(blsh: Blsh, bench: Bench, case: str) -> None:
    line, expected = REFUSED[case]
    bench.file("file")
    (bench.folder / "folder").mkdir()
    bench.file("folder/notes")
    with np.load(bench.model) as loaded:
        projections, masks = loaded["projections"].copy(), loaded["masks"]
    projections[3, 7] = np.inf
    places: dict[str, object] = {"MODEL": bench.model}
    if "INFINITE" in line:
        places["INFINITE"] = bench.arrays(projections=projections)
    if "NARROW" in line:
        places["NARROW"] = bench.arrays(masks=masks[:, :-1])
    blsh.refuse(expected, *(places.get(word, word) for word in line.split()))


def test_an_edited_export_is_not_overwritten(blsh: Blsh, model: Path, library: Path) -> None:
    header = library / "src" / "blsh_model.h"
    header.write_text(header.read_text().replace(f"{ENTRIES}u", f"{ENTRIES - 1}u"))
    expected = r"library/src/blsh_model\.h was changed after it was exported \(SHA-256 .*delete it or choose another"
    blsh.refuse(expected, "export", model, "--to", "library")


# ---- PlatformIO ----------------------------------------------------------------------------------------------------


def built_by_platformio(
    library: Path, place: str, environment: str, folder: Path, own: Mapping[str, str] | None = None
) -> Path:
    """Build a user's project with the library at `place`, and return the program. own: files in place of the usual."""
    shutil.copytree(PROJECT, folder)
    shutil.copytree(project_root() / "firmware" / "platform" / "tools" / "scons", folder / "tool-scons")
    shutil.copytree(library, folder / place)
    shutil.copy(library / "examples" / "stream.c", folder / "src" / "main.c")
    for name, text in (own or {}).items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "platformio", "run", "-d", str(folder), "-e", environment]
    done = subprocess.run(
        command, env=platformio_environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / ".pio" / "build" / environment / "program.elf"


@pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm")
def test_platformio_builds_it_for_a_cortex_m4(library: Path, stream: tuple[bytes, bytes], tmp_path: Path) -> None:
    """The exported example runs on the emulated core, by semihosting, and puts out the reference's bits."""
    program = built_by_platformio(library, "elsewhere", "cortex-m4", tmp_path / "project")
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
    emulator += ["-semihosting-config", "enable=on,target=native", "-kernel"]
    assert output_of(*emulator, program, data=stream[0]) == stream[1][2 * LAG :]


PROVEN = """\
#include "blsh_model.h"
#include "blsh_port.h"
int blsh_port_read(void) { return -1; }
void blsh_port_write(uint8_t byte) { (void)byte; }
uint32_t blsh_port_counter(void) { return 0u; }
void blsh_port_reset(void) {}
int main(void) {
    static const blsh_port_t port = {.name = "board", .core = "core", .counter_hz = 1u};
    blsh_prove(&blsh_model, &port);
}
"""


@pytest.mark.slow
@pytest.mark.needs("gcc")
def test_platformio_builds_the_proof_for_a_project_that_asks_for_it(blsh: Blsh, model: Path, tmp_path: Path) -> None:
    blsh.succeed("export", model, "--to", "library", "--entries", ENTRIES, "--with-proof")
    library = blsh.cwd / "library"
    plain = built_by_platformio(library, "lib/blsh", "host", tmp_path / "plain").parent
    assert list(plain.rglob("blsh_hop.o")) and not list(plain.rglob("blsh_proof.o"))
    (line,) = re.findall(r"^PlatformIO +(build_src_filter.*)$", (library / "README.txt").read_text(), re.MULTILINE)
    source_filter, flags = line.replace("path/to/this/folder", "lib/blsh").split(", build_flags = ")
    settings = (
        (PROJECT / "platformio.ini").read_text().replace("-Wconversion", f"-Wconversion {flags}\n{source_filter}")
    )
    own = {"platformio.ini": settings, "src/main.c": PROVEN}
    proven = built_by_platformio(library, "lib/blsh", "host", tmp_path / "proven", own).parent
    assert list(proven.rglob("blsh_proof.o"))


@pytest.mark.needs("gcc")
def test_platformio_builds_several_models_in_a_projects_lib(
    blsh: Blsh, model: Path, stream: tuple[bytes, bytes], tmp_path: Path
) -> None:
    hearing = random_voting_model(entries=90, geometry=CLASSES["hearing"])
    save_model(blsh.cwd / "hearing.npz", hearing)
    names = ["--prefix", "room", "--prefix", "ear"]
    result = blsh.json("export", model, "hearing.npz", *names, "--to", "library")
    digests = {prefix: each["model_sha256"] for prefix, each in result["models"].items()}
    assert digests == {"room": load_model(model).sha256, "ear": hearing.sha256}
    assert {"ATTRIBUTION-ear.txt", "ATTRIBUTION-room.txt"} <= set(result["files"])
    program = built_by_platformio(blsh.cwd / "library", "lib/blsh", "host", tmp_path / "project")
    samples = np.frombuffer(stream[0], "<i2")
    for prefix, artifact in (("room", load_model(model)), ("ear", hearing)):
        denoiser = ReferenceDenoiser(integer_model(artifact, GenerateOptions(**result["models"][prefix]["options"])))
        padded = np.concatenate([samples, np.zeros(artifact.geometry.lag, samples.dtype)])
        hops = padded.reshape(-1, artifact.geometry.hop)
        expected = b"".join(denoiser.hop(hop).output.astype("<i2").tobytes() for hop in hops)
        assert output_of(program, prefix, data=stream[0]) == expected[2 * artifact.geometry.lag :]


# ---- docs/embedding.md ----------------------------------------------------------------------------------------------

# The three functions that the manual leaves to its reader, over stdin and stdout.
OWN_FUNCTIONS = """\
#include <stdio.h>
#include <stdlib.h>
#include "blsh_model.h"
void microphone_read(int16_t samples[BLSH_MODEL_HOP]);
void speaker_write(const int16_t samples[BLSH_MODEL_HOP]);
void fail(const char *why);
void microphone_read(int16_t samples[BLSH_MODEL_HOP]) {
    if (fread(samples, sizeof(int16_t), BLSH_MODEL_HOP, stdin) != BLSH_MODEL_HOP) {
        exit(0);
    }
}
void speaker_write(const int16_t samples[BLSH_MODEL_HOP]) {
    if (fwrite(samples, sizeof(int16_t), BLSH_MODEL_HOP, stdout) != BLSH_MODEL_HOP) {
        exit(1);
    }
}
void fail(const char *why) { fprintf(stderr, "%s\\n", why); }
"""


def snippets(language: str) -> list[str]:
    """Return the manual's blocks of code in that language, without their indent."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", MANUAL.read_text(), re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in text.splitlines(keepends=True)) for indent, text in blocks]


@pytest.mark.needs("make", "gcc")
def test_manuals_code_computes_what_the_reference_says(
    library: Path, stream: tuple[bytes, bytes], tmp_path: Path
) -> None:
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if cmake is None:
        pytest.skip("cmake is not installed")
    project = tmp_path / "project"
    shutil.copytree(library, project / "lib" / "blsh")
    (project / "main.c").write_text(snippets("c")[0])
    (project / "own.c").write_text(OWN_FUNCTIONS)
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\nproject(firmware LANGUAGES C)\n"
        "add_compile_options(-Wall -Wextra -Werror -Wconversion)\n"
        "add_executable(firmware main.c own.c)\n" + snippets("cmake")[0]
    )
    for command in ([cmake, "-S", project, "-B", project / "build"], [cmake, "--build", project / "build"]):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert output_of(project / "build" / "firmware", data=stream[0]) == stream[1][: len(stream[0])]


def test_manuals_commands_are_commands(blsh: Blsh, bench: Bench) -> None:
    """They run, and the manual's code for several models compiles with what the last one wrote."""
    for command in snippets("sh"):
        words = command.split()
        assert words[0] == "blsh"
        place = bench.folder / words[words.index("--to") + 1]
        shutil.rmtree(place, ignore_errors=True)
        arguments = [bench.model if word.endswith(".npz") else word for word in words[1:]]
        blsh.succeed(*arguments, "--entries", ENTRIES)
        assert (place / "library.json").is_file()
    (several,) = (code for code in snippets("c") if "room_model.h" in code)
    (bench.folder / "several.c").write_text(several)
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{place / 'src'}", "-fsyntax-only", "several.c"]
    done = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

# SPDX-License-Identifier: Apache-2.0
"""An exported library: what is in it, and what CMake, Arduino and C++ make of it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from elftools.elf.elffile import ELFFile

from blsh_codegen.emit.export import export_library
from blsh_codegen.emit.library import ARDUINO_EXAMPLE, EXPORT_RECORD_NAME, STREAM_EXAMPLE
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.attribution import ATTRIBUTION_FILE
from blsh_trainer.signals.geometry import RECORDER, Geometry

from .compilers import C_COMPILERS, CPP_COMPILERS, compile_objects, require, run
from .export_builds import aligned_output, built_by_cmake, built_example, built_sketch, cmake, reference_output
from .exports import OPTIONS, artifact, contents

pytestmark = pytest.mark.heavy

HOPS = 8
SHORT = Geometry(16_000, 256, 64, 128)


@pytest.fixture
def model(rng: np.random.Generator) -> Model:
    return artifact(rng)


@pytest.fixture
def library(model: Model, tmp_path: Path) -> Path:
    """Return an export of `model`."""
    export_library(model, OPTIONS, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture
def signal(rng: np.random.Generator) -> npt.NDArray[np.int16]:
    return edge_signal("speech_like", HOPS * RECORDER.hop, rng)


# ---- CMake ------------------------------------------------------------------------------------------------------


def test_cmake_builds_an_example_that_computes_what_the_reference_says(
    rng: np.random.Generator, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    model = artifact(rng, "stft", "ibm")
    export_library(model, OPTIONS, tmp_path / "library")
    program = built_by_cmake(tmp_path / "library", tmp_path / "build", "blsh_stream")
    data = signal.astype("<i2").tobytes()
    for length in (0, 1, 1537, len(data)):
        done = run(program, data=data[:length])
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == aligned_output(model, data[:length]), f"{length} bytes"
    assert any(done.stdout), "all zeros would compare equal too easily"


@pytest.mark.parametrize(
    "geometry", [SHORT, pytest.param(Geometry(8_000, 512, 128, 256), marks=pytest.mark.slow)], ids=str
)
def test_an_export_of_another_geometry_says_so_and_computes_it(
    rng: np.random.Generator, signal: npt.NDArray[np.int16], tmp_path: Path, geometry: Geometry
) -> None:
    model = artifact(rng, geometry=geometry)
    export_library(model, OPTIONS, tmp_path / "library")
    library, data = tmp_path / "library", signal.astype("<i2").tobytes()
    for length in (0, 1, 1537, len(data)):
        done = run(built_example(library), data=data[:length])
        assert (done.returncode, done.stdout) == (0, aligned_output(model, data[:length])), f"{length} bytes"
    rate, hop = f"{geometry.rate_hz // 1000} kHz", f"{geometry.hop} samples ({1000 * geometry.hop_s:g} ms at"
    assert f"{rate} mono" in (library / "library.properties").read_text()
    assert f"blsh_hop for every {hop}" in (library / "README.txt").read_text()
    assert f"-r {geometry.rate_hz} |" in (library / STREAM_EXAMPLE).read_text()


def test_cmake_library_serves_a_project_in_cpp(
    model: Model, library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    """A project that adds the folder and links to `blsh`; its own target is the only program then."""
    require("g++")
    project = tmp_path / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15)\n"
        "project(mine LANGUAGES C CXX)\n"
        "add_subdirectory(../library blsh)\n"
        "add_executable(mine main.cpp)\n"
        "target_link_libraries(mine PRIVATE blsh)\n"
    )
    (project / "main.cpp").write_text((library / STREAM_EXAMPLE).read_text())
    program = built_by_cmake(project, tmp_path / "build", "mine")
    assert not list((tmp_path / "build").rglob("blsh_stream"))
    data = signal.astype("<i2").tobytes()
    assert run(program, data=data).stdout == aligned_output(model, data)


@pytest.mark.parametrize(
    ("flags", "said", "expected"),
    [
        ([], "", "-O2"),
        (["-DCMAKE_C_FLAGS=-O1"], "", "-O1"),
        (["-DCMAKE_BUILD_TYPE=Debug"], "", None),
        (["-DCMAKE_BUILD_TYPE=MinSizeRel"], "", "-Os"),
        ([], "add_compile_options(-O3)", "-O3"),
    ],
)
def test_cmake_optimises_the_library_unless_told_how(
    library: Path, tmp_path: Path, flags: list[str], said: str, expected: str | None
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "mine.c").write_text("int main(void) { return 0; }\n")
    (project / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.15)\nproject(mine LANGUAGES C)\n{said}\n"
        "add_subdirectory(../library blsh)\nadd_executable(mine mine.c)\n"
    )
    command = [cmake(), "-S", project, "-B", tmp_path / "build", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *flags]
    done = run(*command)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    levels = {Path(each["file"]).name: re.findall(r" (-O\w+)", each["command"]) for each in commands}
    assert (levels["blsh_hop.c"] or [None])[-1] == expected
    assert "-O2" not in levels["mine.c"], "what the library needs is not for others"


def test_bit_flipped_in_flash_is_refused_at_the_start(library: Path, signal: npt.NDArray[np.int16]) -> None:
    """In the program itself, as a worn flash would: the example recomputes the CRC before it denoises anything."""
    program = built_example(library)
    damaged = bytearray(program.read_bytes())
    for name in dictionary_tables(library):
        offset, size = place_of(program, name)
        damaged[offset + size // 2] ^= 0x10
        program.write_bytes(damaged)
        done = run(program, data=signal.astype("<i2").tobytes())
        assert (done.returncode, done.stdout) == (1, b""), f"a flipped bit of {name} went unnoticed"
        assert b"the dictionary's CRC is not the generated one" in done.stderr
        damaged[offset + size // 2] ^= 0x10
    program.write_bytes(damaged)
    assert run(program, data=signal.astype("<i2").tobytes()).returncode == 0


def dictionary_tables(library: Path) -> list[str]:
    """Return the names of the tables that the header declares with BLSH_MODEL_ENTRIES or as part of the dictionary."""
    header = (library / "src" / "blsh_model.h").read_text()
    names = re.findall(r"extern const \w+ (blsh_dictionary_\w+)\[", header)
    assert names
    return names


def place_of(program: Path, name: str) -> tuple[int, int]:
    """Return offset in the file and size of the table `name`."""
    with program.open("rb") as stream:
        elf = ELFFile(stream)
        (symbol,) = elf.get_section_by_name(".symtab").get_symbol_by_name(name)
        section = elf.get_section(symbol["st_shndx"])
        return section["sh_offset"] + symbol["st_value"] - section["sh_addr"], symbol["st_size"]


# ---- Arduino ------------------------------------------------------------------------------------------------------


def test_arduino_sketch_computes_what_the_reference_says(
    model: Model, library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    done = run(built_sketch(library, tmp_path / "sketch"), data=signal.astype("<i2").tobytes())
    assert done.stdout == reference_output(model, signal)


def test_no_symbol_can_clash(library: Path, tmp_path: Path) -> None:
    """Whatever the library defines begins with blsh_, and is defined once."""
    require("nm")
    sources = sorted((library / "src").rglob("*.c"))
    made = compile_objects(C_COMPILERS["gcc"], sources, [library / "src"], tmp_path / "objects")
    listing = run("nm", "--defined-only", "--extern-only", "--format=posix", *made).stdout.decode()
    names = [line.split()[0] for line in listing.splitlines() if not line.endswith(":")]
    assert "blsh_model" in names and "blsh_hop" in names
    assert [name for name in names if not name.startswith("blsh_")] == []
    assert len(set(names)) == len(names)


def test_model_compiled_as_cpp_is_the_same_model(
    model: Model, library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    source = library / "src" / "blsh_model.c"
    others = [library / STREAM_EXAMPLE, *(path for path in (library / "src").glob("*.c") if path != source)]
    made = compile_objects(CPP_COMPILERS["g++"], [source], [library / "src"], tmp_path / "cpp")
    made += compile_objects(C_COMPILERS["gcc"], others, [library / "src"], tmp_path / "c")
    assert run("gcc", *made, "-o", tmp_path / "stream").returncode == 0
    data = signal.astype("<i2").tobytes()
    assert run(tmp_path / "stream", data=data).stdout == aligned_output(model, data)


# ---- what is in the folder -----------------------------------------------------------------------------------------


def test_record_accounts_for_every_file(model: Model, library: Path) -> None:
    record = json.loads((library / EXPORT_RECORD_NAME).read_text())
    assert set(record["files"]) == set(contents(library)) - {EXPORT_RECORD_NAME}
    assert (record["model_sha256"], record["options"]["entries"]) == (model.sha256, 60)
    assert f"artifact SHA-256 {model.sha256}" in (library / "README.txt").read_text()
    assert str(library.parent) not in "".join(content.decode() for content in contents(library).values())


def test_an_export_holds_the_attribution_of_its_recordings(model: Model, tmp_path: Path) -> None:
    row = {"licence": "CC BY 4.0", "source": "Søren", "files": 2, "minutes": 0.5}
    corpora = [{"name": "talk", "sha256": "0" * 64, "files": 2, "minutes": 0.5, "credits": [row]}]
    credited = replace(model, card={**model.card, "corpora": corpora})
    export_library(model, OPTIONS, tmp_path / "bare")
    record = export_library(credited, OPTIONS, tmp_path / "credited")
    text = (tmp_path / "credited" / ATTRIBUTION_FILE).read_text(encoding="utf-8")
    assert "  CC BY 4.0\n    Søren: 2 recordings, 0.5 minutes\n" in text and ATTRIBUTION_FILE in record.files
    assert f": {ATTRIBUTION_FILE}\n" in (tmp_path / "credited" / "README.txt").read_text()
    assert "does not list its recordings" in (tmp_path / "bare" / ATTRIBUTION_FILE).read_text()
    bare, found = contents(tmp_path / "bare"), contents(tmp_path / "credited")
    assert {name for name in bare if bare[name] != found[name]} == {ATTRIBUTION_FILE, EXPORT_RECORD_NAME}


def test_examples_are_short_enough_to_be_read(library: Path) -> None:
    for example in (STREAM_EXAMPLE, ARDUINO_EXAMPLE):
        assert len((library / example).read_text().splitlines()) <= 40


def test_a_name_cannot_leave_its_line(rng: np.random.Generator, tmp_path: Path) -> None:
    model = artifact(rng, name="a*/\nurl=x\r\n$(rm) \\ ü")
    export_library(model, OPTIONS, tmp_path / "library")
    properties = (tmp_path / "library" / "library.properties").read_text()
    assert len(properties.splitlines()) == 10 and properties.isascii()


def test_state_is_as_large_as_the_model_needs(library: Path, tmp_path: Path) -> None:
    """The library and its user agree on the limits of the model without a flag that one of them could lack."""
    (tmp_path / "user.c").write_text(
        "#include <stdio.h>\n"
        '#include "blsh.h"\n'
        'int main(void) { printf("%u %u", BLSH_MAX_BITS, BLSH_MAX_NEIGHBOURS); return 0; }\n'
    )
    for flag in ("-UBLSH_MODEL_LIMITS", "-DBLSH_MODEL_LIMITS", "-DBLSH_MODEL_LIMITS=1", "-DBLSH_MODEL_LIMITS="):
        (made,) = compile_objects(C_COMPILERS["gcc"], [tmp_path / "user.c"], [library / "src"], tmp_path, flag)
        assert run("gcc", made, "-o", tmp_path / "user").returncode == 0
        assert run(tmp_path / "user").stdout == b"40 7"

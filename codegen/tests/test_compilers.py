# SPDX-License-Identifier: Apache-2.0
"""A generated model and the core compile alone, as C11 and as C++17; a header edited by hand does not."""

import re
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, generate
from blsh_codegen.project import core_folder
from blsh_trainer.signals.geometry import Geometry

from .compilers import ALL_COMPILERS, ARM_BUILDS, C_COMPILERS, CPP_COMPILERS, compile_objects, require, run
from .conftest import random_model
from .pairs import pairs

pytestmark = pytest.mark.heavy

KINDS = [("stft", "ibm"), ("mel", "ibm"), ("mel", "bands"), ("tracked", "bands")]


@pytest.fixture
def generated(rng: np.random.Generator, tmp_path: Path) -> Path:
    """Return a folder with the C of a small model."""
    generate(random_model(rng, "mel", 37, 70, 5), GenerateOptions(), tmp_path)
    return tmp_path


def first_dimension(header: str, name: str) -> int:
    found = re.search(rf"#define BLSH_MODEL_{name} (\d+)u", header)
    assert found is not None
    return int(found[1])


def checks(folder: Path, *flags: str) -> str:
    """Return the errors of a plain C compiler, without warnings as errors, about the model: '' for none."""
    require("gcc")
    includes = [f"-I{core_folder()}", f"-I{folder}"]
    done = run("gcc", "-std=c11", "-w", *flags, *includes, "-fsyntax-only", folder / "blsh_model.c")
    return done.stderr.decode()


@pytest.mark.parametrize("name", ALL_COMPILERS)
def test_generated_model_compiles_alone(rng: np.random.Generator, tmp_path: Path, name: str) -> None:
    """With each kind of features and masks; the header also twice in one file, before anything else."""
    for kind, masks in KINDS:
        folder = tmp_path / f"{kind}-{masks}"
        paths = generate(random_model(rng, kind, 37, 70, 5, masks, 3, 20), GenerateOptions(), folder)
        twice = folder / "twice.c"
        twice.write_text('#include "blsh_model.h"\n#include "blsh_model.h"\n')
        sources = [twice, *(path for path in paths if path.suffix == ".c")]
        compile_objects(ALL_COMPILERS[name], sources, [core_folder(), folder], folder / "objects")


@pytest.mark.parametrize("name", C_COMPILERS)
def test_core_compiles_alone(tmp_path: Path, name: str) -> None:
    compile_objects(C_COMPILERS[name], sorted(core_folder().glob("*.c")), [core_folder()], tmp_path, "-Wshadow")


@pytest.mark.parametrize(
    ("numbers", "name"),
    pairs([(8_000, 1024, 128, 256), (16_000, 512, 256, 512), (16_000, 256, 64, 128)], C_COMPILERS),
    ids=str,
)
def test_core_of_one_geometry_compiles(
    rng: np.random.Generator, tmp_path: Path, numbers: tuple[int, int, int, int], name: str
) -> None:
    """What is a constant there leaves no comparison that a compiler warns of."""
    model = random_model(rng, "tracked", 20, 40, 5, "bands", geometry=Geometry(*numbers))
    generate(model, GenerateOptions(), tmp_path)
    sources = [*sorted(core_folder().glob("*.c")), tmp_path / "blsh_model.c"]
    flags = ("-Wshadow", "-DBLSH_MODEL_LIMITS")
    compile_objects(C_COMPILERS[name], sources, [core_folder(), tmp_path], tmp_path / "objects", *flags)


@pytest.fixture
def c_library(tmp_path: Path) -> tuple[str, ...]:
    """Return flags for a clang that brings no C library for Arm: the one header that the core needs of it."""
    (tmp_path / "string.h").write_text(
        "#include <stddef.h>\n"
        "void *memcpy(void *restrict to, const void *restrict from, size_t bytes);\n"
        "void *memmove(void *to, const void *from, size_t bytes);\n"
        "void *memset(void *to, int value, size_t bytes);\n"
    )
    return "-ffreestanding", f"-isystem{tmp_path}"


@pytest.mark.parametrize("build", ARM_BUILDS)
def test_core_is_assembled_for(tmp_path: Path, c_library: tuple[str, ...], build: str) -> None:
    """Inline assembler is that of the instruction set compiled for, and bears a frame pointer and no optimisation."""
    compiler, *flags = ARM_BUILDS[build]
    command = (compiler, "--target=arm-none-eabi", *c_library) if compiler == "clang" else (compiler,)
    sources = sorted(core_folder().glob("*.c"))
    compile_objects((*command, "-std=c11"), sources, [core_folder()], tmp_path / "objects", *flags)


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m55"])
def test_core_can_do_without_assembler(core: str) -> None:
    require("arm-none-eabi-gcc")
    target = ("arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", *(["-mfloat-abi=hard"] if core == "cortex-m55" else []))
    command = (*target, "-std=c11", f"-I{core_folder()}", "-E", *sorted(core_folder().glob("*.c")))
    assert "asm" in own_code(run(*command).stdout.decode())
    assert "asm" not in own_code(run(*command, "-DBLSH_NO_ASM").stdout.decode())


def own_code(preprocessed: str) -> str:
    """Return the preprocessor's output that comes from files of the core, not from the compiler's headers."""
    pieces = re.split(r'^# \d+ "(.*)".*\n', preprocessed, flags=re.MULTILINE)
    return "".join(
        text for name, text in zip(pieces[1::2], pieces[2::2], strict=True) if name.startswith(str(core_folder()))
    )


def test_no_load_of_a_pair_can_lose_its_base(tmp_path: Path) -> None:
    """Erratum 602117 of Cortex-M3: LDRD with its base among what it loads."""
    require("arm-none-eabi-objdump")
    flags = ("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-std=c11")
    made = compile_objects(flags, sorted(core_folder().glob("*.c")), [core_folder()], tmp_path / "objects")
    listing = run("arm-none-eabi-objdump", "-d", *made).stdout.decode()
    loads = re.findall(r"\tldrd(?:\.w)?\t(\w+), (\w+), \[(\w+)", listing)
    assert len(loads) > 20 and not [load for load in loads if load[2] in load[:2]]


@pytest.mark.parametrize("flag", ["-U__BYTE_ORDER__", "-U__ORDER_LITTLE_ENDIAN__"])
def test_a_compiler_that_tells_no_byte_order_is_stopped(flag: str) -> None:
    require("gcc")
    done = run("gcc", "-std=c11", flag, f"-I{core_folder()}", "-fsyntax-only", core_folder() / "blsh_init.c")
    assert b"does not tell its byte order" in done.stderr


@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++20"])
def test_header_asks_for_cpp11(generated: Path, standard: str) -> None:
    require("g++")
    include = (f"-I{core_folder()}", f"-I{generated}", "-include", "blsh_model.h")
    done = run("g++", f"-std={standard}", *include, "-Werror", "-pedantic", "-fsyntax-only", "-x", "c++", "/dev/null")
    assert (b"needs C++11 or later: compile with -std=c++11" in done.stderr) == (standard == "c++98")
    assert (done.returncode == 0) == (standard != "c++98"), done.stderr.decode()


@pytest.mark.parametrize("name", CPP_COMPILERS)
def test_headers_serve_a_cpp_program(generated: Path, name: str) -> None:
    """C++ sees C's names: an object that uses the model asks for them undecorated."""
    source = generated / "user.cpp"
    source.write_text(
        '#include "blsh_model.h"\n'
        "int start(blsh_state_t &state);\n"
        "int start(blsh_state_t &state) { return blsh_init(&state, &blsh_model); }\n"
    )
    (made,) = compile_objects(CPP_COMPILERS[name], [source], [core_folder(), generated], generated / "user")
    require("nm")
    undefined = run("nm", "--undefined-only", made).stdout.decode()
    assert re.search(r"U blsh_init$", undefined, re.MULTILINE), undefined
    assert re.search(r"U blsh_model$", undefined, re.MULTILINE), undefined


@pytest.mark.parametrize("step", [-1, 1])
def test_header_edited_by_hand_stops_any_compiler(generated: Path, step: int) -> None:
    """Each number of the header is held to the tables, so that no edit gets past a compiler that warns of nothing."""
    header = generated / "blsh_model.h"
    text = header.read_text()
    assert checks(generated) == ""
    numbers = re.findall(r"#define (BLSH_MODEL_\w+) (\d+|0x[0-9a-f]{8})u\b", text)
    least = {"BITS", "ENTRIES", "NEIGHBOURS", "FLASH_BYTES", "DICTIONARY_CRC32"}
    assert {f"BLSH_MODEL_{name}" for name in least} <= {name for name, _ in numbers}
    for name, number in numbers:
        edited = (int(number, 0) + step) % 2**32
        header.write_text(text.replace(f"#define {name} {number}u", f"#define {name} {edited}u"))
        assert "error" in checks(generated), f"{name} of {edited} instead of {number} went unnoticed"


def test_flash_bytes_are_those_of_the_tables(rng: np.random.Generator, tmp_path: Path) -> None:
    model = random_model(rng, "tracked", 37, 70, 5, "bands")
    generate(model, GenerateOptions(), tmp_path)
    stated = first_dimension((tmp_path / "blsh_model.h").read_text(), "FLASH_BYTES")
    assert stated == sum(flash_table_bytes(model).values())
    assert checks(tmp_path) == ""


def test_budget_of_flash_is_held_by_the_compiler(generated: Path) -> None:
    size = first_dimension((generated / "blsh_model.h").read_text(), "FLASH_BYTES")
    assert checks(generated, f"-DBLSH_MODEL_FLASH_BUDGET_BYTES={size}") == ""
    assert "exceed their budget of flash" in checks(generated, f"-DBLSH_MODEL_FLASH_BUDGET_BYTES={size - 1}")


def test_names_say_units_and_formats(generated: Path) -> None:
    """A table of fractions names its Q-format, a rate its unit: no number of the header has to be guessed."""
    text = (generated / "blsh_model.h").read_text()
    tables = re.findall(r"extern const u?int\d+_t (blsh_\w+)\[", text)
    assert tables
    for name in tables:
        if re.search("projection|bias|gain|weight", name):
            assert re.search(r"_q\d+$", name), f"{name} has no Q-format in its name"
    assert "BLSH_MODEL_RATE_HZ" in text and "BLSH_MODEL_FLASH_BYTES" in text

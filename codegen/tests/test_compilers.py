"""A generated model and the core compile alone, as C11 and as C++17; a header edited by hand does not."""

import re
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.generate import GenerateOptions, flash_table_bytes, generate
from blsh_codegen.host_core import core_folder

from .compilers import ALL_COMPILERS, C_COMPILERS, CPP_COMPILERS, compile_objects, require, run
from .conftest import random_model

KINDS = [("stft", "ibm"), ("mel", "ibm"), ("mel", "bands"), ("tracked", "bands")]


@pytest.fixture
def generated(rng: np.random.Generator, tmp_path: Path) -> Path:
    """The C of a small model."""
    generate(random_model(rng, "mel", 37, 70, 5), GenerateOptions(), tmp_path)
    return tmp_path


def first_dimension(header: str, name: str) -> int:
    found = re.search(rf"#define BLSH_MODEL_{name} (\d+)u", header)
    assert found is not None
    return int(found[1])


def checks(folder: Path, *flags: str) -> str:
    """What a plain C compiler, without any warning as an error, has against the model: '' for nothing."""
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
    assert "BLSH_MODEL_SAMPLE_RATE_HZ" in text and "BLSH_MODEL_FLASH_BYTES" in text

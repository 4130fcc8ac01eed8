# SPDX-License-Identifier: Apache-2.0
"""Several models in one program: one core, tables of their own and shared ones, and what does not go together."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.export import ExportedModel, export_library, export_models
from blsh_codegen.emit.generate import GenerateOptions, integer_model, own_limits
from blsh_codegen.emit.library import EXPORT_RECORD_NAME
from blsh_codegen.emit.naming import SHAREABLE
from blsh_codegen.spec.c_structs import Limits, window_bit
from blsh_codegen.spec.constants import ModelKind
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .compilers import C_COMPILERS, compile_objects, require, run
from .export_builds import aligned_output, built_example, built_sketch, reference_output
from .exports import OPTIONS, artifact, contents, of_kind

HOPS = 6
STARTUP = Path(__file__).parents[2] / "tools" / "tests" / "export_project" / "src" / "startup.c"

# Streams of all models, hop by hop in turn, so that one could disturb another.
PROGRAM = """\
#include <stdio.h>
#include "near_model.h"
#include "far_model.h"
#include "radio_model.h"
#include "desk_model.h"

#define MODELS 4u
#define SAMPLES (6u * 256u)
static const blsh_model_t *const models[MODELS] = {&near_model, &far_model, &radio_model, &desk_model};
static blsh_state_t states[MODELS];
static int16_t input[SAMPLES], output[MODELS][SAMPLES];

int main(void) {
    if (fread(input, sizeof input[0], SAMPLES, stdin) != SAMPLES) return 1;
    for (unsigned i = 0; i < MODELS; i++) {
        if (blsh_init(&states[i], models[i]) != BLSH_OK) return 2;
        if (blsh_dictionary_crc32(models[i]) != models[i]->dictionary_crc32) return 3;
    }
    for (unsigned done = 0; done < SAMPLES; done += BLSH_MAX_HOP) {
        for (unsigned i = 0; i < MODELS; i++) {
            for (unsigned at = done; at < done + BLSH_MAX_HOP; at += models[i]->hop) {
                blsh_hop(&states[i], input + at, output[i] + at, NULL);
            }
        }
    }
    return fwrite(output, sizeof output, 1, stdout) != 1;
}
"""


@pytest.fixture
def models(rng: np.random.Generator) -> list[ExportedModel]:
    """Return models of every kind and of three geometries; near and desk have the same windows and bands."""
    return [
        ExportedModel(*of_kind(ModelKind.MASKS, rng), "near"),
        ExportedModel(*of_kind(ModelKind.SMALL_VOTES, rng, CLASSES["hearing"]), "far"),
        ExportedModel(*of_kind(ModelKind.LARGE_VOTES, rng, Geometry(8_000, 512, 128, 256)), "radio"),
        ExportedModel(*of_kind(ModelKind.LARGE_VOTES, rng), "desk"),
    ]


@pytest.fixture
def library(models: list[ExportedModel], tmp_path: Path) -> Path:
    """Return an export of `models`."""
    export_models(models, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture
def signal(rng: np.random.Generator) -> npt.NDArray[np.int16]:
    return edge_signal("speech_like", HOPS * RECORDER.hop, rng)


def outputs(models: Sequence[ExportedModel], signal: npt.NDArray[np.int16]) -> list[bytes]:
    """Return the scalar reference's output of each model."""
    found = [reference_output(each.artifact, signal, each.options) for each in models]
    assert all(any(output) for output in found) and len(set(found)) == len(found), "equal outputs would tell nothing"
    return found


def built(library: Path, compiler: str, *more: Path) -> list[Path]:
    """Return the objects of PROGRAM, of `more` sources and of the whole library, which is compiled once."""
    (library.parent / "main.c").write_text(PROGRAM)
    sources = [library.parent / "main.c", *more, *sorted((library / "src").glob("*.c"))]
    return compile_objects(C_COMPILERS[compiler], sources, [library / "src"], library.parent / compiler)


@pytest.mark.heavy
def test_models_of_all_kinds_run_in_one_image(
    models: list[ExportedModel], library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    done = run("gcc", *built(library, "gcc"), "-o", tmp_path / "program")
    assert done.returncode == 0, done.stderr.decode()
    ran = run(tmp_path / "program", data=signal.astype("<i2").tobytes())
    assert (ran.returncode, ran.stdout) == (0, b"".join(outputs(models, signal)))


@pytest.mark.heavy
def test_models_of_all_kinds_run_on_one_cortex_m4(
    models: list[ExportedModel], library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    require("qemu-system-arm")
    program = tmp_path / "program.elf"
    flags = ["-mcpu=cortex-m4", "-mthumb", "--specs=rdimon.specs", "-Wl,--section-start=.vectors=0"]
    done = run("arm-none-eabi-gcc", *flags, *built(library, "cortex-m4", STARTUP), "-o", program)
    assert done.returncode == 0, done.stderr.decode()
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
    semihosting = ["-semihosting-config", "enable=on,target=native", "-kernel", program]
    ran = run(*emulator, *semihosting, data=signal.astype("<i2").tobytes())
    assert (ran.returncode, ran.stdout) == (0, b"".join(outputs(models, signal)))


@pytest.mark.heavy
def test_the_examples_take_any_of_the_models(
    models: list[ExportedModel], library: Path, signal: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    program, data = built_example(library), signal.astype("<i2").tobytes()
    for each in models:
        done = run(program, each.prefix, data=data[:1537])
        assert (done.returncode, done.stdout) == (0, aligned_output(each.artifact, data[:1537], each.options))
    assert run(program, data=data).stdout == run(program, "near", data=data).stdout
    refused = run(program, "blsh", data=data)
    assert (refused.returncode, refused.stderr) == (1, b"no model has this prefix\n")
    done = run(built_sketch(library, tmp_path / "sketch"), data=data)
    assert done.stdout == reference_output(models[0].artifact, signal, models[0].options)


@pytest.mark.heavy
def test_every_symbol_is_defined_once_and_equal_tables_are_shared(
    models: list[ExportedModel], library: Path, tmp_path: Path
) -> None:
    require("nm")
    sources = sorted((library / "src").glob("*.c"))
    made = compile_objects(C_COMPILERS["gcc"], sources, [library / "src"], tmp_path / "objects", "-O0")
    listing = run("nm", "--defined-only", "--extern-only", "--format=posix", *made).stdout.decode()
    names = [line.split()[0] for line in listing.splitlines() if not line.endswith(":")]
    assert len(set(names)) == len(names)
    prefixes = ("blsh", *(str(each.prefix) for each in models))
    assert [name for name in names if not name.startswith(tuple(f"{each}_" for each in prefixes))] == []
    windows = sorted(name for name in names if "window_q14" in name)
    assert windows == ["blsh_shared_window_q14_1", "far_window_q14", "radio_window_q14"]
    shared = {line.split()[0]: int(line.split()[3], 16) for line in listing.splitlines() if "blsh_shared_" in line}
    assert list(shared) == [f"blsh_shared_{field}_1" for field in sorted(SHAREABLE) if field != "synthesis_q14"]
    record = json.loads((library / EXPORT_RECORD_NAME).read_text())
    apart = sum(each["table_bytes"] for each in record["models"].values())
    assert record["table_bytes"] == apart - sum(shared.values()), "near and desk have these tables once"


# ---- what does not go together -------------------------------------------------------------------------------------

CALL = """\
#include "{prefix}_model.h"
int {prefix}_start(void);
int {prefix}_start(void) {{
    static blsh_state_t state;
    return blsh_init(&state, &{prefix}_model);
}}
"""


def archive_of(library: Path, prefix: str) -> list[Path]:
    """Return an object that starts a stream of the model, and the library's archive, as build systems link them."""
    folder = library.parent / f"built-{prefix}"
    (library.parent / f"{prefix}.c").write_text(CALL.format(prefix=prefix))
    sources = [library.parent / f"{prefix}.c", *sorted((library / "src").glob("*.c"))]
    call, *made = compile_objects(C_COMPILERS["gcc"], sources, [library / "src"], folder, "-O0")
    assert run("ar", "rcs", folder / "libblsh.a", *made).returncode == 0
    return [call, folder / "libblsh.a"]


def linked(folder: Path, *parts: Path) -> str:
    """Return what the linker says of a program of `parts`; nothing if it links."""
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    starts = [f"-Wl,-u,{part.stem}_start" for part in parts if part.suffix == ".o"]
    done = run("gcc", folder / "main.c", *starts, *parts, "-o", folder / "program")
    assert (done.returncode == 0) == (done.stderr == b"")
    return done.stderr.decode()


@pytest.mark.slow
@pytest.mark.heavy
def test_two_exports_do_not_link_into_one_program(rng: np.random.Generator, tmp_path: Path) -> None:
    """Each has a core for its own models: the linker finds two, or not the one that the headers were for."""
    require("ar")
    for name in ("one", "two", "plain"):
        (tmp_path / name).mkdir()
    export_models([ExportedModel(artifact(rng), OPTIONS, "near")], tmp_path / "one" / "library")
    larger = artifact(rng, geometry=CLASSES["hearing"])
    export_models([ExportedModel(larger, GenerateOptions(entries=90), "far")], tmp_path / "two" / "library")
    export_library(artifact(rng, "stft", "ibm"), OPTIONS, tmp_path / "plain" / "library")
    one, two = archive_of(tmp_path / "one" / "library", "near"), archive_of(tmp_path / "two" / "library", "far")
    plain = archive_of(tmp_path / "plain" / "library", "blsh")
    for alone in (one, two, plain):
        assert linked(tmp_path, *alone) == ""
    for parts in ((*one, *two), (*two, *one), (*plain, *one), (*one, *plain)):
        assert "multiple definition of `blsh_error_text'" in linked(tmp_path, *parts)
    assert "undefined reference to `blsh_init_far_" in linked(tmp_path, two[0], one[1])


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "geometry", "words"),
    [
        (ModelKind.LARGE_VOTES, RECORDER, "a kind of models that the core is compiled for"),
        (ModelKind.MASKS, CLASSES["hearing"], "a window that the core is compiled for"),
        (ModelKind.MASKS, Geometry(16_000, 1024, 128, 1024), "the one geometry that the core is compiled for"),
    ],
)
def test_a_model_moved_into_another_export_does_not_compile(
    rng: np.random.Generator, tmp_path: Path, kind: ModelKind, geometry: Geometry, words: str
) -> None:
    require("gcc")
    export_models([ExportedModel(*of_kind(ModelKind.MASKS, rng), "near")], tmp_path / "one")
    export_models([ExportedModel(*of_kind(kind, rng, geometry), "far")], tmp_path / "two")
    for name in ("far_model.h", "far_model.c"):
        (tmp_path / "one" / "src" / name).write_bytes((tmp_path / "two" / "src" / name).read_bytes())
    done = run("gcc", "-std=c11", "-c", tmp_path / "one" / "src" / "far_model.c", cwd=tmp_path)
    assert done.returncode != 0 and words in done.stderr.decode()


@pytest.mark.parametrize(
    ("prefixes", "words"),
    [
        (["near", "near"], "--prefix near is given 2 times; give each model its own"),
        (["near"], "2 models and 1 --prefix; give each model of one program its own --prefix"),
        ([], "2 models and 0 --prefix"),
        (["near", "blsh"], "--prefix blsh: names of the core begin with blsh; choose another prefix"),
        (["near", "blsh_2"], "--prefix blsh_2: names of the core"),
        (["near", "9lives"], "--prefix '9lives' cannot begin names in C; give a lower-case letter"),
        (["near", "Far"], "--prefix 'Far' cannot begin"),
        (["near", "_far"], "--prefix '_far' cannot begin"),
        (["near", "far_"], "--prefix 'far_' cannot begin"),
        (["near", "fa__r"], "--prefix 'fa__r' cannot begin"),
        (["near", "fär"], "--prefix 'fär' cannot begin"),
        (["near", "far\n"], r"--prefix 'far\\n' cannot begin"),
        (["near", "../far"], "--prefix '../far' cannot begin"),
        (["near", ""], "--prefix '' cannot begin"),
        (["near", "f" * 25], "24 characters at most"),
    ],
)
def test_prefixes_that_cannot_be_told_apart_in_c_are_refused(
    rng: np.random.Generator, tmp_path: Path, prefixes: list[str], words: str
) -> None:
    model = artifact(rng)
    padded = [*prefixes, *[None] * (2 - len(prefixes))]
    with pytest.raises(BlshError, match=words):
        export_models([ExportedModel(model, OPTIONS, prefix) for prefix in padded], tmp_path / "library")
    assert contents(tmp_path) == {}


def test_limits_of_several_models_are_enough_for_each(models: list[ExportedModel]) -> None:
    own = [own_limits(integer_model(each.artifact, each.options)) for each in models]
    together = Limits.of_all(own)
    assert [together.lacks(each.artifact.geometry) for each in models] == [None] * len(models)
    assert (
        not together.one_geometry and together.kinds == ModelKind.MASKS | ModelKind.SMALL_VOTES | ModelKind.LARGE_VOTES
    )
    assert together.windows == sum({window_bit(each.artifact.geometry) for each in models})
    for name in ("bits", "neighbours", "smoothed", "projections", "features", "found", "history", "overlap"):
        assert getattr(together, name) == max(getattr(each, name) for each in own)
    assert Limits.of_all(own[:1]) == own[0] and Limits.of_all([own[0], own[3]]).one_geometry


def test_same_models_and_options_give_the_same_bytes(models: list[ExportedModel], tmp_path: Path) -> None:
    models = models[:2]
    first = export_models(models, tmp_path / "first")
    assert export_models(models, tmp_path / "first") == first and export_models(models, tmp_path / "second") == first
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert set(first.models) == {each.prefix for each in models}
    swapped = export_models(models[::-1], tmp_path / "first")
    assert swapped.files.keys() == first.files.keys(), "an export replaces an earlier one"

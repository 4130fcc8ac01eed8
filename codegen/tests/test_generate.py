# SPDX-License-Identifier: Apache-2.0
"""Generated C: the same bytes each time, the values of the integers; and the core refuses what it cannot run."""

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model, render
from blsh_codegen.emit.generated_record import RECORD_NAME, read_record, write_record
from blsh_codegen.host_core import FLAGS, HostCore
from blsh_codegen.model.entry_order import tight_order
from blsh_codegen.model.quantise import IntegerModel, quantise_projections
from blsh_codegen.project import core_folder
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.geometry import CLASSES, Geometry

from .conftest import ALL_GEOMETRIES, random_model

pytestmark = pytest.mark.heavy

OPTIONS = GenerateOptions(entries=60)


def artifact(rng: np.random.Generator, **changes: object) -> Model:
    model = Model(
        name="tiny",
        feature_kind="mel",
        neighbours=10,
        projections=rng.normal(size=(40, 128)),
        biases=rng.normal(size=40),
        betas=np.linspace(1, 0.1, 40),
        code_bits=rng.random((200, 40)) < 0.5,
        mask_levels=(rng.random((200, 513)) < 0.5).astype(np.uint8),
        card={"seed": 1},
    )
    return replace(model, **changes)  # type: ignore[arg-type]


def compiled(folder: Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    sources = [str(path) for path in [*core_folder().glob("*.c"), *folder.glob("*.c")]]
    command = [
        "gcc",
        *FLAGS,
        *flags,
        f"-I{core_folder()}",
        f"-I{folder}",
        *sources,
        "-o",
        str(folder / "lib.so"),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("kind", "masks", "smoothing", "floor"),
    [("mel", "ibm", 0, 0), ("stft", "ibm", 0, 0), ("tracked", "bands", 11, 50)],
)
def test_generated_model_computes_what_the_integers_say(
    rng: np.random.Generator, tmp_path: Path, kind: str, masks: str, smoothing: int, floor: int
) -> None:
    _assert_generated_computes(random_model(rng, kind, 37, 80, 7, masks, smoothing, floor), rng, tmp_path)


@pytest.mark.parametrize("bit_votes", [False, True])
def test_generated_voting_model_computes_what_the_integers_say(
    rng: np.random.Generator, tmp_path: Path, bit_votes: bool
) -> None:
    edges = (0, 1, 33, 80)
    voting = random_voting_model(projections=13, group_edges=edges, entries=70, neighbours=9, bit_votes=bit_votes)
    _assert_generated_computes(integer_model(voting, GenerateOptions()), rng, tmp_path)


@pytest.mark.parametrize(
    "geometry",
    [
        pytest.param(each, marks=() if each in CLASSES.values() else pytest.mark.slow)
        for each in ALL_GEOMETRIES
        if each.rate_hz == 16_000
    ],
    ids=str,
)
def test_a_core_of_one_geometry_computes_what_the_integers_say(
    rng: np.random.Generator, tmp_path: Path, geometry: Geometry
) -> None:
    """Compiled for this geometry alone, as in firmware: each number of it is a constant there, but for the rate."""
    place = ALL_GEOMETRIES.index(geometry) % 4
    if place == 3:
        model = integer_model(random_voting_model(entries=20, geometry=geometry), GenerateOptions())
    else:
        kind, masks = (("tracked", "bands"), ("mel", "ibm"), ("stft", "bands2"))[place]
        model = random_model(rng, kind, 20, 40, 5, masks, 3, geometry=geometry)
    _assert_generated_computes(model, rng, tmp_path)


def _assert_generated_computes(model: IntegerModel, rng: np.random.Generator, tmp_path: Path) -> None:
    """Fail unless the generated C of `model`, compiled with its own limits, gives what the host core gives."""
    generate(model, OPTIONS, tmp_path)
    done = compiled(tmp_path, ("-DBLSH_MODEL_LIMITS",))
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(tmp_path / "lib.so"))
    library.blsh_dictionary_crc32.restype = ctypes.c_uint32
    generated = ctypes.byref(ctypes.c_char.in_dll(library, "blsh_model"))
    assert library.blsh_dictionary_crc32(generated) == model.dictionary_crc32
    state = ctypes.create_string_buffer(1 << 15)
    assert library.blsh_init(state, generated) == 0
    hop = model.geometry.hop
    samples = edge_signal("speech_like", 2048, rng)
    expected = HostCore(model).hops(samples).reshape(-1, hop)
    for t, given in enumerate(samples.reshape(-1, hop)):
        output = np.empty(hop, np.int16)
        pointer = ctypes.c_void_p
        library.blsh_hop(state, given.ctypes.data_as(pointer), output.ctypes.data_as(pointer), None)
        assert np.array_equal(output, expected[t]), f"{model.geometry}, hop {t}"


def test_same_input_same_bytes(rng: np.random.Generator, tmp_path: Path) -> None:
    model = random_model(rng)
    assert render(model, OPTIONS) == render(model, OPTIONS)
    (path, *_) = generate(model, OPTIONS, tmp_path)
    before = path.stat().st_mtime_ns
    generate(model, OPTIONS, tmp_path)
    assert path.stat().st_mtime_ns == before, "unchanged files are left alone, so that nothing is built again"
    assert str(tmp_path) not in path.read_text()


def test_other_runtime_format_stops_the_compiler(rng: np.random.Generator, tmp_path: Path) -> None:
    generate(random_model(rng), OPTIONS, tmp_path)
    header = tmp_path / "blsh_model.h"
    header.write_text(
        header.read_text().replace(f"#if BLSH_RUNTIME_FORMAT != {RUNTIME_FORMAT}", "#if BLSH_RUNTIME_FORMAT != 99")
    )
    done = compiled(tmp_path)
    assert done.returncode != 0
    assert f"generated for runtime format {RUNTIME_FORMAT}" in done.stderr


def test_a_name_cannot_leave_its_string(rng: np.random.Generator, tmp_path: Path) -> None:
    generate(replace(random_model(rng), name='*/ "; int x; // \\ \n ??/ ü'), OPTIONS, tmp_path)
    assert compiled(tmp_path).returncode == 0


def test_core_refuses_what_it_cannot_hold(rng: np.random.Generator) -> None:
    model = random_model(rng)
    with pytest.raises(BlshError, match="the model has no bits, too many"):
        HostCore(replace(model, bits=321))
    with pytest.raises(BlshError, match="fewer entries than neighbours"):
        HostCore(replace(model, codes=model.codes[:9]))
    with pytest.raises(BlshError, match="masks, smoothing or votes of rules are unknown"):
        HostCore(replace(model, smoothing=16))


def test_options_of_the_artifact_reach_the_integers(rng: np.random.Generator) -> None:
    levels = rng.integers(0, 16, (200, 80)).astype(np.uint8)
    model = artifact(rng, feature_kind="tracked", mask_kind="bands", mask_levels=levels, smoothing=3, floor=200)
    integers = integer_model(model, GenerateOptions(neighbours=4))
    assert np.array_equal(integers.mask_levels(), levels[tight_order(model.code_bits)])
    assert (integers.mask_kind.name, integers.smoothing) == ("bands", 3)
    assert integers.masks.shape == (200, 10)
    assert len(integers.gain_q14) == 4 * 15 + 1 and integers.gain_q14[[0, 30, 60]].tolist() == [12800, 12800, 16384]


def test_dictionary_is_the_asked_share_or_count(rng: np.random.Generator) -> None:
    model = artifact(rng)
    assert integer_model(model, GenerateOptions(entries=60)).entries == 60
    assert integer_model(model, GenerateOptions(share=0.1)).entries == 20
    assert integer_model(model, GenerateOptions()).entries == 200
    cut = integer_model(model, GenerateOptions(bits=12, neighbours=3))
    assert (cut.bits, cut.neighbours, cut.model_sha256) == (12, 3, model.sha256)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (GenerateOptions(entries=60, share=0.5), "exclude each other"),
        (GenerateOptions(entries=9), "9"),
        (GenerateOptions(entries=201), "201"),
        (GenerateOptions(share=0.0), "0.0"),
        (GenerateOptions(share=1.5), "1.5"),
        (GenerateOptions(bits=41), "41"),
        (GenerateOptions(neighbours=33), "33"),
        (GenerateOptions(neighbours=0), "0"),
    ],
)
def test_bad_options_are_refused_with_their_value(
    rng: np.random.Generator, options: GenerateOptions, words: str
) -> None:
    with pytest.raises(BlshError, match=words):
        integer_model(artifact(rng), options)


def test_projections_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    weights, biases = rng.normal(size=(3, 8)), np.zeros(3)
    with pytest.raises(BlshError, match="bit 1 has a weight that is not finite"):
        quantise_projections(np.where(np.arange(3)[:, None] == 1, np.nan, weights), biases)
    with pytest.raises(BlshError, match="bit 2 has no projection"):
        quantise_projections(weights * (np.arange(3)[:, None] != 2), biases)
    with pytest.raises(BlshError, match=r"of bit 0 is more than 32\.2.* times its projection.*constant"):
        quantise_projections(weights, np.array([1e9, 0, 0]))


def test_quantised_rows_use_the_whole_range(rng: np.random.Generator) -> None:
    sizes = 10.0 ** np.arange(-6, 4, 2)
    weights, biases = rng.normal(size=(5, 128)) * sizes[:, None], rng.normal(size=5) * sizes
    q7, bias = quantise_projections(weights, biases)
    assert np.abs(q7).max(axis=1).min() >= 126
    scale = 127 / np.abs(weights).max(axis=1)
    error = q7 - weights * scale[:, None]
    assert np.abs(error).max() <= 1
    assert np.abs(error.cumsum(axis=1)).max() <= 1  # the next weight takes up the rounding error of each
    assert np.abs(bias - 8 * biases * scale).max() <= 0.5


class TestRecord:
    @pytest.fixture
    def made(self, rng: np.random.Generator, tmp_path: Path) -> tuple[Model, IntegerModel, Path]:
        model = artifact(rng)
        integers = integer_model(model, OPTIONS)
        write_record(integers, OPTIONS, generate(integers, OPTIONS, tmp_path), tmp_path)
        return model, integers, tmp_path

    def test_is_read_back(self, made: tuple[Model, IntegerModel, Path]) -> None:
        model, integers, folder = made
        record = read_record(folder, model)
        assert record.options == OPTIONS
        assert record.dictionary_crc32 == integers.dictionary_crc32

    def test_nothing_generated(self, tmp_path: Path) -> None:
        with pytest.raises(BlshError, match="holds no generated code; run: blsh generate"):
            read_record(tmp_path)

    def test_another_model(self, made: tuple[Model, IntegerModel, Path], rng: np.random.Generator) -> None:
        with pytest.raises(BlshError, match="was generated from model"):
            read_record(made[2], artifact(rng, name="other"))

    def test_a_file_edited_by_hand(self, made: tuple[Model, IntegerModel, Path]) -> None:
        path = made[2] / "blsh_model.c"
        path.write_text(path.read_text().replace("1", "2", 1))
        with pytest.raises(BlshError, match=r"blsh_model\.c was changed after it was generated"):
            read_record(made[2])

    def test_a_missing_file(self, made: tuple[Model, IntegerModel, Path]) -> None:
        (made[2] / "blsh_tables.c").unlink()
        with pytest.raises(BlshError, match=r"blsh_tables\.c is missing; run: blsh generate MODEL"):
            read_record(made[2])

    def test_not_a_record(self, made: tuple[Model, IntegerModel, Path]) -> None:
        (made[2] / RECORD_NAME).write_text("{")
        with pytest.raises(BlshError, match="is not a record of generated code"):
            read_record(made[2])

# SPDX-License-Identifier: Apache-2.0
"""blsh_init refuses geometries that do not go together, windows that do not fit them, and what it has no code for."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model, own_limits, state_limits
from blsh_codegen.host_core import FLAGS, HostCore
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import core_folder
from blsh_codegen.spec.c_structs import CORE_LIMITS, board_bytes, model_struct, state_struct
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .compilers import require
from .conftest import ALL_GEOMETRIES, random_model

REFUSED = "rate, hop and windows do not go together, or the core is for others"
ASYMMETRIC = Geometry(16_000, 512, 64, 128)
BUFFERS = 2  # hops that a program holds besides the state
STACK_BYTES = 900  # of blsh_hop on a Cortex-M55, the most on any core


def test_every_legal_geometry_is_taken_and_tells_its_delay(rng: np.random.Generator) -> None:
    assert len(ALL_GEOMETRIES) == 33
    for geometry in ALL_GEOMETRIES:
        core = HostCore(random_model(rng, bits=20, entries=20, geometry=geometry))
        assert core.delay_samples() == geometry.lag


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 44_100},
        {"rate_hz": 0},
        {"window": 2048},
        {"window": 768},
        {"window": 0},
        {"hop": 0},
        {"hop": 32},
        {"hop": 96},
        {"hop": 512},
        {"synthesis": 256},
        {"synthesis": 2048},
        {"synthesis": 768},
        {"synthesis": 0},
        {"window": 512},
        {"rate_hz": 8_000},
    ],
    ids=str,
)
def test_numbers_that_do_not_go_together(rng: np.random.Generator, change: dict[str, int]) -> None:
    """Each of the recorder's numbers alone is another one; the tables stay."""
    core = HostCore(random_model(rng))
    for name, value in change.items():
        setattr(core.struct, name, value)
    with pytest.raises(BlshError, match=REFUSED):
        core.reset()


Table = npt.NDArray[np.int16]


def _higher_behind_the_peak(window: Table) -> None:
    window[-10] = window[-11] + 1


def _lower_before_the_peak(window: Table) -> None:
    window[100] = window[99] - 1


def _cut(window: Table) -> None:
    np.minimum(window, 16_383, out=window)


def _lifted(window: Table) -> None:
    window[0] = 1


def _negative_at_its_end(window: Table) -> None:
    window[-1] = -1


def _steep(window: Table) -> None:
    window[1:64] = window[64]


def _wide(window: Table) -> None:
    peak = int(window.argmax())
    window[64:peak] = 16_384


SPOILT: dict[str, tuple[str, Callable[[Table], None]]] = {
    "falls before its peak": ("window_q14", _lower_before_the_peak),
    "rises behind its peak": ("window_q14", _higher_behind_the_peak),
    "does not reach 1": ("window_q14", _cut),
    "does not begin at 0": ("window_q14", _lifted),
    "ends below 0": ("window_q14", _negative_at_its_end),
    "rises at once": ("window_q14", _steep),
    "is too wide": ("window_q14", _wide),
    "a synthesis below 0": ("synthesis_q14", lambda table: table.__setitem__(40, -1)),
    "a synthesis above 1": ("synthesis_q14", lambda table: table.__setitem__(40, 16_385)),
    "products that do not sum to the gain": ("synthesis_q14", lambda table: table.__setitem__(70, table[70] - 60)),
    "a synthesis that weighs too much": ("synthesis_q14", lambda table: table.fill(16_384)),
}


@pytest.mark.parametrize("geometry", [ASYMMETRIC, Geometry(16_000, 1024, 64, 512)], ids=str)
@pytest.mark.parametrize("case", SPOILT)
def test_windows_that_break_what_the_bounds_rest_on(rng: np.random.Generator, case: str, geometry: Geometry) -> None:
    """SPEC.md, 3: what every reader of a model refuses."""
    table, spoil = SPOILT[case]
    core = HostCore(random_model(rng, bits=20, entries=20, geometry=geometry))
    before = core.tables[table].copy()
    spoil(core.tables[table])
    assert not np.array_equal(before, core.tables[table])
    with pytest.raises(BlshError, match=REFUSED):
        core.reset()
    core.tables[table][:] = before
    core.reset()


@pytest.mark.parametrize("table", ["window_q14", "synthesis_q14"])
def test_a_window_that_is_missing(rng: np.random.Generator, table: str) -> None:
    core = HostCore(random_model(rng))
    setattr(core.struct, table, None)
    with pytest.raises(BlshError, match=REFUSED):
        core.reset()


@pytest.mark.parametrize("origin", [0, 511, 1024])
def test_an_origin_that_would_not_fit_the_memory(origin: int) -> None:
    core = HostCore(integer_model(random_voting_model(entries=20), GenerateOptions()))
    core.struct.log_origin = origin
    with pytest.raises(BlshError, match="feature kind or count is unknown"):
        core.reset()


# ---- cores that are compiled for some geometries only -------------------------------------------------------------


def built(model: IntegerModel, options: GenerateOptions, folder: Path) -> ctypes.CDLL:
    """Return the core with `model` and the limits that generation gives it."""
    require("gcc")
    generate(model, options, folder)
    sources = [str(path) for path in [*core_folder().glob("*.c"), *folder.glob("*.c")]]
    program = folder / "lib.so"
    search = [f"-I{core_folder()}", f"-I{folder}"]
    done = subprocess.run(
        ["gcc", *FLAGS, "-DBLSH_MODEL_LIMITS", *search, *sources, "-o", str(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(program))


def start(library: ctypes.CDLL, model: IntegerModel) -> int:
    """Return what blsh_init of the library says to another model than its own."""
    state: Any = ctypes.create_string_buffer(1 << 15)
    core = HostCore(model)  # keeps the tables that the struct points to
    return int(library.blsh_init(state, ctypes.byref(core.struct)))


GEOMETRY, OK = -11, 0


def test_a_core_of_one_geometry_takes_no_other(rng: np.random.Generator, tmp_path: Path) -> None:
    own = Geometry(16_000, 512, 128, 256)
    models = {each: random_model(rng, bits=20, entries=20, geometry=each) for each in ALL_GEOMETRIES}
    library = built(models[own], GenerateOptions(), tmp_path)
    lacks = own_limits(models[own]).lacks
    for geometry, model in models.items():
        same = geometry.numbers[1:] == own.numbers[1:]  # both rates have one code
        assert start(library, model) == (OK if same else GEOMETRY), str(geometry)
        assert (lacks(geometry) is None) == same


def test_slots_take_no_larger_window_and_lag(rng: np.random.Generator, tmp_path: Path) -> None:
    own = Geometry(16_000, 512, 256, 512)
    models = {each: random_model(rng, bits=20, entries=20, geometry=each) for each in ALL_GEOMETRIES}
    library = built(models[own], GenerateOptions(slots=True), tmp_path)
    lacks = state_limits(models[own], GenerateOptions(slots=True)).lacks
    taken = {each for each, model in models.items() if start(library, model) == OK}
    assert taken == {each for each in models if each.window <= own.window and each.lag <= own.lag}
    assert taken == {each for each in models if lacks(each) is None}
    assert lacks(RECORDER) == "a window of 1024 samples, and the core is compiled for 256, 512"
    assert lacks(Geometry(16_000, 512, 128, 512)) == "M - H = 384 samples, and the core is compiled for 256"


def test_limits_name_the_number_that_one_geometry_lacks(rng: np.random.Generator) -> None:
    limits = own_limits(random_model(rng, bits=20, entries=20, geometry=ASYMMETRIC))
    assert limits.lacks(ASYMMETRIC) is None
    assert limits.lacks(Geometry(16_000, 512, 128, 256)) == "N - H = 384 samples, and the core is compiled for 448"


@pytest.mark.parametrize("name", CLASSES)
def test_a_stream_fits_the_ram_of_its_window(rng: np.random.Generator, name: str) -> None:
    """State, stack and two hops: 12 KiB for 1024 samples, 7 for 512, 4.5 for 256; of the model of blsh.h."""
    geometry = CLASSES[name]
    room = {1024: 12 << 10, 512: 7 << 10, 256: 9 << 9}[geometry.window]
    model = random_model(rng, bits=50, entries=64, neighbours=10, geometry=geometry)
    state = board_bytes(state_struct, own_limits(model))
    assert state + STACK_BYTES + BUFFERS * 2 * geometry.hop <= room
    assert state < board_bytes(state_struct, CORE_LIMITS)


def test_the_smallest_frames_fit_their_ram(rng: np.random.Generator) -> None:
    for geometry in (each for each in ALL_GEOMETRIES if each.window == 256):
        model = random_model(rng, bits=50, entries=64, neighbours=10, geometry=geometry)
        state = board_bytes(state_struct, own_limits(model))
        assert state + STACK_BYTES + BUFFERS * 2 * geometry.hop <= 9 << 9, str(geometry)


def test_the_struct_of_a_model_has_its_geometry(rng: np.random.Generator, tmp_path: Path) -> None:
    model = random_model(rng, bits=20, entries=20, geometry=ASYMMETRIC)
    library = built(model, GenerateOptions(), tmp_path)
    found: Any = model_struct().in_dll(library, "blsh_model")
    assert (found.rate_hz, found.window, found.hop, found.synthesis) == ASYMMETRIC.numbers
    assert found.window_q14 != found.synthesis_q14

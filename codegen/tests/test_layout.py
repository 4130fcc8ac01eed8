# SPDX-License-Identifier: Apache-2.0
"""Python's structs are those of the compiler, on this machine and on a board."""

from pathlib import Path

import numpy as np
import pytest

from blsh_codegen import host_core
from blsh_codegen.cost.estimate import state_bytes, table_bytes
from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, render
from blsh_codegen.spec import c_structs as layout
from blsh_codegen.spec.c_structs import BOARD_POINTER, CORE_LIMITS, Limits, board_bytes, layout_check, model_struct
from blsh_codegen.spec.constants import ALL_KINDS, MAX_BITS, MAX_FOUND, MAX_NEIGHBOURS
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER

from .compilers import C_COMPILERS, compile_objects
from .conftest import random_model

BOARDS = ("cortex-m0", "cortex-m55")


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("smoothed", [1, 513])
def test_sizes_on_a_board_are_the_compiler_s(
    rng: np.random.Generator, tmp_path: Path, name: str, smoothed: int
) -> None:
    """The sizes hold for the core as it is, and for one compiled with a model's own limits."""
    most = (MAX_BITS, MAX_NEIGHBOURS, 1, MAX_BITS, RECORDER.bins, MAX_FOUND, ALL_KINDS, 7)
    numbers = [int(rng.integers(1, each + 1)) for each in most]
    one = bool(rng.integers(2))
    if one:  # of the largest of the windows
        numbers[-1] = 1 << numbers[-1].bit_length() - 1
    limits = Limits(*numbers, 0, 0, one)._replace(smoothed=smoothed)
    room = [64 * int(rng.integers(1, limits.window // 64)) for _ in range(2)]
    limits = limits._replace(history=room[0], overlap=room[1])
    defines = "".join(f"#define {name} {value}u\n" for name, value in limits.defines().items())
    (tmp_path / "blsh_limits.h").write_text(defines)
    (tmp_path / "whole.c").write_text(layout_check(BOARD_POINTER))
    (tmp_path / "own.c").write_text("#define BLSH_MODEL_LIMITS\n" + layout_check(BOARD_POINTER, limits))
    sources = [tmp_path / "whole.c", tmp_path / "own.c"]
    compile_objects(C_COMPILERS[name], sources, [host_core.core_folder(), tmp_path], tmp_path / "objects")


def test_estimates_take_the_sizes_of_a_board(rng: np.random.Generator) -> None:
    model = random_model(rng, "tracked", 77, 70, 5, "bands", 3)
    own = Limits.of_masks(77, 5, model.mask_kind.width, model.features, model.geometry)
    assert f"#define BLSH_MAX_BITS {own.bits}u" in render(model, GenerateOptions())["blsh_limits.h"]
    assert state_bytes(model) == board_bytes(layout.state_struct, own) < board_bytes(layout.state_struct, CORE_LIMITS)
    name = -(-(len(model.name) + 1) // 4) * 4
    tables = sum(-(-size // 4) * 4 for size in flash_table_bytes(model).values())
    assert table_bytes(model) - tables - name == board_bytes(model_struct) == 160


def test_a_struct_that_was_changed_alone_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host library is compiled against the description that Python calls it with."""
    check = layout_check()
    assert check.count("_Static_assert") > 40
    moved = check.replace("offsetof(blsh_model_t, radius) == ", "offsetof(blsh_model_t, radius) == 2 + ")
    assert moved != check
    monkeypatch.setattr(host_core, "layout_check", lambda: moved)
    with pytest.raises(BlshError, match=r"cannot build the C core:(.|\n)*c_structs.py says so"):
        host_core.compile_core()

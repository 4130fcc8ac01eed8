# SPDX-License-Identifier: Apache-2.0
"""A program has no code for kinds of models that it cannot run, and refuses them."""

from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.export import export_library
from blsh_codegen.emit.generate import GenerateOptions, integer_model, render
from blsh_codegen.spec.constants import ALL_KINDS, ModelKind
from blsh_codegen.spec.error_texts import error_texts

from .compilers import require, run
from .exports import of_kind

VOTES = ModelKind.SMALL_VOTES | ModelKind.LARGE_VOTES
NEEDED = {
    "blsh_track_floors": ModelKind.MASKS,
    "blsh_floor_sqrt64": ModelKind.MASKS,
    "blsh_count_votes": VOTES,
    "blsh_remember": VOTES,
    "rank_dictionaries": ModelKind.SMALL_VOTES,
    "search_groups": ModelKind.MASKS | ModelKind.LARGE_VOTES,
}
"""Functions of the core, and the kinds of models that they are for."""

MAIN = """
#include <stdio.h>
#include "blsh_model.h"
static blsh_state_t state;
static int16_t samples[BLSH_MODEL_HOP];
static int started_with(const int8_t *vote, uint32_t entries) {
    blsh_model_t model = blsh_model;
    model.vote = vote;
    model.entries = entries;
    return blsh_init(&state, &model);
}
int main(void) {
    static const int8_t any_vote = 0;
    const int own = blsh_init(&state, &blsh_model);
    blsh_hop(&state, samples, samples, NULL);
    printf("%d %d %d %d", own, started_with(NULL, 129), started_with(&any_vote, 128), started_with(&any_vote, 129));
    return 0;
}
"""
"""Starts a stream of the generated model, then of what seem to be models of the three kinds."""


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ModelKind, ids=lambda kind: kind.name)
def test_what_other_kinds_need_is_left_out(rng: np.random.Generator, tmp_path: Path, kind: ModelKind) -> None:
    require("gcc")
    export_library(*of_kind(kind, rng), tmp_path / "library")
    source, program = tmp_path / "library" / "src", tmp_path / "program"
    (tmp_path / "main.c").write_text(MAIN)
    sections = ["-ffunction-sections", "-Wl,--gc-sections"]
    done = run(
        "gcc", "-std=c11", "-O2", *sections, f"-I{source}", tmp_path / "main.c", *source.glob("*.c"), "-o", program
    )
    assert done.returncode == 0, done.stderr.decode()
    names = {line.split(b" ")[-1].split(b".")[0].decode() for line in run("nm", program).stdout.splitlines()}
    assert {name: name in names for name in NEEDED} == {name: bool(kind & kinds) for name, kinds in NEEDED.items()}
    own, *others = map(int, run(program).stdout.split())
    refused = next(number for number, text in error_texts(source).items() if "models of other kinds" in text)
    assert own == 0
    assert [other == refused for other in others] == [each is not kind for each in ModelKind]


@pytest.mark.parametrize("kind", ModelKind, ids=lambda kind: kind.name)
def test_slots_take_more_kinds_only_where_the_model_votes(rng: np.random.Generator, kind: ModelKind) -> None:
    """The state has room for what voting models remember only where there is one."""
    model, options = of_kind(kind, rng)
    integers = integer_model(model, options)
    assert f"#define BLSH_KINDS {kind:d}u " in render(integers, options)["blsh_limits.h"]
    with_slots = kind if kind is ModelKind.MASKS else ALL_KINDS
    assert f"#define BLSH_KINDS {with_slots:d}u " in render(integers, GenerateOptions(slots=True))["blsh_limits.h"]

# SPDX-License-Identifier: Apache-2.0
"""Call the C core directly, on the host: any model in milliseconds, and models that no firmware could hold.

Each test runs with every variant of the primitives: portable, with products of at most 32 bits as on a Cortex-M0, and
with the intrinsics of DSP and of Helium.
"""

from pathlib import Path

import numpy.typing as npt
import pytest
from hypothesis import given, seed, settings

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.host_core import HOST_VARIANTS
from blsh_codegen.pipeline.vectorised import padded_to_hops
from blsh_codegen.spec.constants import (
    ATTENUATION_OFF,
    MAX_BITS,
    MAX_DICTIONARIES,
    MAX_ENTRIES,
    MAX_MEL_BANDS,
    MAX_NEIGHBOURS,
    MAX_RULE_VOTES,
    MAX_SMOOTHING,
    MAX_THRESHOLDS,
    MOST_ATTENUATION,
    SMALL_ENTRIES,
)
from blsh_codegen.spec.stages import STAGES
from blsh_hil.prove.core_client import CoreClient
from blsh_hil.prove.coverage import core_library
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.prove.recipes import Recipe
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, all_geometries

from .exactness import Exactness
from .strategies import MODELS, PHASES, SIGNALS

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]

ERRORS = 13  # the results of the core that have a text, BLSH_OK among them


@pytest.fixture(scope="session", params=HOST_VARIANTS)
def library(request: pytest.FixtureRequest, coverage_folder: Path | None) -> Path:
    """Return the core, built for this machine as a library."""
    return core_library(HOST_VARIANTS[request.param], coverage_folder)


def test_generated_models_and_signals(library: Path, exact: Exactness) -> None:
    """Draw the same cases for the same seed. Hypothesis shrinks a model and a signal that fail."""

    @seed(exact.seed)
    @settings(max_examples=30, deadline=None, database=None, phases=PHASES)
    @given(MODELS, SIGNALS)
    def check(recipe: Recipe, signal: npt.NDArray) -> None:
        model = recipe.model()
        exact(
            CoreClient(model, library),
            model,
            padded_to_hops(signal[: 24 * model.geometry.tick], model.geometry),
            recipe,
        )

    check()
    assert exact.counts["hops"] > 50


# The field of blsh_model_t, a value that no model may have, and the core's words for it.
REFUSED = {
    "another runtime format": ("runtime_format", 99, "another runtime format"),
    "no such features": ("feature_kind", 4, "feature kind or count is unknown"),
    "features of another count": ("features", RECORDER.bins, "feature kind or count is unknown"),
    "too many mel bands": (
        "features",
        MAX_MEL_BANDS + 1,
        "its mel bands are not what they may be",
    ),
    "no bits": ("bits", 0, "the model has no bits, too many"),
    "too many bits": ("bits", MAX_BITS + 1, "the model has no bits, too many"),
    "a radius beyond the bits": ("radius", 51, "the model has no bits, too many, fewer than its radius"),
    "no neighbours": ("neighbours", 0, "no neighbour, or more than BLSH_MAX_NEIGHBOURS"),
    "too many neighbours": ("neighbours", MAX_NEIGHBOURS + 1, "no neighbour, or more than BLSH_MAX_NEIGHBOURS"),
    "fewer entries than neighbours": ("entries", 9, "fewer entries than neighbours"),
    "too many entries": ("entries", MAX_ENTRIES + 1, "more than BLSH_MAX_ENTRIES"),
    "levels of 3 bits": ("mask_level_bits", 3, "masks, smoothing or votes of rules are unknown"),
    "no bands": ("mask_bands", 0, "masks, smoothing or votes of rules are unknown"),
    "too many bands": ("mask_bands", RECORDER.bins + 1, "masks, smoothing or votes of rules are unknown"),
    "too much smoothing": ("smoothing", MAX_SMOOTHING + 1, "masks, smoothing or votes of rules are unknown"),
    "too much smoothing downwards": (
        "smoothing_down",
        MAX_SMOOTHING + 1,
        "masks, smoothing or votes of rules are unknown",
    ),
    "a start without votes": ("start_votes", 1, "masks, smoothing or votes of rules are unknown"),
    "calm without votes": ("steady_votes", 1, "masks, smoothing or votes of rules are unknown"),
    "a limit of 61 dB": ("attenuation", MOST_ATTENUATION + 1, "limit of attenuation is neither 0 to 60 dB nor"),
    "a limit of 256 dB": ("attenuation", 256, "limit of attenuation is neither 0 to 60 dB nor"),
    "thresholds without votes": ("thresholds", 2, "or not those of its thresholds"),
    "dictionaries without votes": ("dictionaries", 2, "no neighbour, or more than"),
    "memory without votes": ("feature_kind", 3, "feature kind or count is unknown"),
    "another rate": ("rate_hz", 48_000, "rate, hop and windows do not go together"),
    "another window": ("window", 2048, "rate, hop and windows do not go together"),
    "a window that is not that of its table": ("window", 512, "rate, hop and windows do not go together"),
    "a hop that does not divide": ("hop", 192, "rate, hop and windows do not go together"),
    "a hop of more than 16 ms": ("hop", 512, "rate, hop and windows do not go together"),
    "a synthesis that does not reconstruct": ("synthesis", 256, "rate, hop and windows do not go together"),
}

# The same for a voting model.
REFUSED_VOTING = {
    "no thresholds": ("thresholds", 0, "or not those of its thresholds"),
    "too many thresholds": ("thresholds", MAX_THRESHOLDS + 1, "or not those of its thresholds"),
    "projections that are not those of the bits": ("projections", 11, "or not those of its thresholds"),
    "too high a start": ("start_votes", MAX_RULE_VOTES + 1, "masks, smoothing or votes of rules are unknown"),
    "too many votes of calm": ("steady_votes", MAX_RULE_VOTES + 1, "masks, smoothing or votes of rules are unknown"),
    "no dictionary": ("dictionaries", 0, "no neighbour, or more than"),
    "too many dictionaries": ("dictionaries", MAX_DICTIONARIES + 1, "no neighbour, or more than"),
    "too many entries in all": ("entries", MAX_ENTRIES // 3 + 1, "more than BLSH_MAX_ENTRIES"),
    "features of another kind": ("feature_kind", 2, "feature kind or count is unknown"),
    "levels of 4 bits": ("mask_level_bits", 4, "masks, smoothing or votes of rules are unknown"),
    "too much smoothing": ("smoothing", MAX_SMOOTHING + 1, "masks, smoothing or votes of rules are unknown"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_cannot_be_is_refused(library: Path, case: str) -> None:
    name, value, words = REFUSED[case]
    client = CoreClient(Recipe(0, bits=50, masks="bands").model(), library)
    assert getattr(client.core.struct, name) != value
    setattr(client.core.struct, name, value)
    with pytest.raises(BlshError, match=words):
        client.reset_stream()


@pytest.mark.parametrize("case", REFUSED_VOTING)
def test_a_voting_model_that_cannot_be_is_refused(library: Path, case: str) -> None:
    name, value, words = REFUSED_VOTING[case]
    client = CoreClient(integer_model(random_voting_model(entries=SMALL_ENTRIES + 1), GenerateOptions()), library)
    assert getattr(client.core.struct, name) != value
    setattr(client.core.struct, name, value)
    with pytest.raises(BlshError, match=words):
        client.reset_stream()


TABLES_OF_VOTES = (
    "projection_q7",
    "planes",
    "band_edge",
    "threshold",
    "group_edge",
    "weight",
    "response_q14",
)


@pytest.mark.parametrize("table", TABLES_OF_VOTES)
def test_a_voting_model_without_a_table_is_refused(library: Path, table: str) -> None:
    client = CoreClient(integer_model(random_voting_model(), GenerateOptions()), library)
    setattr(client.core.struct, table, None)
    with pytest.raises(BlshError, match="a pointer is NULL"):
        client.reset_stream()


def test_only_larger_dictionaries_of_a_voting_model_need_bounds(library: Path) -> None:
    for entries in (SMALL_ENTRIES, SMALL_ENTRIES + 1):
        client = CoreClient(integer_model(random_voting_model(entries=entries), GenerateOptions()), library)
        assert bool(client.core.struct.bounds) == (entries > SMALL_ENTRIES)
    client.core.struct.bounds = None
    with pytest.raises(BlshError, match="a pointer is NULL"):
        client.reset_stream()


TABLES = (
    "projection_q7",
    "bias_q3",
    "planes",
    "bounds",
    "masks",
    "gain_q14",
    "mel_first",
    "mel_count",
    "mel_weight_q16",
)


@pytest.mark.parametrize("table", TABLES)
def test_a_model_without_a_table_is_refused(library: Path, table: str) -> None:
    client = CoreClient(Recipe(0, "mel").model(), library)
    setattr(client.core.struct, table, None)
    with pytest.raises(BlshError, match=r"a pointer is NULL|feature kind or count is unknown"):
        client.reset_stream()


# A table of the model, the place in it, a value that would make the core write or read beyond its buffers.
DAMAGED = {
    "a band that begins before the spectrum": ("mel_first", 9, -1),
    "a band of less than nothing": ("mel_count", 3, -1),
    "a band beyond the spectrum": ("mel_count", 63, RECORDER.bins),
    "a negative weight": ("mel_weight_q16", 40, -1),
    "a negative gain": ("gain_q14", 3, -1),
    "a gain above 1": ("gain_q14", 60, 16385),
    "a mask's band before its number": ("band_edge", 7, 6),
    "a mask's band of nothing": ("band_edge", 40, 54),
    "a mask that begins in the middle": ("band_edge", 0, 1),
    "a mask beyond the spectrum": ("band_edge", 80, RECORDER.bins + 1),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_bands_that_leave_the_spectrum_are_refused(library: Path, case: str) -> None:
    table, place, value = DAMAGED[case]
    client = CoreClient(Recipe(0, "tracked", masks="bands").model(), library)
    client.core.tables[table][place] = value
    with pytest.raises(
        BlshError, match=r"feature kind or count is unknown|masks, smoothing or votes of rules are unknown"
    ):
        client.reset_stream()


def test_a_limit_that_there_is_not_is_refused(library: Path) -> None:
    import ctypes

    core = CoreClient(Recipe(0).model(), library).core
    for limit in (MOST_ATTENUATION + 1, ATTENUATION_OFF - 1, ATTENUATION_OFF + 1):
        with pytest.raises(BlshError, match="limit of attenuation is neither 0 to 60 dB nor"):
            core.set_attenuation(limit)
    core.set_attenuation(MOST_ATTENUATION)
    assert ctypes.CDLL(str(library)).blsh_set_attenuation(None, 0) == -1, "BLSH_ERR_ARGUMENT"


def test_every_stage_and_every_result_has_its_words(library: Path) -> None:
    import ctypes

    core = ctypes.CDLL(str(library))
    core.blsh_stage_name.restype = core.blsh_error_text.restype = ctypes.c_char_p
    assert [core.blsh_stage_name(index).decode() for index in range(len(STAGES))] == list(STAGES)
    texts = [core.blsh_error_text(-code) for code in range(ERRORS)]
    assert len(set(texts)) == ERRORS and all(texts)
    assert core.blsh_error_text(-ERRORS) == b"unknown result", "there is no other"
    for name in ("blsh_stage_name", "blsh_error_text"):
        assert getattr(core, name)(99) not in {None, *texts}, "of a number that there is not"


def test_the_output_lags_by_what_the_geometry_says(library: Path) -> None:
    for geometry in all_geometries():
        assert (
            CoreClient(Recipe(0, entries=20, geometry=geometry).model(), library).core.delay_samples() == geometry.lag
        )

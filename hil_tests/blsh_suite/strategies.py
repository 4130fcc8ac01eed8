# SPDX-License-Identifier: Apache-2.0
"""Draws of hypothesis for the suite: signals pieced together from segments, and recipes of models."""

from hypothesis import Phase
from hypothesis import strategies as st

from blsh_codegen.spec.constants import MAX_SMOOTHING
from blsh_hil.prove.recipes import DICTIONARIES, SEGMENTS, Recipe, Segment, joined
from blsh_trainer.signals.features import MASK_FEATURES
from blsh_trainer.signals.masks import MASK_KINDS

PHASES = [phase for phase in Phase if phase is not Phase.explain]
"""All that hypothesis does with a failure except to explain it, which would run the board many times more."""

SIGNALS = st.lists(
    st.builds(Segment, st.sampled_from(SEGMENTS), st.integers(1, 1500), st.integers(0, 15), st.integers(0, 2**16)),
    max_size=5,
).map(joined)
"""Signals of any length, odd ones too, pieced together."""

MODELS = st.builds(
    lambda neighbours, more, **rest: Recipe(neighbours=neighbours, entries=neighbours + more, **rest),
    seed=st.integers(0, 2**32 - 1),
    features=st.sampled_from(list(MASK_FEATURES)),
    bits=st.one_of(st.integers(1, 300), st.sampled_from([1, 31, 32, 33, 64, 255, 256, 300])),
    neighbours=st.integers(1, 32),
    more=st.one_of(st.integers(0, 3), st.integers(0, 150)),
    masks=st.sampled_from(list(MASK_KINDS)),
    smoothing=st.integers(0, MAX_SMOOTHING),
    floor=st.sampled_from([0, 1, 13, 255]),
    dictionary=st.sampled_from(list(DICTIONARIES)),
)
"""Recipes with L from 1 to 300, K from 1 to 32, every kind of features, masks and ties."""

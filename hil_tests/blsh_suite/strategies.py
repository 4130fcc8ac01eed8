# SPDX-License-Identifier: Apache-2.0
"""Draws of hypothesis for the suite: signals pieced together from segments, and recipes of models."""

from hypothesis import Phase
from hypothesis import strategies as st

from blsh_codegen.spec.constants import MAX_BITS, MAX_FOUND, MAX_NEIGHBOURS, MAX_RULE_VOTES, MAX_SMOOTHING
from blsh_hil.prove.recipes import DICTIONARIES, SEGMENTS, Recipe, Segment, VotingRecipe, joined
from blsh_trainer.signals.features import MASK_FEATURES
from blsh_trainer.signals.geometry import all_geometries
from blsh_trainer.signals.masks import MASK_KINDS

PHASES = [phase for phase in Phase if phase is not Phase.explain]
"""All that hypothesis does with a failure except to explain it, which would run the board many times more."""

SIGNALS = st.lists(
    st.builds(Segment, st.sampled_from(SEGMENTS), st.integers(1, 1500), st.integers(0, 15), st.integers(0, 2**16)),
    max_size=5,
).map(joined)
"""Signals of any length, odd ones too, pieced together."""

_WITH_MASKS = st.builds(
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
    geometry=st.sampled_from(all_geometries()),
)
_VOTING = st.tuples(st.integers(1, 4), st.sampled_from(all_geometries())).flatmap(
    lambda shape: st.integers(1, shape[1].bands).flatmap(
        lambda groups: st.builds(
            lambda neighbours, more, **rest: VotingRecipe(neighbours=neighbours, entries=neighbours + more, **rest),
            seed=st.integers(0, 2**32 - 1),
            projections=st.integers(1, MAX_BITS // shape[0]),
            thresholds=st.just(shape[0]),
            groups=st.just(groups),
            neighbours=st.integers(1, min(MAX_NEIGHBOURS, MAX_FOUND // groups)),
            more=st.integers(0, 40),
            bit_votes=st.booleans(),
            smoothing=st.integers(0, MAX_SMOOTHING),
            smoothing_down=st.integers(0, MAX_SMOOTHING),
            start_votes=st.integers(0, MAX_RULE_VOTES),
            steady_votes=st.integers(0, MAX_RULE_VOTES),
            geometry=st.just(shape[1]),
        )
    )
)
MODELS = st.one_of(_WITH_MASKS, _VOTING)
"""Recipes of every geometry, with L from 1 to 300, K from 1 to 32, all kinds of features, masks and ties, and votes."""

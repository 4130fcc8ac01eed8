# SPDX-License-Identifier: Apache-2.0
"""The registry of learners: each is found by name, reads the options that it says it reads, and no other."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.registry import (
    LEARNER_KINDS,
    LEARNERS,
    WEIGHTINGS,
    CodeOptions,
    Run,
    find_learner,
    fit_learner,
)
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.signals.features import l2_normalise

OTHER = {"ordered": False, "steps": 4, "target": "rbf", "sigma2": 0.3, "fit_frames": 3}
"""Another value of each option that a learner may read besides its name and its bits."""


def frames(count=200):
    rng = np.random.default_rng(3)
    H = l2_normalise(rng.gamma(0.3, size=(count, 8)) @ rng.gamma(0.3, size=(8, 12))).astype(np.float32)
    masks = rng.random((count, 80), dtype=np.float32)
    ibm, lots = np.zeros((count, 65), np.uint8), rng.random(count)
    return TrainingFrames(H, ibm, masks, np.ones_like(masks), np.arange(count, dtype=np.int32) % 5, lots, count)


def options_of(kind):
    # A bandwidth is read only by the target "rbf".
    return CodeOptions(bits=6, learner=kind.name, weighting=kind.weighting or "masks", steps=3, target="rbf")


def learned(options):
    learner = fit_learner(frames(), options, np.random.default_rng(1))
    return np.column_stack([learner.projections_, learner.biases_])


def test_every_learner_is_found_and_no_two_are_alike():
    assert (LEARNERS, WEIGHTINGS) == (("blsh", "lsh", "lsh-plain"), ("masks", "residual", "adaboost"))
    for kind in LEARNER_KINDS:
        assert find_learner(kind.name, kind.weighting or "masks") is kind
    for name in LEARNERS:
        of = [kind.weighting for kind in LEARNER_KINDS if kind.name == name]
        assert of == [None] or (None not in of and len(set(of)) == len(of))
    with pytest.raises(BlshError, match=r"learner 'svm' with weighting 'masks' is unknown; .* adaboost, lsh, lsh-pl"):
        find_learner("svm", "masks")


def test_every_option_is_tried():
    assert {*OTHER, "bits", "learner", "weighting"} == {field.name for field in fields(CodeOptions)}


@pytest.mark.parametrize("kind", LEARNER_KINDS, ids=lambda kind: f"{kind.name} {kind.weighting}")
@pytest.mark.parametrize("option", OTHER)
def test_a_learner_reads_what_it_says_and_nothing_else(kind, option):
    options = options_of(kind)
    changed = replace(options, **{option: "linear" if option == "target" else OTHER[option]})
    same = np.array_equal(learned(options), learned(changed))
    assert same == (option not in kind.reads)


@pytest.mark.parametrize("kind", LEARNER_KINDS, ids=lambda kind: f"{kind.name} {kind.weighting}")
def test_a_checkpoint_is_written_by_the_learners_that_can_use_one(kind, tmp_path):
    file = tmp_path / "fit.ckpt"
    fit_learner(frames(), options_of(kind), np.random.default_rng(1), Run(checkpoint=file))
    assert file.exists() == (kind.no_checkpoint is None)


def test_what_is_of_no_use_to_a_learner_is_refused():
    masks, drawn = find_learner("blsh", "masks"), find_learner("lsh", "masks")
    masks.check_use(Path("fit.ckpt"), None)
    find_learner("blsh", "residual").check_use(Path("fit.ckpt"), "tcp://there")
    with pytest.raises(BlshError, match=r"--checkpoint fit.ckpt is of no use: learner lsh draws its bits at once"):
        drawn.check_use(Path("fit.ckpt"), None)
    with pytest.raises(BlshError, match=r"--scheduler tcp://there .* choose --weighting residual or adaboost, or"):
        masks.check_use(None, "tcp://there")
    shared = [kind.weighting for kind in LEARNER_KINDS if kind.no_scheduler is None]
    assert masks.no_scheduler is not None and " or ".join(map(str, shared)) in masks.no_scheduler

# SPDX-License-Identifier: Apache-2.0
"""Comparison of the scalar reference, the vectorised twin and the C core, stage by stage."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.host_core import HOST_VARIANTS, HostCore, compile_core
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.stages import STAGES, HopVectors


def assert_same(expected: HopVectors, actual: HopVectors, where: str) -> None:
    """Fail with the first stage, value, expected and actual that differ."""
    for index, stage in enumerate(STAGES):
        if expected.stage_bytes(index) != actual.stage_bytes(index):
            a, b = expected.stage(index), actual.stage(index)
            assert a.shape == b.shape, f"{where}, {stage}: {b.shape} values, expected {a.shape}"
            at = int(np.flatnonzero(a != b)[0])
            pytest.fail(f"{where}, {stage}[{at}]: expected {a[at]}, got {b[at]}")
    told = (expected.activity, expected.reduction_db)
    assert (actual.activity, actual.reduction_db) == told, f"{where}: activity and reduction"


def assert_all_agree(
    model: IntegerModel, samples: npt.NDArray[np.int16], name: str, limits: Sequence[int] | None = None
) -> None:
    """Fail with the first value of any stage of any hop in which the reference and another implementation differ.

    limits: the limit of attenuation of each hop; the model's own in all where there are none.
    """
    reference = ReferenceDenoiser(model)
    cores = {variant: HostCore(model, compile_core(flags)) for variant, flags in HOST_VARIANTS.items()}
    vectors = VectorisedDenoiser(model).stages(samples, limits)
    for t, hop in enumerate(samples.reshape(-1, model.geometry.hop)):
        for each in (reference, *cores.values()) if limits is not None else ():
            each.set_attenuation(limits[t])
        expected = reference.hop(hop)
        assert_same(expected, vectors.hop(t), f"vectorised, {name}, hop {t}")
        for variant, core in cores.items():
            assert_same(expected, core.hop(hop), f"C core, {variant}, {name}, hop {t}")

# SPDX-License-Identifier: Apache-2.0
"""The limit of attenuation on the wire: it comes with each hop, so a hop that is done again is the same."""

from dataclasses import replace

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import ATTENUATION_OFF, MOST_ATTENUATION
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.host import HostBoard
from blsh_hil.link.board_errors import RefusedError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.fault_injector import FaultInjector, Faults
from blsh_hil.link.retry import Retries
from blsh_hil.prove.compare import compare
from blsh_hil.prove.push import restore_factory
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.wire.codes import ErrorCode
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL

from .slot_models import FACTORY, try_model

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("push")]  # with the tests that build the same program

VOTING = integer_model(random_voting_model(), GenerateOptions())
HOP = VOTING.geometry.hop
LIMITS = [0, ATTENUATION_OFF, 12, 12, 1, MOST_ATTENUATION, 6, 20] * 4
SAMPLES = edge_signal("speech_like", len(LIMITS) * HOP, np.random.default_rng(6))


def test_every_stage_agrees_while_limits_change(factory_client: BoardClient) -> None:
    for model in (FACTORY, VOTING):
        if model is VOTING:
            try_model(factory_client, model)
        comparison = compare(factory_client, VectorisedDenoiser(model), SAMPLES, limits=LIMITS)
        assert comparison.exact and comparison.hops == len(LIMITS), comparison.first


def test_a_model_brings_its_own_limit(factory_client: BoardClient) -> None:
    """A HOP that names no limit has the model's, also after one that did."""
    model = replace(FACTORY, attenuation=9)
    try_model(factory_client, model)
    assert factory_client.hello().attenuation == 9
    factory_client.reset_stream()
    reference = VectorisedDenoiser(model)
    limits = [9, 0, 9, 9, ATTENUATION_OFF, 9]
    parts = SAMPLES[: len(limits) * HOP].reshape(-1, HOP)
    asked = [limit if limit != 9 else ATTENUATION_OF_MODEL for limit in limits]
    found = [factory_client.hop(part, attenuation=limit).samples for part, limit in zip(parts, asked, strict=True)]
    assert np.array_equal(np.concatenate(found), reference.hops(parts.reshape(-1), limits))
    restore_factory(factory_client)
    assert factory_client.hello().attenuation == ATTENUATION_OFF


@pytest.mark.parametrize("limit", [MOST_ATTENUATION + 1, 200, ATTENUATION_OF_MODEL - 1])
def test_another_limit_is_refused_and_the_stream_stays(factory_client: BoardClient, limit: int) -> None:
    reference = VectorisedDenoiser(FACTORY)
    parts = SAMPLES[: 4 * HOP].reshape(-1, HOP)
    factory_client.reset_stream()
    found = [factory_client.hop(parts[0], attenuation=6).samples]
    with pytest.raises(RefusedError) as caught:
        factory_client.hop(parts[1], attenuation=limit)
    assert (caught.value.code, caught.value.detail) == (ErrorCode.BAD_VALUE, limit)
    found += [factory_client.hop(part, attenuation=6).samples for part in parts[1:]]
    assert np.array_equal(np.concatenate(found), reference.hops(SAMPLES[: 4 * HOP], [6] * 4))


def test_hops_tell_activity_and_reduction(factory_client: BoardClient) -> None:
    told = VectorisedDenoiser(FACTORY).stages(SAMPLES)
    factory_client.reset_stream()
    for t, part in enumerate(SAMPLES.reshape(-1, HOP)):
        reply = factory_client.hop(part)
        assert (reply.activity, reply.reduction_db) == (told.activity[t], told.reduction_db[t])
    assert told.activity.any() and told.reduction_db.any()


def test_limits_survive_a_bad_line(factory_board: HostBoard, test_seed: int) -> None:
    """A stream that is repeated and played again because of damage has the same limits."""
    faults = Faults(drop=1e-4, flip=1e-4)
    injector = FaultInjector(seed=test_seed, to_board=faults, from_board=faults)
    with BoardClient.open(factory_board.url, retries=Retries(limit=12), wrap=injector.wrap) as damaged:
        damaged.reset_stream()
        output = damaged.stream(SAMPLES, attenuation=12)
        assert damaged.counts.retries > 0
    assert np.array_equal(output, VectorisedDenoiser(FACTORY).hops(SAMPLES, [12] * len(LIMITS)))

# SPDX-License-Identifier: Apache-2.0
"""Check the board's identity, and its answers to requests that it cannot carry out."""

import numpy as np
import pytest

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_hil.boards.session import Expected, connect
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_instructions, ticks_per_instruction
from blsh_hil.wire.codes import FeatureKind, ResetCause
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import Geometry

from .conftest import Firmware

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]


def test_hello_names_the_model_and_the_build(client: BoardClient, firmware: Firmware) -> None:
    hello = client.hello()
    model = firmware.model
    assert hello.model_sha256.hex() == model.model_sha256
    assert hello.dictionary_crc32 == hello.dictionary_crc32_now == model.dictionary_crc32
    assert (hello.entries, hello.bits, hello.neighbours) == (model.entries, model.bits, model.neighbours)
    assert (hello.features, hello.runtime_format) == (model.features, RUNTIME_FORMAT)
    assert hello.geometry == model.geometry
    assert FeatureKind(hello.feature_kind).name.lower() == model.feature_kind.name
    assert ResetCause(hello.reset_cause) is not ResetCause.FAULT
    assert hello.board == firmware.board
    assert hello.overruns == 0
    if firmware.port is None:
        assert hello.build_id == firmware.expected.build_id


def test_a_board_with_another_model_is_refused(firmware: Firmware) -> None:
    if firmware.port is not None:
        pytest.skip("a real port has one user at a time, and the suite holds it")
    for wrong, words in (
        (Expected(model_sha256="ab" * 32), "model"),
        (Expected(dictionary_crc32=firmware.model.dictionary_crc32 ^ 1), "dictionary CRC"),
        (Expected(build_id=(firmware.expected.build_id or 0) ^ 1), "build id"),
        (Expected(geometry=Geometry(8_000, 256, 64, 128)), "geometry .* expected: 8000/256/64/128"),
    ):
        with pytest.raises(BlshError, match=words), connect(firmware.target(), wrong):
            pass


def test_a_refused_request_leaves_the_stream_alone(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    hop = reference.model.geometry.hop
    samples = rng.integers(-5000, 5000, 6 * hop).astype(np.int16)
    client.reset_stream()
    first = client.stream(samples[: 3 * hop])
    with pytest.raises(BlshError, match="no such stage"):
        client.hop(samples[:hop], dump_stage=8)
    with pytest.raises(BlshError, match="out of range"):
        client.count_loop(0)
    rest = client.stream(samples[3 * hop :])
    assert np.array_equal(np.concatenate([first, rest]), reference.hops(samples))


def test_instructions_are_counted_exactly(firmware: Firmware, rng: np.random.Generator) -> None:
    if not firmware.counts_instructions:
        pytest.skip("only a virtual board counts instructions")
    samples = rng.integers(-5000, 5000, 3 * firmware.geometry.hop).astype(np.int16)
    counts = []
    for _ in range(2):
        with connect(firmware.target(ICOUNT_SHIFT), firmware.expected) as client:
            ratio = ticks_per_instruction(client)
            loop = client.count_loop(5_000)
            assert abs(loop.ticks / ratio - loop.instructions) < 20, "a loop of known length, and the reading of ticks"
            counts.append(count_instructions(client, samples))
    first, second = counts
    assert first == second, "the same in every run"
    assert 0.99 < sum(first.stages.values()) / first.mean < 1.01, "the stages add up to the hop"

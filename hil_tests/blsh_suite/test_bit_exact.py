# SPDX-License-Identifier: Apache-2.0
"""The board computes what the integer reference says: every bit of every stage of every hop."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, seed, settings

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_codegen.spec.constants import ATTENUATION_OFF, MOST_ATTENUATION
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.spec.stages import STAGES
from blsh_hil.boards.host import HOST
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_trainer.corpora.corpus import Corpus

from .conftest import Firmware
from .exactness import Exactness
from .recordings import SNRS, recordings
from .strategies import PHASES, SIGNALS

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]


@pytest.mark.parametrize("snr_db", SNRS, ids=str)
def test_recordings(
    client: BoardClient,
    firmware: Firmware,
    pytestconfig: pytest.Config,
    recordings_corpus: Corpus,
    exact: Exactness,
    snr_db: float | str,
) -> None:
    """Compare --minutes of recordings: an equal share of each SNR, in streams of a minute at most."""
    seconds = 60 * pytestconfig.getoption("minutes") / len(SNRS)
    geometry = firmware.geometry
    for recording in recordings(recordings_corpus, seconds, snr_db, geometry.rate_hz):
        hops = padded_to_hops(recording, geometry)
        comparison = exact(client, firmware.model, hops, firmware.recipe)
        assert list(comparison.mismatches) == list(STAGES)
        assert comparison.hops * geometry.hop == len(hops)
        if "output" in exact.stages:
            assert np.array_equal(comparison.output, firmware.reference.hops(hops))
            assert comparison.output.any(), "a silent board would agree with nothing"


@pytest.mark.parametrize("name", EDGE_SIGNALS)
def test_edge(client: BoardClient, firmware: Firmware, rng: np.random.Generator, exact: Exactness, name: str) -> None:
    exact(client, firmware.model, edge_signal(name, 14 * firmware.geometry.tick, rng), firmware.recipe)


def test_steady_noise(client: BoardClient, firmware: Firmware, rng: np.random.Generator, exact: Exactness) -> None:
    """Compare ticks beyond the 64th, from which on a voting model takes votes from all bands in a steady hop."""
    exact(client, firmware.model, edge_signal("white_noise", 78 * firmware.geometry.tick, rng), firmware.recipe)


def test_generated_signals(client: BoardClient, firmware: Firmware, exact: Exactness) -> None:
    """Compare signals that hypothesis draws, the same ones for the same seed. It shrinks a signal that fails."""
    examples = 120 if firmware.board == HOST else 20

    @seed(exact.seed)
    @settings(max_examples=examples, deadline=None, database=None, phases=PHASES)
    @given(SIGNALS)
    def check(signal: npt.NDArray[np.int16]) -> None:
        exact(client, firmware.model, padded_to_hops(signal, firmware.geometry), firmware.recipe)

    check()
    assert exact.counts["hops"] > 3 * examples


def test_limits_that_change_between_hops(
    client: BoardClient,
    firmware: Firmware,
    noisy_speech: npt.NDArray[np.int16],
    rng: np.random.Generator,
    exact: Exactness,
) -> None:
    """Compare all stages, activity and reduction while the limit of attenuation is another one in almost every hop."""
    hop = firmware.geometry.hop
    limits = rng.choice([0, 1, 6, 12, 20, MOST_ATTENUATION, ATTENUATION_OFF], 60).tolist()
    clip = noisy_speech[: len(limits) * hop]
    comparison = exact(client, firmware.model, clip, firmware.recipe, limits[: len(clip) // hop])
    free = firmware.reference.stages(clip).mask
    assert comparison.hops == len(free) >= 30
    assert not np.array_equal(free, firmware.reference.stages(clip, limits[: len(free)]).mask), "no limit was reached"


def test_a_limit_outlives_neither_its_hop_nor_its_stream(
    client: BoardClient, reference: VectorisedDenoiser, noisy_speech: npt.NDArray[np.int16]
) -> None:
    hop = reference.model.geometry.hop
    clip = noisy_speech[: 20 * hop]
    client.reset_stream()
    assert np.array_equal(client.stream(clip, attenuation=6), reference.hops(clip, [6] * 20))
    client.reset_stream()
    assert np.array_equal(client.stream(clip), reference.hops(clip))


def test_speech_that_starts_mid_word(
    client: BoardClient, firmware: Firmware, noisy_speech: npt.NDArray[np.int16], exact: Exactness
) -> None:
    loudest = int(np.argmax(np.abs(noisy_speech[: -firmware.geometry.tick].astype(np.int64))))
    clip = noisy_speech[loudest : loudest + 20 * firmware.geometry.tick + 57]
    exact(client, firmware.model, padded_to_hops(clip, firmware.geometry), firmware.recipe)


@pytest.mark.parametrize("level_db", [-20, -40, -60])
def test_quiet_speech(
    client: BoardClient, firmware: Firmware, noisy_speech: npt.NDArray[np.int16], exact: Exactness, level_db: int
) -> None:
    quiet = np.round(noisy_speech[: 60 * firmware.geometry.tick] * 10 ** (level_db / 20)).astype(np.int16)
    exact(client, firmware.model, padded_to_hops(quiet, firmware.geometry), firmware.recipe)


def test_streaming_gives_the_same_samples(
    client: BoardClient, reference: VectorisedDenoiser, noisy_speech: npt.NDArray[np.int16]
) -> None:
    """Send requests ahead and without probes, as `blsh denoise --engine device` does."""
    geometry = reference.model.geometry
    clip = noisy_speech[: 150 * geometry.hop + 99]
    client.reset_stream()
    output = client.stream(padded_to_hops(clip, geometry))
    assert np.array_equal(output[geometry.lag : geometry.lag + len(clip)], reference.denoise(clip))


def test_a_new_stream_forgets_the_last(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    length = 8 * reference.model.geometry.hop
    first, second = edge_signal("white_noise", length, rng), edge_signal("speech_like", length, rng)
    client.reset_stream()
    client.stream(first)
    client.reset_stream()
    assert np.array_equal(client.stream(second), reference.hops(second))


def test_every_stage_can_be_read_back(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    hop = reference.model.geometry.hop
    samples = edge_signal("speech_like", 3 * hop, rng)
    vectors = reference.stages(samples)
    for index, stage in enumerate(STAGES):
        client.reset_stream()
        for t, part in enumerate(samples.reshape(-1, hop)):
            reply = client.hop(part, dump_stage=index)
            assert reply.stage_bytes == vectors.hop(t).stage_bytes(index), f"{stage}, hop {t}"


def test_a_wrong_reference_is_noticed(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    """Check the comparison itself: with one row of weights negated it must name the stage, the row and the values."""
    projection = reference.model.projection_q7.copy()
    projection[-1] = -projection[-1]
    wrong = VectorisedDenoiser(replace(reference.model, projection_q7=projection))
    samples = edge_signal("speech_like", 6 * wrong.model.geometry.hop, rng)
    comparison = compare(client, wrong, samples)
    assert not comparison.exact
    assert comparison.mismatches["window"] == comparison.mismatches["features"] == 0
    assert comparison.mismatches["accumulators"] > 0
    assert comparison.first is not None
    assert comparison.first.stage == "accumulators"
    assert comparison.first.position == len(projection) - 1
    assert f"row {len(projection) - 1}: expected" in str(comparison.first)
    assert compare(client, wrong, samples, stages=("features",)).exact, "the stage that was asked for does not differ"

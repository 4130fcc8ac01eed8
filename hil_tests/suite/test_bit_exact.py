"""The board computes what the integer reference says: every bit of every stage of every hop."""

import shlex

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.fixed import HISTORY, HOP
from blsh_codegen.signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.stages import STAGES
from blsh_codegen.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_hil.client import BoardClient
from blsh_hil.compare import Comparison, compare
from blsh_hil.protocol import FeatureKind
from blsh_tools.listening import make_listening
from blsh_trainer.audio import to_int16
from blsh_trainer.corpus import Corpus

from .conftest import Firmware

pytestmark = pytest.mark.xdist_group("board")


@pytest.fixture
def rerun(request: pytest.FixtureRequest, test_seed: int) -> str:
    """The line that runs this test again, on the same board with the same signals."""
    config = request.config
    names = ("board", "port", "model", "corpus", "seconds")
    options = [f"--{name}={config.getoption(name)}" for name in names if config.getoption(name) is not None]
    return f"BLSH_TEST_SEED={test_seed} .venv/bin/python -m pytest {shlex.join([request.node.nodeid, *options])}"


def assert_exact(comparison: Comparison, rerun: str) -> None:
    if not comparison.exact:
        counts = ", ".join(f"{stage} {count}" for stage, count in comparison.mismatches.items() if count)
        pytest.fail(
            f"{comparison.first or 'digests differ, values do not'}\n"
            f"differing values in {comparison.hops} hops: {counts}\nrerun: {rerun}",
            pytrace=False,
        )


def test_noisy_speech(
    client: BoardClient,
    reference: VectorisedDenoiser,
    noisy_speech: npt.NDArray[np.int16],
    rerun: str,
) -> None:
    hops = padded_to_hops(noisy_speech)
    comparison = compare(client, reference, hops)
    assert_exact(comparison, rerun)
    assert list(comparison.mismatches) == list(STAGES)
    assert comparison.hops * HOP == len(hops)
    assert np.array_equal(comparison.output, reference.hops(hops))
    assert comparison.output.any(), "a silent board would agree with nothing"


@pytest.mark.slow
def test_many_minutes(
    client: BoardClient, reference: VectorisedDenoiser, recordings_corpus: Corpus, rerun: str
) -> None:
    """Five minutes of mixtures at four SNRs."""
    for snr_db in (-5.0, 0.0, 5.0, 10.0):
        listening = make_listening(recordings_corpus, 75.0, snr_db, seed=11)
        assert_exact(compare(client, reference, padded_to_hops(to_int16(listening.noisy))), rerun)


@pytest.mark.parametrize("name", EDGE_SIGNALS)
def test_edge(
    client: BoardClient,
    reference: VectorisedDenoiser,
    rng: np.random.Generator,
    rerun: str,
    name: str,
) -> None:
    assert_exact(compare(client, reference, edge_signal(name, 14 * HOP, rng)), rerun)


def test_speech_that_starts_mid_word(
    client: BoardClient,
    reference: VectorisedDenoiser,
    noisy_speech: npt.NDArray[np.int16],
    rerun: str,
) -> None:
    loudest = int(np.argmax(np.abs(noisy_speech[:-HOP].astype(np.int64))))
    clip = noisy_speech[loudest : loudest + 20 * HOP + 57]
    assert_exact(compare(client, reference, padded_to_hops(clip)), rerun)


@pytest.mark.parametrize("level_db", [-20, -40, -60])
def test_quiet_speech(
    client: BoardClient,
    reference: VectorisedDenoiser,
    noisy_speech: npt.NDArray[np.int16],
    rerun: str,
    level_db: int,
) -> None:
    quiet = np.round(noisy_speech[: 60 * HOP] * 10 ** (level_db / 20)).astype(np.int16)
    assert_exact(compare(client, reference, padded_to_hops(quiet)), rerun)


@pytest.mark.parametrize("name", ["noisy speech", "silence", "white_noise", "starts_mid_word"])
def test_a_model_with_every_option(
    extended_client: BoardClient,
    extended_firmware: Firmware,
    noisy_speech: npt.NDArray[np.int16],
    rng: np.random.Generator,
    rerun: str,
    name: str,
) -> None:
    """Tracked features, bands, smoothing and floor: from the first hop on, past the 32 of the tracker's start."""
    signal = edge_signal(name, 40 * HOP, rng) if name in EDGE_SIGNALS else padded_to_hops(noisy_speech[: 400 * HOP])
    assert FeatureKind(extended_client.hello().feature_kind) is FeatureKind.TRACKED
    assert_exact(compare(extended_client, VectorisedDenoiser(extended_firmware.model), signal), rerun)


def test_streaming_gives_the_same_samples(
    client: BoardClient, reference: VectorisedDenoiser, noisy_speech: npt.NDArray[np.int16]
) -> None:
    """Requests sent ahead, no probes: the path that `blsh denoise --engine device` takes."""
    clip = noisy_speech[: 150 * HOP + 99]
    client.reset_stream()
    output = client.stream(padded_to_hops(clip))
    assert np.array_equal(output[HISTORY : HISTORY + len(clip)], reference.denoise(clip))


def test_a_new_stream_forgets_the_last(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    first, second = edge_signal("white_noise", 8 * HOP, rng), edge_signal("speech_like", 8 * HOP, rng)
    client.reset_stream()
    client.stream(first)
    client.reset_stream()
    assert np.array_equal(client.stream(second), reference.hops(second))


def test_every_stage_can_be_read_back(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    samples = edge_signal("speech_like", 3 * HOP, rng)
    vectors = reference.stages(samples)
    for index, stage in enumerate(STAGES):
        client.reset_stream()
        for t, hop in enumerate(samples.reshape(-1, HOP)):
            reply = client.hop(hop, dump_stage=index)
            assert reply.stage_bytes == vectors.hop(t).stage_bytes(index), f"{stage}, hop {t}"


def test_a_wrong_reference_is_noticed(
    client: BoardClient, reference: VectorisedDenoiser, rng: np.random.Generator
) -> None:
    """The comparison itself: one projection weight off by its sign, and it names the stage, the bit and the values."""
    from dataclasses import replace

    projection = reference.model.projection_q7.copy()
    projection[3] = -projection[3]
    wrong = VectorisedDenoiser(replace(reference.model, projection_q7=projection))
    comparison = compare(client, wrong, edge_signal("speech_like", 6 * HOP, rng))
    assert not comparison.exact
    assert comparison.mismatches["window"] == comparison.mismatches["features"] == 0
    assert comparison.mismatches["accumulators"] > 0
    assert comparison.first is not None
    assert comparison.first.stage == "accumulators"
    assert comparison.first.position == 3
    assert "bit 3: expected" in str(comparison.first)

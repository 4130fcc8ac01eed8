# SPDX-License-Identifier: Apache-2.0
"""Talk to boards whose models have other geometries than the paper's, so that their hops have other lengths."""

from dataclasses import replace

import numpy as np
import pytest

from blsh_codegen.emit.model_image import encode_image, read_head
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.fake import Answer, answer, good_board, talking_to
from blsh_hil.boards.host import HostBoard
from blsh_hil.boards.session import Expected
from blsh_hil.link.board_errors import BoardError, MismatchError, RefusedError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.fault_injector import FaultInjector, Faults
from blsh_hil.link.link_rate import measure_link
from blsh_hil.link.retry import Retries
from blsh_hil.live.ends import FileSink, PacedSource
from blsh_hil.live.session import LiveSession
from blsh_hil.prove.compare import compare
from blsh_hil.prove.push import check_fits, push_model, read_slots
from blsh_hil.prove.recipes import AnyRecipe, Recipe, VotingRecipe
from blsh_hil.wire.codes import ErrorCode
from blsh_hil.wire.framing import Frame
from blsh_hil.wire.messages import Hop, HopDone
from blsh_hil.wire.protocol import MAX_HOP
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry, all_geometries

from .slot_models import FACTORY, try_model

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("push")]  # with the tests that build the same program

HEARING = CLASSES["hearing"]
SIZES = [
    *CLASSES.values(),
    Geometry(16_000, 1024, 64, 1024),
    Geometry(16_000, 1024, 128, 256),
    Geometry(16_000, 512, 64, 128),
    Geometry(8_000, 512, 128, 512),
]
"""All rates, windows, hops and syntheses."""

OTHERS = [name for name, geometry in CLASSES.items() if geometry != RECORDER]


def recipe_of(geometry: Geometry) -> AnyRecipe:
    """Return a recipe of a small model; every second geometry gets votes."""
    if all_geometries().index(geometry) % 2:
        return VotingRecipe(3, 8, 2, 3, 4, 33, geometry=geometry)
    return Recipe(3, "tracked", 12, 3, 40, "bands2", 4, geometry=geometry)


def signal(geometry: Geometry, ticks: int) -> np.ndarray:
    return edge_signal("speech_like", ticks * geometry.tick, np.random.default_rng(4))


def try_exactly(client: BoardClient, model: IntegerModel) -> None:
    """Let the board run a model until its next start; it must say that it does."""
    try_model(client, model)
    Expected().of(model).require(client)


# ---- bit for bit and in time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", SIZES, ids=str)
def test_a_board_takes_models_of_all_sizes(factory_client: BoardClient, geometry: Geometry) -> None:
    model = recipe_of(geometry).model()
    try_exactly(factory_client, model)
    assert factory_client.geometry == geometry
    reference = VectorisedDenoiser(model)
    samples = padded_to_hops(signal(geometry, 4), geometry)
    assert compare(factory_client, reference, samples).exact
    factory_client.reset_stream()
    late = factory_client.stream(samples)
    assert np.array_equal(late, reference.hops(samples)), "sent ahead, without probes"
    whole = 4 * geometry.tick
    assert np.array_equal(late[geometry.lag : geometry.lag + whole], reference.denoise(samples[:whole]))


@pytest.mark.parametrize("name", OTHERS)
def test_a_hop_of_another_length_is_refused_with_the_length(factory_client: BoardClient, name: str) -> None:
    geometry = CLASSES[name]
    try_exactly(factory_client, recipe_of(geometry).model())
    factory_client.reset_stream()
    for count in {0, geometry.hop - 1, min(geometry.hop + 1, MAX_HOP), MAX_HOP} - {geometry.hop}:
        with pytest.raises(ValueError, match=rf"samples of int16 \({count},\); expected int16 \({geometry.hop},\)"):
            factory_client.hop(np.zeros(count, np.int16))
        with pytest.raises(RefusedError, match="wrong length for this request") as caught:
            factory_client.ask(Hop(0, 1, 0, 0, samples=bytes(2 * count)), HopDone)
        assert (caught.value.code, caught.value.detail) == (ErrorCode.BAD_LENGTH, Hop.layout().bytes + 2 * count)
    assert not factory_client.hop(np.zeros(geometry.hop, np.int16)).samples.any(), "and the stream goes on"


def test_a_short_hop_survives_a_bad_line(factory_board: HostBoard, factory_client: BoardClient, test_seed: int) -> None:
    """Damage frames of 64 samples: answers come again from what the board keeps, and no hop is done twice."""
    model = recipe_of(HEARING).model()
    push_model(factory_client, model, encode_image(model), signal(HEARING, 1))
    factory_client.close()
    samples = signal(HEARING, 40)
    faults = Faults(drop=1e-4, flip=1e-4)
    injector = FaultInjector(seed=test_seed, to_board=faults, from_board=faults)
    with BoardClient.open(factory_board.url, retries=Retries(limit=12), wrap=injector.wrap) as damaged:
        damaged.reset_stream()
        assert np.array_equal(damaged.stream(samples), VectorisedDenoiser(model).hops(samples))
        assert damaged.counts.retries > 0


@pytest.mark.parametrize("name", OTHERS)
def test_live_sound_takes_the_latency_of_its_class(factory_client: BoardClient, name: str) -> None:
    model = recipe_of(CLASSES[name]).model()
    geometry = model.geometry
    try_exactly(factory_client, model)
    samples = signal(geometry, 20)
    written: list[np.ndarray] = []
    source = PacedSource(iter(samples.reshape(-1, geometry.hop)), geometry.hop_s)
    session = LiveSession(factory_client, source, FileSink(written.append, 0.032, geometry.hop_s))
    session.run()
    assert np.array_equal(np.concatenate(written), VectorisedDenoiser(model).hops(samples))
    found = session.result()
    parts, told = found.parts, found.to_dict()
    assert (told["seconds"], told["hops"]) == (0.32, 20 * geometry.hops_per_tick)
    assert told["latency_ms"]["algorithm"] == {"intercom": 32, "headset": 16, "hearing": 8, "phone": 32}[name]
    means = [parts[each].mean for each in ("waiting_to_send", "link_and_board", "waiting_to_play")]
    assert parts["end_to_end"].mean == pytest.approx(1000 * geometry.latency_s + sum(means), abs=0.01)


def test_the_rates_of_a_link_are_of_hops_of_the_model(factory_board: HostBoard, factory_client: BoardClient) -> None:
    model = recipe_of(HEARING).model()
    push_model(factory_client, model, encode_image(model), signal(HEARING, 1))
    factory_client.close()
    rate = measure_link(factory_board.url, signal(HEARING, 10), baud=115_200, rounds=1)
    assert (rate.geometry, rate.hops) == (HEARING, 40)
    assert rate.to_dict()["times_real_time"] == pytest.approx(rate.stream / 250, abs=0.001)


# ---- who does not go together --------------------------------------------------------------------------------


def test_a_board_with_a_model_of_another_geometry_is_refused(factory_client: BoardClient) -> None:
    with pytest.raises(
        MismatchError,
        match=rf"geometry .* of the board: {RECORDER}; expected: {HEARING}\. Put",
    ):
        factory_client.require(geometry=HEARING)
    with pytest.raises(MismatchError, match="geometry"):
        replace(Expected(), geometry=HEARING).require(factory_client)


def test_a_geometry_that_no_model_has_is_refused() -> None:
    with (
        talking_to(lambda request: good_board(request, hop=100)) as (client, _),
        pytest.raises(BoardError, match=r"no geometry that can be: a hop of 100 samples does not divide"),
    ):
        client.stream(np.zeros(100, np.int16))


def test_a_reply_of_another_length_is_refused() -> None:
    def one_too_many(request: Frame) -> list[Answer]:
        if request.type != Hop.TYPE:
            return good_board(request, window=512, hop=64, synthesis=128)
        hop = Hop.unpack(request.payload)
        return [answer(request, HopDone(hop.hop, 1, hop.flags, 0, hop.stream, 0, 0, bytes(2), hop.samples + b"\0\0"))]

    with talking_to(one_too_many) as (client, _):
        client.reset_stream()
        with pytest.raises(BoardError, match=r"the board answered a hop of 64 samples by 65; flash this checkout's"):
            client.hop(np.zeros(64, np.int16))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"windows": 3},
            r"a window of 1024 samples, and the firmware has code for 256, 512; generate it with",
        ),
        ({"windows": 1}, r"16000/1024/256/1024, a window of 1024 samples, and the firmware has code for 256; generate"),
        ({"max_history": 448}, r"N - H = 768 samples, and the firmware's state holds 448; generate it with --slots"),
        ({"max_overlap": 64}, r"M - H = 768 samples, and the firmware's state holds 64; generate it with --slots"),
    ],
)
def test_a_model_larger_than_the_firmware_is_not_sent(
    factory_client: BoardClient, limits: dict[str, int], words: str
) -> None:
    slots = read_slots(factory_client)
    assert (slots.windows, slots.max_history, slots.max_overlap) == (7, 960, 960)
    head = read_head(encode_image(FACTORY))
    check_fits(head, slots)
    with pytest.raises(BlshError, match=words):
        check_fits(head, replace(slots, **limits))

# SPDX-License-Identifier: Apache-2.0
"""Give a running board another model: send it into a free slot, try it, prove it bit for bit, and only then keep it.

    with connect(target, Expected()) as client:
        push_model(client, model, encode_image(model), proof_signal(model.geometry))

Whatever interrupts the push, the board starts with its old model or with the new one. The same call then goes on where
the last one stopped (docs/push.md).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.model_image import HEAD, ImageHead, read_head
from blsh_codegen.model.entry_order import planes_of
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import core_folder
from blsh_codegen.spec.c_structs import window_bit
from blsh_codegen.spec.constants import SMALL_ENTRIES, ModelKind
from blsh_codegen.spec.error_texts import error_texts
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.link.board_errors import BoardError, RefusedError
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_hil.wire.codes import ErrorCode, ImageFault, SlotState
from blsh_hil.wire.messages import (
    Done,
    ModelFactory,
    ModelProve,
    ModelTry,
    PushBegin,
    PushData,
    PushReady,
    Slots,
    SlotsReply,
)
from blsh_hil.wire.protocol import PIECE_BYTES
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress
from blsh_trainer.signals.geometry import WINDOWS, Geometry

NO_SLOT: Final = 255
_KIND_WORDS: Final = {
    ModelKind.MASKS: "has masks",
    ModelKind.SMALL_VOTES: "votes",
    ModelKind.LARGE_VOTES: f"votes with more than {SMALL_ENTRIES} entries in a dictionary",
}
_PROOF: Final = (("speech_like", 48), ("white_noise", 8), ("square_wave", 4), ("silence", 6), ("starts_mid_word", 14))


class ImageRefusedError(BoardError):
    """The board refuses a model image. fault: why; None where the core refuses the model."""

    def __init__(self, url: str, detail: int) -> None:
        number = detail - (1 << 32) if detail >= 1 << 31 else detail
        self.fault = next((fault for fault in ImageFault if fault == number), None)
        if self.fault is not None:
            why = self.fault.text
        else:
            text = error_texts(core_folder()).get(number, f"error {number} of its core")
            why = f"{text}: make the image with the blsh that built the firmware"
        super().__init__(f"{url}: the board refuses the model image: {why}; it goes on with the model it had")


@dataclass(frozen=True)
class PushResult:
    """The result of a push.

    slot: where the model lies. image_bytes: the size of the image. sent_bytes: how much of it this call sent.
    resumed_at: the byte at which an earlier transfer went on; 0 for a new one. hops: how many hops were compared with
    the reference, with all bits equal.
    """

    slot: int
    image_bytes: int
    sent_bytes: int
    resumed_at: int
    hops: int


def proof_signal(geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return the signal that proves a new model: 80 ticks of 16 ms, loud and quiet, with beginnings and ends; int16."""
    rng = np.random.default_rng(11)
    return np.concatenate([edge_signal(name, ticks * geometry.tick, rng) for name, ticks in _PROOF])


def read_slots(client: BoardClient) -> SlotsReply:
    """Return the state of the board's slots. Raises BlshError if its firmware has none."""
    try:
        slots = client.ask(Slots(), SlotsReply)
    except RefusedError as error:
        if error.code is not ErrorCode.UNKNOWN_TYPE:
            raise
        raise BoardError(
            f"{client.url}: the firmware takes no other models; generate it with `blsh generate MODEL --slots`, "
            "build and flash it"
        ) from error
    if slots.room == 0:
        raise BoardError(f"{client.url}: the board has no storage for models; give it `slots` in boards.toml")
    return slots


def check_fits(head: ImageHead, slots: SlotsReply) -> None:
    """Raise BlshError, with the numbers, for an image that the board would refuse for its size or dimensions."""
    if head.bytes > slots.room:
        fewer = "train one with fewer entries" if head.votes else _fewer_entries(head, head.bytes - slots.room)
        raise BlshError(
            f"model {head.name!r} has {head.bytes:,} bytes as an image, a slot has room for {slots.room:,}; {fewer}"
        )
    if not head.kind & slots.kinds:
        raise BlshError(
            f"model {head.name!r} {_KIND_WORDS[head.kind]}, and the firmware has no code for that; generate it with "
            "--slots from a voting model, and it takes models of all kinds"
        )
    _check_frames(head, slots)
    limits = (
        ("bits", head.bits, slots.max_bits, f"give --bits {slots.max_bits}"),
        ("neighbours", head.neighbours, slots.max_neighbours, f"give --neighbours {slots.max_neighbours}"),
        ("smoothed", head.smoothed, slots.max_smoothed, "push a model without smoothing"),
    )
    for name, found, most, smaller in limits:
        if found > most:
            what = "bands of a smoothed mask" if name == "smoothed" else name
            raise BlshError(
                f"model {head.name!r} has {found} {what}, the firmware's state holds {most}; {smaller}, or generate "
                f"the firmware with --slots --room-{name} {found}"
            )


def _check_frames(head: ImageHead, slots: SlotsReply) -> None:
    geometry = head.geometry
    told = f"model {head.name!r} has the geometry {geometry}"
    if not slots.windows & window_bit(geometry):
        compiled = ", ".join(str(each) for place, each in enumerate(WINDOWS) if slots.windows >> place & 1)
        raise BlshError(
            f"{told}, a window of {geometry.window} samples, and the firmware has code for {compiled}; generate it "
            f"with --slots from a model with a window of {geometry.window}, and it takes smaller ones, too"
        )
    limits = (("N - H", geometry.history, slots.max_history), ("M - H", geometry.lag, slots.max_overlap))
    for what, found, most in limits:
        if found > most:
            raise BlshError(
                f"{told}, {what} = {found} samples, and the firmware's state holds {most}; generate it with --slots "
                "from a model of at least this latency"
            )


def _fewer_entries(head: ImageHead, excess: int) -> str:
    """Return what to do about an image with masks that has `excess` bytes too many."""
    mask_words = -(-head.mask_bands * head.mask_level_bits // 32)
    entry = 4 * mask_words + planes_of(head.bits) * (1 / 8 + 1 / 256)
    most = int(head.entries - excess / entry) // 32 * 32
    return f"give --entries {most}" if most >= 32 else "make it shorter, or its masks coarser"


def push_model(
    client: BoardClient,
    model: IntegerModel,
    image: bytes,
    samples: npt.NDArray[np.int16],
    progress: Progress | None = None,
) -> PushResult:
    """Send `image`, the image of `model`, try it, compare `samples` (int16 whole hops) with the reference, and keep it.

    An interrupted transfer of the same image goes on. At the end the board starts again, to show that it starts with
    the new model. Raises BlshError if the board has no slots, if the image does not fit, or if the board refuses it.
    Raises BlshError, too, if the board computes other values than the reference; then it runs the model that it had.
    """
    head, slots = read_head(image), read_slots(client)
    check_fits(head, slots)
    sent = resumed = 0
    if _running(slots) != head.sha256:
        sent, resumed = _send_and_try(client, image, progress)
    client.require(model_sha256=head.model_sha256, dictionary_crc32=head.dictionary_crc32)
    comparison = compare(client, VectorisedDenoiser(model), samples, progress)
    if not comparison.exact:
        client.require(model_sha256=head.model_sha256, dictionary_crc32=head.dictionary_crc32)  # it may have restarted
        client.reset()
        raise BoardError(
            f"{client.url}: with the new model the board differs from the reference, first in {comparison.first}; it "
            "was started again with the model that it had"
        )
    _ask(client, ModelProve(head.sha256))
    client.reset()
    client.require(model_sha256=head.model_sha256, dictionary_crc32=head.dictionary_crc32)
    return PushResult(read_slots(client).running, head.bytes, sent, resumed, comparison.hops)


def restore_factory(client: BoardClient) -> None:
    """Erase both slots: the board goes back to the model that was compiled into its firmware."""
    read_slots(client)
    _ask(client, ModelFactory())
    client.hello()


def send_image(client: BoardClient, image: bytes, progress: Progress | None = None) -> int:
    """Bring all of `image` into the free slot; return the byte at which the transfer began or went on."""
    try:
        first = client.ask(PushBegin(image[: HEAD.size]), PushReady).offset
    except RefusedError as error:
        raise _refusal(client, error) from error
    for offset in range(first, len(image), PIECE_BYTES):
        _ask(client, PushData(offset, image[offset : offset + PIECE_BYTES]))
        if progress is not None:
            progress("pushing", min(len(image), offset + PIECE_BYTES), len(image))
    return first


def try_image(client: BoardClient) -> None:
    """Have the board check the received image and run it until a reset. Raises ImageRefusedError if it refuses."""
    _ask(client, ModelTry())


def _send_and_try(client: BoardClient, image: bytes, progress: Progress | None) -> tuple[int, int]:
    """Send and try an image; return the bytes sent, and where an interrupted transfer went on.

    If the earlier transfer left damage, the whole image is sent once more.
    """
    first = send_image(client, image, progress)
    try:
        try_image(client)
    except ImageRefusedError as error:
        if error.fault is not ImageFault.DIGEST or first == HEAD.size:
            raise
        first = send_image(client, image, progress)  # the board has erased it
        try_image(client)
    return len(image) - first, first if first > HEAD.size else 0


def _running(slots: SlotsReply) -> bytes | None:
    """Return the SHA-256 of the image that runs; None if the running model was not pushed and proven."""
    if slots.running == NO_SLOT or slots.state[slots.running] != SlotState.PROVEN:
        return None
    return slots.images[32 * slots.running : 32 * slots.running + 32]


def _ask(client: BoardClient, request: PushData | ModelTry | ModelProve | ModelFactory) -> None:
    try:
        client.ask(request, Done)
    except RefusedError as error:
        raise _refusal(client, error) from error


def _refusal(client: BoardClient, error: RefusedError) -> BoardError:
    return ImageRefusedError(client.url, error.detail) if error.code is ErrorCode.IMAGE_REFUSED else error

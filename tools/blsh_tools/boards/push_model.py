# SPDX-License-Identifier: Apache-2.0
"""Send a model to a board over the link, without reflashing it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import integer_model
from blsh_codegen.emit.model_image import MAGIC, decode_image, encode_image, read_head
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_firmware.build.images import build_host_image, build_image
from blsh_hil.boards.host import HOST, HostBoard
from blsh_hil.boards.session import Expected, Target, connect
from blsh_hil.boards.table import find_board
from blsh_hil.prove.push import NO_SLOT, check_fits, proof_signal, push_model, read_slots, restore_factory
from blsh_hil.wire.codes import SlotState
from blsh_tools.console import say
from blsh_tools.options.model import ModelOptions, sized
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.model.artifact import load_model
from blsh_trainer.progress import Progress

STORAGE_NAME = "slots.bin"
"""The file under build/host in which the host board keeps its slots."""


@dataclass(frozen=True)
class PushTarget:
    """A board that takes models. port: None: the board is started with the firmware that is built here."""

    board: str
    port: str | None = None

    def reach(self) -> tuple[Target, Expected]:
        """Return how to connect to the board. Raises BlshError where the firmware built here has no slots."""
        if self.port is not None:  # compared whoever built the firmware
            return self.port, Expected() if self.board == HOST else Expected(baud=find_board(self.board).uart.baud)
        if self.board == HOST:
            program = build_host_image().program
            storage = project_root() / "build" / "host" / STORAGE_NAME
            return HostBoard(program, storage), Expected(build_id=program.build_id)
        image = build_image(find_board(self.board), lambda line: say(line) if line else None)
        if not image.record.options.slots:
            raise BlshError(
                "the firmware was generated without --slots and takes no other model; run: "
                f"{image.record.options.command()} --slots"
            )
        return image.target(None), Expected(build_id=image.build_id, baud=image.board.uart.baud)


def read_model(path: Path, wanted: ModelOptions) -> IntegerModel:
    """Return the integers of an artifact under `wanted`, or of an image, which takes no options."""
    if path.is_file():
        with path.open("rb") as stream:
            is_image = stream.read(len(MAGIC)) == MAGIC
        if is_image:
            if named := wanted.given():
                raise BlshError(f"{path} is an image, which is sent as it is; leave out {', '.join(named)}")
            try:
                return decode_image(path.read_bytes())
            except BlshError as error:
                raise BlshError(f"{path}: {error}") from error
    artifact = load_model(path)
    return integer_model(artifact, sized(wanted.wishes(), artifact.entries))


def push(target: PushTarget, model: IntegerModel, progress: Progress) -> dict[str, Any]:
    """Send `model`, have it compared with the reference bit for bit, and keep it. Return figures as JSON values."""
    with connect(*target.reach()) as client:
        before = client.board
        image = encode_image(model)
        pushed = push_model(client, model, image, proof_signal(model.geometry), progress)
        after = client.board
        retries = client.counts.retries
    return {
        "board": target.board,
        "before": before.model,
        "model": after.model,
        "model_sha256": after.model_sha256.hex(),
        "image_sha256": read_head(image).sha256.hex(),
        "image_bytes": pushed.image_bytes,
        "sent_bytes": pushed.sent_bytes,
        "resumed_at": pushed.resumed_at,
        "slot": pushed.slot,
        "hops_compared": pushed.hops,
        "mismatches": 0,
        "dictionary_entries": after.entries,
        "bits": after.bits,
        "retries": retries,
    }


def ask_whether_it_fits(target: PushTarget, model: IntegerModel) -> dict[str, Any]:
    """Return the state of the board's slots as JSON values. Raises BlshError if `model` does not fit them."""
    with connect(*target.reach()) as client:
        head, slots = read_head(encode_image(model)), read_slots(client)
        check_fits(head, slots)
    return {
        "board": target.board,
        "model": head.name,
        "model_sha256": head.model_sha256,
        "image_bytes": head.bytes,
        "room_bytes": slots.room,
        "running": "factory" if slots.running == NO_SLOT else slots.running,
        "slots": [SlotState(state).name.lower() for state in slots.state],
    }


def back_to_factory(target: PushTarget) -> dict[str, Any]:
    """Erase the board's slots, so that it runs the model that is compiled in. Return both as JSON values."""
    with connect(*target.reach()) as client:
        before = client.board
        restore_factory(client)
        after = client.hello()
    return {
        "board": after.board,
        "before": before.model,
        "model": after.model,
        "model_sha256": after.model_sha256.hex(),
    }


def write_image(model: IntegerModel, output: Path) -> dict[str, Any]:
    """Write the image of `model`, as it would be sent, into a file. Return a record of the file, as JSON values."""
    image = encode_image(model)
    with replacing(output) as temporary:
        temporary.write_bytes(image)
    head = read_head(image)
    return {"written": str(output), "image_bytes": head.bytes, "image_sha256": head.sha256.hex(), "model": head.name}

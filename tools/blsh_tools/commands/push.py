"""`blsh push`: another model for a board, over the link and without reflashing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, AsJson, BoardName, PortUrl
from blsh_tools.options.model import ModelOptions, sized, with_groups
from blsh_tools.options.outputs import check_output
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:  # as in model_options.py
    from blsh_codegen.model.quantise import IntegerModel
    from blsh_hil.boards.session import Expected, Target
    from blsh_hil.link.client import BoardClient

STORAGE_NAME = "slots.bin"


@with_groups
def push(
    model: Annotated[
        Path | None, typer.Argument(help="Model artifact, or an image that --output wrote; none with --factory.")
    ] = None,
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    *,
    wanted: ModelOptions,
    factory: Annotated[
        bool, typer.Option("--factory", help="Erase the slots: back to the model that is compiled in.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the board whether the model would fit, and send nothing.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the model's image to a file, and send nothing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send another model to a board that runs: into a free slot, checked, tried and compared with the reference bit
    for bit before it is kept. The one that ran until then stays as it is; an interrupted push goes on where it stopped.

    The firmware must have been generated with --slots. A virtual board is started with the built firmware, and forgets
    the model when it ends; with --port it is a board that runs already.
    """
    from blsh_hil.boards.session import connect

    if factory:
        if model is not None or wanted.given() or output is not None or dry_run:
            raise BlshError("--factory takes neither a model nor options for one; leave them out")
        with connect(*_reach(board, port)) as client:
            result = _restore(client)
        show(result, as_json, _rows(result), f"Back to the factory: {board}")
        return
    if model is None:
        raise BlshError("no model given; name an artifact, as in `blsh push out/model.npz`, or --factory")
    if output is not None:
        check_output(output, model=model)
    integers = _integers(model, wanted)
    if output is not None:
        result = _write(integers, output)
        show(result, as_json, _rows(result), "Image")
        return
    with connect(*_reach(board, port)) as client, progress() as advance:
        result = {"board": board, **(_consider(client, integers) if dry_run else _push(client, integers, advance))}
    title = f"Would be pushed to {board}" if dry_run else f"Pushed to {board}"
    show(result, as_json, _rows(result), title)


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), str(value)) for name, value in result.items()]


def _integers(path: Path, wanted: ModelOptions) -> "IntegerModel":
    """The integers of an artifact under the options, or of an image as it is."""
    from blsh_codegen.emit.generate import integer_model
    from blsh_codegen.emit.model_image import MAGIC, decode_image
    from blsh_trainer.model.artifact import load_model

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


def _reach(name: str, port: str | None) -> "tuple[Target, Expected]":
    """The board at `port`, whoever built its firmware, or else one that is started with the firmware built here."""
    from blsh_codegen.project import project_root
    from blsh_firmware.build.images import build_host_image, build_image
    from blsh_hil.boards.host import HOST, HostBoard
    from blsh_hil.boards.session import Expected
    from blsh_hil.boards.table import find_board

    if port is not None:
        return port, Expected() if name == HOST else Expected(baud=find_board(name).uart.baud)
    if name == HOST:
        program = build_host_image().program
        return HostBoard(program, project_root() / "build" / "host" / STORAGE_NAME), Expected(build_id=program.build_id)
    image = build_image(find_board(name), lambda line: say(line) if line else None)
    if not image.record.options.slots:
        raise BlshError(
            "the firmware was generated without --slots and takes no other model; run: "
            f"{image.record.options.command()} --slots"
        )
    return image.target(None), Expected(build_id=image.build_id, baud=image.board.uart.baud)


def _push(client: "BoardClient", model: "IntegerModel", advance: Any) -> dict[str, Any]:
    from blsh_codegen.emit.model_image import encode_image, read_head
    from blsh_hil.prove.push import proof_signal, push_model

    before = client.identity or client.hello()
    image = encode_image(model)
    pushed = push_model(client, model, image, proof_signal(), advance)
    after = client.identity or client.hello()
    return {
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
        "retries": client.counts.retries,
    }


def _consider(client: "BoardClient", model: "IntegerModel") -> dict[str, Any]:
    from blsh_codegen.emit.model_image import encode_image, read_head
    from blsh_hil.prove.push import NO_SLOT, check_fits, read_slots
    from blsh_hil.wire.codes import SlotState

    head, slots = read_head(encode_image(model)), read_slots(client)
    check_fits(head, slots)
    return {
        "model": head.name,
        "model_sha256": head.model_sha256,
        "image_bytes": head.bytes,
        "room_bytes": slots.room,
        "running": "factory" if slots.running == NO_SLOT else slots.running,
        "slots": [SlotState(state).name.lower() for state in slots.state],
    }


def _restore(client: "BoardClient") -> dict[str, Any]:
    from blsh_hil.prove.push import restore_factory

    before = client.identity or client.hello()
    restore_factory(client)
    after = client.hello()
    return {
        "board": after.board,
        "before": before.model,
        "model": after.model,
        "model_sha256": after.model_sha256.hex(),
    }


def _write(model: "IntegerModel", output: Path) -> dict[str, Any]:
    from blsh_codegen.emit.model_image import encode_image, read_head
    from blsh_trainer.files import replacing

    image = encode_image(model)
    with replacing(output) as temporary:
        temporary.write_bytes(image)
    head = read_head(image)
    return {"written": str(output), "image_bytes": head.bytes, "image_sha256": head.sha256.hex(), "model": head.name}

# SPDX-License-Identifier: Apache-2.0
"""`blsh push`: another model for a board, over the link and without reflashing."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import DEFAULT_BOARD, AsJson, BoardName, PortUrl, checked_model
from blsh_tools.options.model import ModelOptions
from blsh_tools.options.outputs import check_output
from blsh_trainer.errors import BlshError


def push(
    model: Annotated[
        Path | None,
        typer.Argument(
            callback=checked_model,
            help="Model artifact, name of `blsh models`, or image that --output wrote; none with --factory.",
        ),
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
    """Send another model to a running board, without reflashing it.

    The model goes into a free slot. It is checked, tried and compared with the reference bit for bit before it is kept.
    The model that ran until then stays in its slot; an interrupted push goes on where it stopped. The firmware must
    have been generated with --slots. With --port the board runs already. Otherwise a virtual board is started with the
    built firmware, and forgets the model when it ends.
    """
    from blsh_tools.boards import push_model

    target = push_model.PushTarget(board, port)
    if factory:
        if model is not None or wanted.given() or output is not None or dry_run:
            raise BlshError("--factory takes neither a model nor options for one; leave them out")
        title, result = f"Back to the factory: {board}", push_model.back_to_factory(target)
    elif model is None:
        raise BlshError("no model given; name an artifact, as in `blsh push out/model.npz`, or --factory")
    elif output is not None:
        check_output(output, model=model)
        title, result = "Image", push_model.write_image(push_model.read_model(model, wanted), output)
    elif dry_run:
        integers = push_model.read_model(model, wanted)
        title, result = f"It fits {board}; nothing was sent", push_model.ask_whether_it_fits(target, integers)
    else:
        integers = push_model.read_model(model, wanted)
        with progress() as advance:
            title, result = f"Pushed to {board}", push_model.push(target, integers, advance)
    rows = [
        (name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in result.items()
    ]
    show(result, as_json, rows, title)

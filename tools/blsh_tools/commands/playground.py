# SPDX-License-Identifier: Apache-2.0
"""`blsh playground`: the denoiser in a browser, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, checked_models, complete_model
from blsh_tools.options.outputs import check_output
from blsh_trainer.errors import BlshError


def checked_or_boxed(models: list[Path] | None) -> list[Path]:
    """Return the files and folders of `models`, where names of the box stand for files; of none, the whole box."""
    from blsh_trainer.model.boxed_models import boxed_models

    return checked_models(models) if models else list(boxed_models().values())


def playground(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL...",
            callback=checked_or_boxed,
            autocompletion=complete_model,
            help="Models to choose from: artifacts, folders of them, names of `blsh models` [default: all of the box].",
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path(
        "out/playground/index.html"
    ),
    sample: Annotated[
        bool, typer.Option(help="Carry a few seconds of synthetic speech in noise to try the page with.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Build a page that denoises recordings and the microphone in a browser, with the firmware's own C.

    The core is compiled to WebAssembly by clang and lld. The page is one file, needs no network, and opens from a disk
    or a file server. It shows sound before and after, levels, speech activity, codes and neighbours, and compares a
    real board on a serial port with itself.
    """
    from blsh_tools.playground.build_page import named_models, synthetic_sample, write_page
    from blsh_tools.playground.carried_models import carried_model
    from blsh_tools.playground.wasm_core import check_tools

    check_tools()
    named = named_models(models or [])
    check_output(output, **{name: file for name, file in named})
    carried = []
    with progress() as advance:
        for done, (name, file) in enumerate(named):
            advance("preparing models", done, len(named))
            carried.append(carried_model(name, file))
    try:
        spoken = synthetic_sample() if sample else None
    except BlshError as error:
        say(f"The page carries no sample: {error}")
        spoken = None
    record = write_page(carried, output, spoken)
    rows = [
        ("page", record["page"]),
        ("size", f"{record['bytes']:,} bytes, of them {record['wasm_bytes']:,} of WebAssembly before base64"),
        ("models", ", ".join(model.name for model in carried)),
        ("open it", f"in a browser, from the disk: {output.resolve().as_uri()}"),
    ]
    show(record, as_json, rows, "Playground")

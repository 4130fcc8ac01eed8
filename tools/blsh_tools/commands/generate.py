# SPDX-License-Identifier: Apache-2.0
"""`blsh generate`: a model as C, of the size that was asked for, or that fits a board."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_MODEL, AsJson, ModelFile
from blsh_tools.options.model import FirmwareOptions
from blsh_tools.options.outputs import check_output_folder


def generate(
    model: ModelFile = DEFAULT_MODEL,
    *,
    wanted: FirmwareOptions,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder [default: firmware/generated of the checkout].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a model into C: tables, dictionary and protocol. The same input gives the same bytes.

    With a budget, the numbers of entries and bits and the kind of masks are chosen for the best validated quality that
    fits. What is given as an option stays as it is. A model that does not fit the board is refused.
    """
    from blsh_codegen.emit.generate import flash_table_bytes, integer_model
    from blsh_firmware.build.images import generate_firmware, generated_folder
    from blsh_tools.options.board_budgets import planned, say_plan
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.attribution import ATTRIBUTION_FILE

    folder = output or generated_folder()
    check_output_folder(folder)
    artifact = load_model(model)
    options, plan = planned(artifact, wanted)
    if plan is not None:
        say_plan(plan)
    record = generate_firmware(artifact, options, folder)
    tables = flash_table_bytes(integer_model(artifact, options))
    result = {"folder": str(folder), "table_bytes": tables, **json.loads(record.to_json())}
    rows = [
        ("folder", str(folder)),
        ("files", ", ".join(record.files)),
        ("dictionary", f"{record.dictionary_entries:,} entries, CRC-32 {record.dictionary_crc32:08x}"),
        ("flash of the tables", f"{sum(tables.values()):,} bytes"),
        *((f"... {name}", f"{size:,}") for name, size in tables.items()),
        ("licences of the recordings", f"{ATTRIBUTION_FILE} in the folder: to be passed on where they ask for it"),
    ]
    if plan is not None:
        result |= {"plan": plan.to_dict(), "estimate": plan.estimate.to_dict()}
        taken = plan.chosen.taken
        rows += [
            ("chosen", plan.why),
            (f"on {wanted.board}", f"{taken.flash:,} bytes of flash, {taken.ram:,} of RAM with the stack, by estimate"),
            ("instructions", f"{plan.estimate.millions_per_second:.2f} million a second, by estimate"),
        ]
    show(result, as_json, rows, "Generated")

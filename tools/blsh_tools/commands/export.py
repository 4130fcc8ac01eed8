# SPDX-License-Identifier: Apache-2.0
"""`blsh export`: a model as a library for firmware of one's own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_MODEL, AsJson, ModelFile
from blsh_tools.options.model import PlanOptions
from blsh_tools.options.outputs import check_output_folder


def export(
    model: ModelFile = DEFAULT_MODEL,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write: a new one, or an earlier export.")],
    wanted: PlanOptions,
    as_json: AsJson = False,
) -> None:
    """Write a model and the denoiser's core as one library for PlatformIO, Arduino and CMake, with an example.

    The folder needs nothing of this project. The same input gives the same bytes. Files that an earlier export did not
    write, or that were edited since, are not overwritten. With a budget the size of the model is chosen as by `blsh
    generate`, beside the code of this project's firmware; the header asserts the bytes that are left for the tables.
    """
    from blsh_codegen.emit.export import export_library
    from blsh_tools.options.board_budgets import planned, say_plan
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.attribution import ATTRIBUTION_FILE

    check_output_folder(to, replaced=True)
    artifact = load_model(model)
    options, plan = planned(artifact, wanted)
    if plan is not None:
        say_plan(plan)
    record = export_library(artifact, options, to)
    rows = [
        ("folder", str(to)),
        ("files", f"{len(record.files)}, listed with their SHA-256 in blsh_export.json"),
        ("model", f"{record.model_name}, {record.bits} bits"),
        ("dictionary", f"{record.dictionary_entries:,} entries, CRC-32 {record.dictionary_crc32:08x}"),
        ("flash of the tables", f"{record.table_bytes:,} bytes"),
        ("licences of the recordings", f"{ATTRIBUTION_FILE} in the folder: to be passed on where they ask for it"),
        ("how to use it", "README.txt in the folder: PlatformIO, Arduino, CMake"),
    ]
    result = {"folder": str(to), **json.loads(record.to_json())}
    if plan is not None:
        result |= {"plan": plan.to_dict(), "estimate": plan.estimate.to_dict()}
    show(result, as_json, rows, "Exported")

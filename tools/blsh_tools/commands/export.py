# SPDX-License-Identifier: Apache-2.0
"""`blsh export`: models as a library for firmware of one's own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import AsJson, ModelFiles
from blsh_tools.options.model import PlanOptions
from blsh_tools.options.outputs import check_output_folder
from blsh_trainer.errors import BlshError


def export(
    models: ModelFiles = None,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write: a new one, or an earlier export.")],
    wanted: PlanOptions,
    prefix: Annotated[
        list[str] | None,
        typer.Option(
            "--prefix",
            metavar="NAME",
            help="Call a model NAME_model in C; once for each of several models, in their order [default: blsh].",
        ),
    ] = None,
    example: Annotated[
        list[str] | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="Add the program with real sound for a part, such as rp2040, built by `make` there; several allowed.",
        ),
    ] = None,
    with_proof: Annotated[
        bool,
        typer.Option("--with-proof", help="With the server that `blsh hil --port` proves your board by, in proof/."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write models and the denoiser's core as one library, with examples: PlatformIO, Arduino, CMake, Zephyr and more.

    The folder needs nothing of this project. The same input gives the same bytes. Files that an earlier export did not
    write, or that were edited since, are not overwritten. Several models of one program are exported together, each
    with a --prefix: they share the core, its tables, and windows and bands that are the same. The options of a model
    hold for each of them. With a budget, which only one model can have, its size is chosen as by `blsh generate`,
    beside the code of this project's firmware; the header asserts the bytes that are left for the tables. --with-proof
    adds a server that a program of your own runs on your board for `blsh hil --port`; no other build compiles it.
    """
    from blsh_codegen.emit.export import ExportedModel, export_models
    from blsh_codegen.emit.library import PORT_HEADER
    from blsh_codegen.emit.naming import check_prefixes
    from blsh_firmware.build.proof_files import proof_server
    from blsh_tools.options.board_budgets import planned, say_plan
    from blsh_trainer.model.artifact import load_model

    prefixes, files = prefix or [], models or []
    check_prefixes(prefixes, len(files))
    _check_budgets(wanted, len(files))
    check_output_folder(to, replaced=True)
    result: dict[str, object] = {"folder": str(to)}
    exported = []
    names: list[str | None] = [*prefixes] or [None]
    for path, name in zip(files, names, strict=True):
        artifact = load_model(path)
        options, plan = planned(artifact, wanted)
        if plan is not None:
            say_plan(plan)
            result |= {"plan": plan.to_dict(), "estimate": plan.estimate.to_dict()}
        exported.append(ExportedModel(artifact, options, name))
    record = export_models(exported, to, examples=example or [], server=proof_server() if with_proof else None)
    attributions = [name for name in record.files if name.startswith("ATTRIBUTION")]
    rows = [("folder", str(to)), ("files", f"{len(record.files)}, listed with their SHA-256 in blsh_export.json")]
    for name, each in record.models.items():
        of = "" if name is None else f" {name}"
        rows += [
            (f"model{of}", f"{each.model_name}, {each.bits} bits"),
            (f"dictionary{of}", f"{each.dictionary_entries:,} entries, CRC-32 {each.dictionary_crc32:08x}"),
        ]
    rows += [
        ("flash of the tables", f"{record.table_bytes:,} bytes"),
        ("licences of the recordings", f"{', '.join(attributions)}: to be passed on where they ask for it"),
        *[(f"example {name}", f"{to / 'examples' / name}, with its README.md") for name in sorted(example or [])],
        ("how to use it", "README.txt in the folder: PlatformIO, Arduino, CMake, Zephyr, ESP-IDF, CMSIS-Pack"),
    ]
    if with_proof:
        rows.append(
            ("proof of your board", f"four functions of {PORT_HEADER}, then: blsh hil --port PORT --model MODEL")
        )
    show(result | json.loads(record.to_json()), as_json, rows, "Exported")


def _check_budgets(wanted: PlanOptions, models: int) -> None:
    """Raise BlshError for a board or a budget with several models: neither says how they share it."""
    given = {"board": wanted.board, "flash": wanted.flash, "ram": wanted.ram, "mips": wanted.mips}
    named = [f"--{name} {value}" for name, value in given.items() if value is not None]
    if models > 1 and named:
        raise BlshError(f"{', '.join(named)} with {models} models: a budget is for one model; choose --entries instead")

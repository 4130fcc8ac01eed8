# SPDX-License-Identifier: Apache-2.0
"""`blsh init`: the first blsh.toml of a project."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, NoiseFolder, complete_model
from blsh_tools.options.geometry import GeometryText, Latency, Rate, chosen_geometry
from blsh_tools.options.numbers_in_range import MIPS, size_option
from blsh_tools.options.outputs import check_output_folder
from blsh_trainer.errors import BlshError


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project: a new one, or one with files.")],
    corpus: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of recordings to learn a model from; may be repeated [default: learn nothing]."),
    ] = None,
    noise: NoiseFolder = None,
    model: Annotated[
        str | None,
        typer.Option(
            autocompletion=complete_model,
            help="Model to take as it is: a name of `blsh models`, or an artifact [default: by latency, intercom].",
        ),
    ] = None,
    latency: Latency = None,
    rate: Rate = None,
    geometry: GeometryText = None,
    board: Annotated[str, typer.Option(help="Board of the firmware; see `blsh boards`.")] = DEFAULT_BOARD,
    flash: Annotated[str | None, size_option("--flash", "Budget of flash for the whole firmware: 256K.")] = None,
    ram: Annotated[str | None, size_option("--ram", "Budget of RAM, the stack included: 16K.")] = None,
    mips: Annotated[float | None, MIPS.option("Budget of instructions, in millions a second.")] = None,
    example: Annotated[
        list[Path] | None, typer.Option(help="Noisy recording to denoise as an example; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a project: write DIR/blsh.toml, with a comment for each thing that may be changed. Then: `blsh run`.

    With --corpus a model is learned from own recordings; without, one of the box is taken. A blsh.toml that is there
    already stays as it is.
    """
    from blsh_hil.boards.board import CROSS_COMPILER
    from blsh_tools.options.model import PlanOptions
    from blsh_tools.project.new_file import NewProject, write_settings
    from blsh_tools.project.settings import class_name, load_project

    wanted = chosen_geometry(latency, rate, geometry)
    text = str(DEFAULT_MODEL) if wanted is None else class_name(str(wanted))
    if model is not None and (corpus or wanted is not None):
        other = "--corpus" if corpus else "a latency, rate or geometry"
        raise BlshError(
            f"--model {model} with {other}: a model that is taken as it is has its own; give one of the two"
        )
    if noise is not None and not corpus:
        raise BlshError(f"--noise {noise} without --corpus: nothing is learned; give both or none")
    check_output_folder(folder)
    _check(board, corpus or [], noise, example or [])
    new = NewProject(
        model=_model(model, text, folder) if not corpus else "",
        corpora=corpus or (),
        noise=noise,
        geometry=text,
        recordings=example or (),
        budgets=PlanOptions(board=board, flash=flash, ram=ram, mips=mips),
        image=shutil.which(CROSS_COMPILER) is not None,
    )
    path = write_settings(folder, new)
    try:
        project = load_project(folder)
    except BlshError:
        path.unlink()
        raise
    outputs = {name: project.told(place) for name, place in project.outputs.items()}
    rows = [
        ("written", str(path)),
        ("model", f"learned from {', '.join(map(str, corpus))}, {text}" if corpus else new.model),
        ("board", board),
        ("outputs", ", ".join(outputs.values())),
        ("next", f"cd {folder}, then `blsh run`; `blsh run --dry-run` shows the plan"),
    ]
    show({"file": str(path), "outputs": outputs, "board": board}, as_json, rows, "New project")


def _check(board: str, corpora: list[Path], noise: Path | None, recordings: list[Path]) -> None:
    from blsh_hil.boards.table import find_board
    from blsh_trainer.files import require_file, require_folder

    find_board(board)
    for each in (*corpora, *([noise] if noise else [])):
        require_folder(each, f"there is no folder {each}; give a folder of recordings")
    for each in recordings:
        require_file(each, f"there is no file {each}; give a recording")


def _model(given: str | None, text: str, folder: Path) -> str:
    """Return what the file says of a model that is taken as it is: a name of the box, or a path from the folder."""
    from blsh_trainer.files import require_file
    from blsh_trainer.model.boxed_models import boxed_model, model_file
    from blsh_trainer.signals.geometry import parse_geometry

    if given is None:
        boxed_model(parse_geometry(text))  # raises where the box has none
        return text
    file = model_file(Path(given))
    require_file(file, f"there is no model {given}; see `blsh models`, or train one: blsh train")
    return given if file != Path(given) else Path(os.path.relpath(file, folder)).as_posix()

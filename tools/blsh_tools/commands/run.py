# SPDX-License-Identifier: Apache-2.0
"""`blsh run`: bring the outputs of a project up to date."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson, ProjectFolder


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="Outputs: model, generated, library, image, proof, denoised or report [default: all in blsh.toml].",
        ),
    ] = None,
    folder: ProjectFolder = Path(),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show which steps would run, and why; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring all outputs in blsh.toml up to date: only what depends on something that changed is made again.

    What an output depends on is compared by content: recordings, models, the values in blsh.toml that it uses, and blsh
    itself. An output that was deleted is made again. One that you changed is first moved to .blsh/edited. An
    interrupted run goes on where it was, and so does an interrupted training.
    """
    from blsh_tools.project.settings import load_project
    from blsh_tools.project.update import FAILED, update

    project = load_project(folder)
    if not project.file.values:
        say(f"{project.file.path} sets nothing, so every default holds; blsh init FOLDER writes one that explains them")
    try:
        with progress() as advance:
            rows = update(project, tuple(targets or ()), dry_run, advance)
    except KeyboardInterrupt:
        say("interrupted; blsh run goes on from here")
        raise
    result = {"file": str(project.file.path), "dry_run": dry_run, "steps": [row.to_dict() for row in rows]}
    told = [(row.step, row.outcome, row.told or "; ".join(row.why)) for row in rows]
    show(result, as_json, told, "Plan" if dry_run else "Outputs")
    if any(row.outcome == FAILED for row in rows):
        raise typer.Exit(1)

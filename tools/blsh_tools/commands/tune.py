# SPDX-License-Identifier: Apache-2.0
"""`blsh tune`: choose by ear how far bands are lowered and how masks are smoothed."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import AsJson, ProjectFolder
from blsh_tools.options.numbers_in_range import PORT, SECONDS_OF_AUDIO, SMOOTHING
from blsh_trainer.errors import BlshError


def tune(
    recording: Annotated[Path, typer.Argument(metavar="IN", help="Noisy recording to listen to.")],
    folder: ProjectFolder = Path(),
    attenuation: Annotated[
        str | None,
        typer.Option(
            metavar="DB", help="Begin with this limit: 0 (bypass) to 60 dB, `off`, or `model` for the model's own."
        ),
    ] = None,
    smoothing: Annotated[
        int | None, SMOOTHING.option("Begin with this smoothing, in sixteenths; for both directions if given alone.")
    ] = None,
    smoothing_down: Annotated[
        int | None, SMOOTHING.option("Begin with this smoothing where speech falls; of voting models.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the values to blsh.toml at once, without the page.")
    ] = False,
    seconds: Annotated[float, SECONDS_OF_AUDIO.option("Seconds of the recording to play.")] = 30.0,
    port: Annotated[int, PORT.option("Port of the page on this machine; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, where there is one with windows.")] = True,
    as_json: AsJson = False,
) -> None:
    """Play a recording with different limits of attenuation and smoothings, and write the chosen ones to blsh.toml.

    The page is served to this machine alone. What is heard is computed in the firmware's integers. `blsh run` then
    makes the model, the C and the firmware with these values; nothing is learned anew. With --write the values that
    are given are written without a page, as a script needs it.
    """
    from blsh_tools.project.settings import load_project
    from blsh_tools.tuning.tune_project import Tuner

    values = {"attenuation": attenuation, "smoothing": smoothing, "smoothing_down": smoothing_down}
    given = {name: value for name, value in values.items() if value is not None}
    if write and not given:
        raise BlshError("--write without a value; give --attenuation, --smoothing or --smoothing-down")
    tuner = Tuner(load_project(folder), recording, seconds)
    start = tuner.start_from(given)
    if write:
        tuner.write(start)
    else:
        tuner.serve(start, port, browser)
    result = tuner.result()
    told = {"nothing": "blsh.toml is as it was"} if result["written"] is None else result["written"]
    rows = [(name, str(value)) for name, value in told.items()]
    show(result, as_json, [*rows, ("next", "blsh run")], f"Tuned: {result['file']}")

# SPDX-License-Identifier: Apache-2.0
"""`blsh quality-plot`: quality against instructions, of models and of other denoisers, as a picture."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import RESULTS, AsJson, ResultFolder
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import repeatable


def quality_plot(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of `blsh evaluate --peers -o`, one for each model, or of `blsh experiment dense`."),
    ],
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Draw SI-SDR, PESQ and ESTOI at 0 dB against instructions on a Cortex-M4: your models beside other denoisers.

    A model has the name of its file. The results are quality.png and quality.json.
    """
    from blsh_tools.bench.quality_points import METRICS_SHOWN, our_point, peer_points, write_points
    from blsh_trainer.evaluation.metrics import METRICS

    check_output_folder(output)
    points = [*(our_point(file) for file in files), *peer_points()]
    written = write_points(points, repeatable("quality-plot", {}, *files), output)
    notations = {name: METRICS[name].shown for name in METRICS_SHOWN}
    rows = []
    for point in points:
        cost = f"{point.m4_low:g}" + (f" to {point.m4_high:g}" if point.m4_high > point.m4_low else "")
        cells = ((notation, point.figures[name]) for name, notation in notations.items())
        rows.append([point.name, *("-" if value is None else n.figure(value) for n, value in cells), cost])
    header = ["denoiser", *(n.title for n in notations.values()), "M instructions/s on M4"]
    show(json.loads(written[1].read_text(encoding="utf-8")), as_json, rows, "At 0 dB", header)
    say(f"written: {', '.join(map(str, written))}")

# SPDX-License-Identifier: Apache-2.0
"""`blsh bars-geometry`: whether every class of products is as good, as small and as quick as it has to be."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import REPORT_FOLDER, RESULTS, AsJson, ResultFolder
from blsh_tools.options.numbers_in_range import JOBS, SNR_DB
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import Value, repeatable

REPORTS = REPORT_FOLDER / "geometry"


def bars_geometry(
    corpus: Annotated[Path, typer.Argument(help="Folder of recordings that has the peers' mixtures.")],
    models: Annotated[
        Path,
        typer.Option(
            "--models",
            help="Folder of recorder.npz, intercom.npz, headset.npz, hearing.npz, phone.npz; some may be missing.",
        ),
    ],
    snr: Annotated[
        list[float] | None, SNR_DB.option("Further SNR to score at, beside 0 dB; may be repeated.", "--snr")
    ] = None,
    reports: Annotated[
        Path, typer.Option("--reports", help="Folder of the reports of `make hil-geometry`, a folder for each class.")
    ] = REPORTS,
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    work: Annotated[Path, typer.Option("--work", help="Folder that keeps figures, models and images.")] = Path(
        "out/geometry-bars"
    ),
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Say of each class of products, from 64 ms to 8 ms of latency, whether its model meets its bars.

    Quality on the peers' mixtures, exactness, instructions, RAM, code and estimates: half an hour. Figures are kept in
    --work, by the SHA-256 of model, corpus and sources. The results are bars-geometry, a page and a JSON file, and
    latency.png; the table of docs/choosing.md is renewed.
    """
    from blsh_tools.bench.class_models import load_class_models
    from blsh_tools.bench.demand import HEADER, bar_rows
    from blsh_tools.judge_geometry import GeometryOptions, judge_geometry, write_geometry
    from blsh_trainer.corpora.corpus import load_corpus

    for folder in (work, output):
        check_output_folder(folder)
    chosen = load_class_models(models)
    options = GeometryOptions(tuple(snr or ()), work, reports, jobs)
    with progress() as advance:
        found = judge_geometry(chosen, load_corpus(corpus), options, advance)
    given: dict[str, Value] = {
        "--models": models,
        "--snr": [f"{each:g}" for each in snr or ()],
        "--reports": None if reports == REPORTS else reports,
    }
    files = write_geometry(found, repeatable("bars-geometry", given, corpus), output)
    result = json.loads((output / "bars-geometry.json").read_text(encoding="utf-8"))
    show(result, as_json, bar_rows(found.bars), "The bars of the classes", HEADER)
    say(f"written: {', '.join(map(str, files))}")

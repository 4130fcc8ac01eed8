# SPDX-License-Identifier: Apache-2.0
"""`blsh report`: one page about a model: what it is, how good, what it costs, and how it sounds."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import (
    DEFAULT_BOARD,
    DEFAULT_MODEL,
    REPORT_FOLDER,
    AsJson,
    CorpusOrSynthetic,
    ModelFile,
    PortUrl,
)
from blsh_tools.options.model import PlanOptions
from blsh_tools.options.numbers_in_range import COUNT, JOBS


def report(
    model: ModelFile = DEFAULT_MODEL,
    *,
    wanted: PlanOptions,
    corpus: CorpusOrSynthetic = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Scores to show: a file of `blsh evaluate MODEL CORPUS -o FILE`.")
    ] = None,
    mixtures: Annotated[
        int,
        COUNT.option("With --corpus, mixtures at each SNR to score a model on that has no scores.", "--mixtures"),
    ] = 12,
    device: Annotated[
        str | None,
        typer.Option(
            help="What to hear as device: `core` (the firmware's C on this machine), `fixed` (its integers) or "
            "`board` (the firmware on --board) [default: core, or fixed without a C compiler; board with --port]."
        ),
    ] = None,
    port: PortUrl = None,
    jobs: Annotated[int | None, JOBS.option("Processes that score [default: one for each core].")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page to write [default: out/report/MODEL.html].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one HTML page about a model, which needs no network and no other file.

    It has a summary, the card with licences, scores beside other denoisers, latency, the needs on --board, quality
    against instructions, what the integers lose stage by stage, and five recordings to hear: noisy, clean, in floats
    and from the device. Models of the box come with their scores; for your own give --scores or --corpus.
    """
    from blsh_tools.options.outputs import check_output
    from blsh_tools.report.make_report import gather, page_path
    from blsh_tools.report.options import ReportOptions
    from blsh_tools.report.page import write_page

    page = page_path(model) if output is None else output
    check_output(page, model=model, scores=scores)
    on_board = replace(wanted, board=wanted.board or DEFAULT_BOARD)
    options = ReportOptions(
        model, on_board, corpus, scores, device, port, mixtures, REPORT_FOLDER, seed=wanted.seed, jobs=jobs
    )
    with progress() as advance:
        found = gather(options, page, advance)
        size = write_page(found, page)
    rows = [[each.state, each.text] for each in found.sentences]
    show({"page": str(page), "bytes": size, **found.to_dict()}, as_json, rows, f"{found.name} on {on_board.board}")
    say(f"written: {page}, {size / 1e6:.1f} MB")

# SPDX-License-Identifier: Apache-2.0
"""`blsh bars-quality`: whether a model sounds as good as it has to."""

import json
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import RESULTS, TRAINED_MODEL, AsJson, ResultFolder
from blsh_tools.options.model import sized
from blsh_tools.options.numbers_in_range import BITS, ENTRIES, JOBS
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import repeatable

BEFORE = RESULTS / "extended.json"


def bars_quality(
    corpus: Annotated[Path, typer.Argument(help="Folder of recordings that has the peers' mixtures.")],
    model: Annotated[Path, typer.Option("--model", help="Model artifact to judge.")] = TRAINED_MODEL,
    bits: Annotated[int | None, BITS.option("Bits of its codes [default: all].", "--bits")] = None,
    entries: Annotated[
        int | None, ENTRIES.option("Its dictionary entries [default: 4096, or all].", "--entries")
    ] = None,
    small: Annotated[Path | None, typer.Option("--small", help="Artifact of the small model to judge.")] = None,
    small_bits: Annotated[int | None, BITS.option("Bits of its codes [default: all].", "--small-bits")] = None,
    small_entries: Annotated[
        int | None, ENTRIES.option("Its dictionary entries [default: 4096, or all].", "--small-entries")
    ] = None,
    extra: Annotated[
        Path | None, typer.Option("--extra", help="Corpus whose valid split has noise types that no train split has.")
    ] = None,
    before: Annotated[
        Path, typer.Option("--before", help="Figures that the small model has to beat: of `blsh evaluate --peers -o`.")
    ] = BEFORE,
    jobs: Annotated[int | None, JOBS.option("Processes [default: one for each core].")] = None,
    work: Annotated[Path, typer.Option("--work", help="Folder that keeps the figures of each model.")] = Path(
        "out/quality"
    ),
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Say of each bar of quality whether a model meets it: beside other denoisers, in steady noise, on clean speech.

    A few minutes for each model. Its figures are kept in --work, by the SHA-256 of model and corpus. The results are
    bars-quality, a page and a JSON file.
    """
    from blsh_codegen.emit.generate import GenerateOptions
    from blsh_tools.bench.demand import HEADER, bar_rows
    from blsh_tools.judge_quality import Judged, JudgeOptions, judge_quality, write_quality_bars
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.model.artifact import load_model

    def judged(path: Path, entries: int | None, bits: int | None) -> Judged:
        artifact = load_model(path)
        return Judged(artifact, sized(GenerateOptions(entries=entries, bits=bits), artifact.entries))

    for folder in (work, output):
        check_output_folder(folder)
    big = judged(model, entries, bits)
    little = None if small is None else judged(small, small_entries, small_bits)
    options = JudgeOptions(
        extra=None if extra is None else load_corpus(extra),
        before=None if small is None else before,
        work=work,
        jobs=jobs,
    )
    with progress() as advance:
        bars = judge_quality(big, little, load_corpus(corpus), options, advance)
    given = {
        **{"--model": model, "--bits": bits, "--entries": entries},
        **{"--small": small, "--small-bits": small_bits, "--small-entries": small_entries},
        **{"--extra": extra, "--before": None if before == BEFORE else before},
    }
    command = repeatable("bars-quality", given, corpus)
    files = write_quality_bars(bars, command, output)
    show(json.loads(files[1].read_text(encoding="utf-8")), as_json, bar_rows(bars), "The bars of quality", HEADER)
    say(f"written: {', '.join(map(str, files))}")

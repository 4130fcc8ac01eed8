# SPDX-License-Identifier: Apache-2.0
"""`blsh bench-firmware`: the instructions, flash, RAM and cycles of the firmware, on every virtual board."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import progress, say
from blsh_tools.options.arguments import RESULTS, AsJson, CorpusOrSynthetic, ResultFolder
from blsh_tools.options.numbers_in_range import BITS, COUNT, dictionary_sizes, parse_sizes
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import repeatable


def bench_firmware(
    corpus: CorpusOrSynthetic = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Another artifact to measure: of the voting or the extended system.")
    ] = None,
    bits: Annotated[int | None, BITS.option("Bits of --model to measure [default: 64, or all].")] = None,
    board: Annotated[
        list[str] | None, typer.Option("--board", help="A virtual board; may be repeated [default: all of them].")
    ] = None,
    hops: Annotated[int, COUNT.option("Hops of noisy speech to send.")] = 384,
    entries: Annotated[
        str | None,
        typer.Option(
            callback=dictionary_sizes,
            help="Dictionary sizes at which to measure the search, as 1000,4096 [default: up to 100 000].",
        ),
    ] = None,
    cmsis: Annotated[
        bool, typer.Option("--cmsis/--no-cmsis", help="Fetch CMSIS-DSP from PyPI, and measure its transforms as well.")
    ] = True,
    work: Annotated[Path, typer.Option(help="Folder for what is trained, fetched and built.")] = Path(
        "out/bench-firmware"
    ),
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Count the instructions of every stage on every virtual board, beside CMSIS-DSP's FFTs and the plain scan.

    The model is that of the budgets (L = 50, `mel`, K = 10, 4 096 entries), trained on the corpus on first use. The
    results are bench-firmware.md and .json, and search-growth.png. Instructions are not cycles.
    """
    from blsh_tools.bench.firmware_costs import BenchOptions, measure_firmware, virtual_boards
    from blsh_tools.bench.report import bench_page, write_bench
    from blsh_tools.bench.search_growth import SIZES
    from blsh_tools.options.corpora import corpus_or_synthetic

    sizes = SIZES if entries is None else parse_sizes(entries)
    options = BenchOptions(tuple(board or virtual_boards()), hops, sizes, cmsis, work, model, bits)
    options.check()
    for folder in (output, work):
        check_output_folder(folder)
    extended = options.extended()
    with progress() as advance:
        result = measure_firmware(corpus_or_synthetic(corpus, 0, advance), extended, options, advance)
    given = {"--corpus": corpus, "--model": model, "--bits": bits, "--entries": entries, "--board": board}
    command = repeatable("bench-firmware", given)
    files = write_bench(result, command, output)
    sys.stdout.write(json.dumps(result, indent=2, sort_keys=True) + "\n" if as_json else bench_page(result, command))
    say(f"written: {', '.join(map(str, files))}")

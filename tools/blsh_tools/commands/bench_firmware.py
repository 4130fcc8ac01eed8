"""`blsh bench-firmware` and `blsh bars-firmware`: what the firmware costs, and whether it keeps its budgets."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import AsJson
from blsh_tools.options.numbers_in_range import BITS, COUNT, dictionary_sizes, parse_sizes
from blsh_tools.options.outputs import check_output_folder

if TYPE_CHECKING:
    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.progress import Progress

RESULTS = Path("docs/results")

CorpusOption = Annotated[
    Path | None, typer.Option("--corpus", help="Folder of recordings [default: a synthetic corpus, made here].")
]
ExtendedModel = Annotated[
    Path | None, typer.Option("--model", help="Another artifact to measure, such as the extended system's.")
]
ResultFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]


def bench_firmware(
    corpus: CorpusOption = None,
    model: ExtendedModel = None,
    bits: Annotated[int | None, BITS.option("Measure so many bits of --model [default: 64, or all].")] = None,
    board: Annotated[
        list[str] | None, typer.Option("--board", help="A virtual board; may be repeated [default: all of them].")
    ] = None,
    hops: Annotated[int, COUNT.option("Hops of noisy speech to send.")] = 384,
    entries: Annotated[
        str | None,
        typer.Option(
            callback=dictionary_sizes,
            help="Dictionary sizes to measure the search at, as 1000,4096 [default: to 100 000].",
        ),
    ] = None,
    cmsis: Annotated[
        bool, typer.Option("--cmsis/--no-cmsis", help="Fetch CMSIS-DSP from PyPI and measure its transforms, too.")
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
    from blsh_tools.bench.firmware_costs import BenchOptions, virtual_boards
    from blsh_tools.bench.firmware_costs import bench_firmware as measure
    from blsh_tools.bench.report import bench_page, write_bench
    from blsh_tools.bench.search_growth import SIZES
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.reduction import reduce_model

    sizes = SIZES if entries is None else parse_sizes(entries)
    options = BenchOptions(tuple(board or virtual_boards()), hops, sizes, cmsis, work)
    options.check()
    for folder in (output, work):
        check_output_folder(folder)
    extended = None if model is None else load_model(model)
    if extended is not None:
        extended = reduce_model(extended, bits=min(64, extended.bits) if bits is None else bits)
    with progress() as advance:
        result = measure(_corpus(corpus, advance), extended, options, lambda _: None, advance)
    given = {"--corpus": corpus, "--model": model, "--bits": None if bits is None else str(bits), "--entries": entries}
    command = _command("bench-firmware", given, [("--board", name) for name in board or ()])
    files = write_bench(result, command, output)
    sys.stdout.write(json.dumps(result, indent=2, sort_keys=True) + "\n" if as_json else bench_page(result, command))
    say(f"written: {', '.join(map(str, files))}")


def bars_firmware(
    corpus: CorpusOption = None,
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Say of each of the firmware's budgets whether it is kept, with its figure.

    Read from what `blsh bench-firmware` and `blsh experiment frontier` left in the folder of results; only the accuracy
    of the transforms is measured here, on speech of the corpus.
    """
    from blsh_tools.bench.bars import firmware_bars, write_bars
    from blsh_trainer.experiments.verdict import state

    check_output_folder(output)
    with progress() as advance:
        bars = firmware_bars(output, _corpus(corpus, advance))
    command = _command("bars-firmware", {"--corpus": corpus}, [])
    files = write_bars(bars, command, output)
    rows = [[state(bar), bar.what, bar.told] for bar in bars]
    result = json.loads(files[1].read_text(encoding="utf-8"))
    show(result, as_json, rows, "The firmware's bars", ["state", "bar", "measured"])
    say(f"written: {', '.join(map(str, files))}")


def _corpus(folder: Path | None, advance: "Progress") -> "Corpus":
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.corpora.synthetic_corpus import make_corpus

    if folder is not None:
        return load_corpus(folder)
    say("No recordings given: a SYNTHETIC corpus is made (espeak-ng voices, synthesised noises).")
    return make_corpus(Path("out/synthetic-corpus"), 0, advance)


def _command(name: str, given: dict[str, Path | str | None], more: list[tuple[str, str]]) -> str:
    """The command as others can repeat it; paths as seen from here."""
    words = ["blsh", name]
    for option, value in given.items():
        if value is not None:
            words += [option, os.path.relpath(value) if isinstance(value, Path) else value]
    return shlex.join([*words, *(word for pair in more for word in pair)])

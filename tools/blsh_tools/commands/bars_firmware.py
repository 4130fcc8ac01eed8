# SPDX-License-Identifier: Apache-2.0
"""`blsh bars-firmware`: whether the firmware keeps its budgets."""

import json

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import RESULTS, AsJson, CorpusOrSynthetic, ResultFolder
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.options.repeatable import repeatable


def bars_firmware(
    corpus: CorpusOrSynthetic = None,
    output: ResultFolder = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Say of each of the firmware's budgets whether it is kept, with its figure.

    The figures are read from the results of `blsh bench-firmware` and `blsh experiment frontier` in the folder. Only
    the accuracy of the transforms is measured here, on speech of the corpus.
    """
    from blsh_tools.bench.bars import firmware_bars, write_bars
    from blsh_tools.options.corpora import corpus_or_synthetic
    from blsh_trainer.experiments.verdict import state

    check_output_folder(output)
    with progress() as advance:
        bars = firmware_bars(output, corpus_or_synthetic(corpus, 0, advance))
    command = repeatable("bars-firmware", {"--corpus": corpus})
    files = write_bars(bars, command, output)
    rows = [[state(bar), bar.what, bar.told] for bar in bars]
    result = json.loads(files[1].read_text(encoding="utf-8"))
    show(result, as_json, rows, "The firmware's bars", ["state", "bar", "measured"])
    say(f"written: {', '.join(map(str, files))}")

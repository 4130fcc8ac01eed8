# SPDX-License-Identifier: Apache-2.0
"""Draw the history of `blsh bench`: the instructions of each stage, flash and RAM, from run to run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from blsh_codegen.spec.stages import STAGES
from blsh_tools.bench.history import Run
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.plotting import new_figure

SUFFIXES: Final = (".svg", ".png")
_WIDTH, _HEIGHT = 12.0, 3.6  # inches, of the figure and of a board's row
_HEADROOM = 1.3  # above the data, for the names of models
_MOST_LABELS = 12
_COMMIT_LETTERS = 7


def check_suffix(path: Path) -> None:
    """Raise BlshError unless a picture can be written as `path`."""
    if path.suffix.lower() not in SUFFIXES:
        raise BlshError(f"cannot draw {path}: a picture ends in {' or '.join(SUFFIXES)}")


def draw(runs: Sequence[Run], path: Path) -> Path:
    """Draw a row of two plots for each board as `path`, and return that. A line is drawn where the model changes."""
    import matplotlib  # slow to import

    boards = list(dict.fromkeys(run.board for run in runs))
    figure, axes = new_figure((_WIDTH, _HEIGHT * len(boards)), len(boards), 2)
    for row, board in enumerate(boards):
        of_board = [run for run in runs if run.board == board]
        _draw_stages(axes[2 * row], board, of_board)
        _draw_memory(axes[2 * row + 1], board, of_board)
    # Text stays text, and the same history gives the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "blsh"}), replacing(path) as temporary:
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {}
        figure.savefig(temporary, dpi=120, metadata=metadata)
    return path


def _draw_stages(axes: Any, board: str, runs: Sequence[Run]) -> None:
    below = [0] * len(runs)
    for stage in STAGES:
        heights = [run.stages[stage] for run in runs]
        axes.bar(range(len(runs)), heights, bottom=below, label=stage)
        below = [bottom + height for bottom, height in zip(below, heights, strict=True)]
    axes.set_title(f"{board}: instructions of a hop", loc="left")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize="small")
    _label_runs(axes, runs)


def _draw_memory(axes: Any, board: str, runs: Sequence[Run]) -> None:
    for name, sizes in (("flash", [run.flash_bytes for run in runs]), ("RAM", [run.ram_bytes for run in runs])):
        axes.plot(range(len(runs)), [size / 1024 for size in sizes], marker="o", label=name)
    axes.set_title(f"{board}: KiB of flash and RAM", loc="left")
    axes.legend(frameon=False, fontsize="small")
    _label_runs(axes, runs)


def _label_runs(axes: Any, runs: Sequence[Run]) -> None:
    """Name the runs below the axis, as many as there is room for, and mark where another model begins."""
    step = -(-len(runs) // _MOST_LABELS)
    shown = range(0, len(runs), step)
    labels = [f"{run.time[:10]}\n{(run.commit or run.build_id)[:_COMMIT_LETTERS]}" for run in runs]
    axes.set_xticks(list(shown), [labels[at] for at in shown], rotation=45, ha="right", fontsize="x-small")
    axes.set_xlim(-0.6, len(runs) - 0.4)
    top = _HEADROOM * axes.get_ylim()[1]
    axes.set_ylim(0, top)
    for at, run in enumerate(runs):
        if at == 0 or run.model_sha256 != runs[at - 1].model_sha256:
            if at:
                axes.axvline(at - 0.5, color="grey", linestyle="--", linewidth=1)
            axes.text(at - 0.42, top, f" {run.model[:24]}", va="top", fontsize="x-small", color="grey", rotation=90)

"""The experiments by name."""

from collections.abc import Callable

from blsh_trainer.experiments import bars, frontier, similarities, tables
from blsh_trainer.experiments import code_lengths as figures
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.settings import Settings

EXPERIMENTS: dict[str, Callable[[Settings], Report]] = {
    "table1": tables.table1,
    "table2": tables.table2,
    "table3": tables.table3,
    "fig2": similarities.fig2,
    "fig3": figures.fig3,
    "fig4": figures.fig4,
    "fig5": similarities.fig5,
    "fig6": similarities.fig6,
    "bars": bars.bars,
    "frontier": frontier.frontier,
}
"""Each computes what its store lacks and returns the report."""

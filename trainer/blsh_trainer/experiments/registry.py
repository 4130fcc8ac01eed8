# SPDX-License-Identifier: Apache-2.0
"""The experiments by name: which module has each, and which options it heeds.

To add one: a function of its name, taking Settings and returning a Report, in a module of this package, and a row here.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from blsh_trainer.errors import BlshError
from blsh_trainer.extras import require
from blsh_trainer.suggestions import unknown

if TYPE_CHECKING:  # the modules take a second to import, and the command's help needs their names alone
    from blsh_trainer.experiments.report_files import Report
    from blsh_trainer.experiments.settings import Settings


@dataclass(frozen=True)
class Experiment:
    """An experiment: its name, which is that of its function, the module that has it, and the options it heeds.

    options: fields of Settings that other experiments ignore. packages: what it needs of EXTRAS.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise BlshError where a package that the experiment needs is not installed."""
        for package in self.packages:
            require(package)

    def __call__(self, settings: "Settings") -> "Report":
        """Compute the results that the work folder lacks, and return the report."""
        module = import_module(f"{__package__}.{self.module}")
        report: Report = getattr(module, self.name)(settings)
        return report


_SCORED = ("seeds", "mixtures")
_PESQ = ("pesq",)
EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("table1", "tables", (*_SCORED, "baselines", "baseline_seconds"), _PESQ),
        Experiment("table2", "tables", _SCORED, _PESQ),
        Experiment("table3", "tables", (*_SCORED, "voicebank"), _PESQ),
        Experiment("fig2", "similarities"),
        Experiment("fig3", "code_lengths", _SCORED),
        Experiment("fig4", "code_lengths", _SCORED),
        Experiment("fig5", "similarities"),
        Experiment("fig6", "similarities"),
        Experiment("bars", "bars", (*_SCORED, "model")),
        Experiment("frontier", "frontier", _SCORED),
        Experiment("dense", "dense", ("mixtures", "model"), ("jax", *_PESQ)),
    )
}


def find_experiment(name: str) -> Experiment:
    """Return the experiment called `name`. BlshError for an unknown one."""
    if name not in EXPERIMENTS:
        raise BlshError(f"experiment {name!r} {unknown(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]

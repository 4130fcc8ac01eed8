# SPDX-License-Identifier: Apache-2.0
"""The command `blsh`. Results go to stdout, progress and remarks to stderr; bad input ends with exit code 2."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated

import typer

from blsh_tools.commands.bars_firmware import bars_firmware
from blsh_tools.commands.bars_geometry import bars_geometry
from blsh_tools.commands.bars_quality import bars_quality
from blsh_tools.commands.bench import bench
from blsh_tools.commands.bench_box import bench_box
from blsh_tools.commands.bench_firmware import bench_firmware
from blsh_tools.commands.bench_history import bench_history
from blsh_tools.commands.bench_link import bench_link
from blsh_tools.commands.boards import boards
from blsh_tools.commands.build import build
from blsh_tools.commands.card import card
from blsh_tools.commands.corpus import corpus_app
from blsh_tools.commands.demo import demo
from blsh_tools.commands.denoise import denoise
from blsh_tools.commands.docs import docs
from blsh_tools.commands.doctor import doctor
from blsh_tools.commands.emulate import emulate
from blsh_tools.commands.estimate import estimate
from blsh_tools.commands.evaluate import evaluate
from blsh_tools.commands.experiment import experiment
from blsh_tools.commands.export import export
from blsh_tools.commands.flash import flash
from blsh_tools.commands.generate import generate
from blsh_tools.commands.hil import hil
from blsh_tools.commands.hil_report import hil_report
from blsh_tools.commands.init import init
from blsh_tools.commands.live import live
from blsh_tools.commands.models import models
from blsh_tools.commands.playground import playground
from blsh_tools.commands.push import push
from blsh_tools.commands.quality_plot import quality_plot
from blsh_tools.commands.report import report
from blsh_tools.commands.run import run
from blsh_tools.commands.train import train
from blsh_tools.commands.tune import tune
from blsh_tools.console import be_quiet, stderr
from blsh_tools.narration import be_verbose, tell_end
from blsh_tools.options.groups import with_groups
from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ended_in_order
from blsh_trainer.standard_streams import guarded_output


@dataclass(frozen=True)
class Verb:
    """A command: the function that runs it, and the arguments of the example in its help.

    hands_on: whether the command takes options that it does not know. names_surplus: whether it says itself what is
    wrong with an argument too many. Either finds them in its context.
    """

    run: Callable[..., None]
    example: str
    hands_on: bool = False
    names_surplus: bool = False

    @property
    def name(self) -> str:
        """The name as it is typed."""
        return self.run.__name__.replace("_", "-")


VERBS = {
    "Start here": (Verb(demo, "--latency 16ms"), Verb(doctor, "--json"), Verb(docs, "howto/own-recordings")),
    "Project": (
        Verb(init, "denoiser --corpus recordings/ --latency 16ms"),
        Verb(run, "--dry-run"),
        Verb(tune, "noisy.wav --attenuation 12"),
    ),
    "Train": (
        Verb(train, "recordings/ more/ -o out/model.npz"),
        Verb(card, "hearing --attribution"),
        Verb(evaluate, "out/model.npz recordings/ --snr 0 --engine fixed"),
        Verb(experiment, "fig3 recordings/ --seeds 5"),
    ),
    "Use": (
        Verb(models, "--json"),
        Verb(report, "intercom --board netduinoplus2 --corpus recordings/"),
        Verb(denoise, "noisy.wav clean.wav --model headset", names_surplus=True),
        Verb(live, "--port /dev/ttyACM0 --input noisy.wav --output clean.wav"),
        Verb(export, "hearing --to lib/blsh"),
        Verb(playground, "hearing phone -o out/playground/index.html"),
    ),
    "Board": (
        Verb(estimate, "recorder --board netduinoplus2"),
        Verb(generate, "out/model.npz --board microbit --flash 128K"),
        Verb(build, "--board mps2-an386"),
        Verb(flash, "--board nucleo_f446re --dry-run"),
        Verb(push, "out/other.npz --board nucleo_f446re"),
        Verb(boards, "--json"),
        Verb(emulate, "--board mps2-an386 --pty"),
    ),
    "Prove": (
        Verb(hil, "--board all --corpus recordings/ --minutes 10", hands_on=True),
        Verb(hil_report, "out/hil -o report.html"),
    ),
    "Measure": (
        Verb(bench, "--json"),
        Verb(bench_history, "out/bench.jsonl --limit 2 --plot out/bench.svg"),
        Verb(bench_firmware, "--corpus recordings/ --model out/demo/model.npz"),
        Verb(bars_firmware, "--corpus recordings/"),
        Verb(bars_geometry, "recordings/ --models out/geometry"),
        Verb(bars_quality, "recordings/ --model out/model.npz --small out/small.npz"),
        Verb(quality_plot, "out/64-bits.json out/128-bits.json -o out"),
        Verb(bench_box, "recordings/ --model intercom -o out/scores.json"),
        Verb(bench_link, "--board microbit --seconds 4"),
    ),
}
"""Every command, by its panel in `blsh --help`. `corpus` has commands of its own and is added beside them."""


def _show_version(wanted: bool) -> None:
    """Print the package's version and end, if it is `wanted`."""
    if wanted:
        print(f"blsh-mcu {version('blsh-mcu')}")
        raise typer.Exit


app = typer.Typer(
    name="blsh",
    epilog="The first sound: run `blsh demo`, then listen to out/demo/noisy.wav and out/demo/device.wav.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for _panel, _verbs in VERBS.items():
    for _verb in _verbs:
        app.command(
            _verb.name,
            epilog=f"Example: `blsh {_verb.name} {_verb.example}`",
            rich_help_panel=_panel,
            context_settings={
                "allow_extra_args": _verb.hands_on or _verb.names_surplus,
                "ignore_unknown_options": _verb.hands_on,
            },
        )(with_groups(_verb.run))
app.add_typer(corpus_app, name="corpus", rich_help_panel="Train")


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No remarks and no progress on stderr.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell on stderr what is run, read and written, and when.")
    ] = False,
) -> None:
    """Speech denoising by look-up on ARM Cortex-M: train, generate, build, flash, prove."""
    if quiet and verbose:
        raise BlshError("--quiet and --verbose exclude each other; give one, or none")
    if quiet:
        be_quiet()
    if verbose:
        be_verbose()


def main() -> None:
    """Run the command line: bad input becomes one message and exit code 2, a signal that ends it 128 + its number."""
    with ended_in_order():
        try:
            with guarded_output():
                app()
        except SystemExit as end:
            tell_end(end.code if isinstance(end.code, int) else 0)
            raise
        except (BlshError, OSError) as error:
            stderr.print(f"error: {error}", markup=False, style="red" if stderr.is_terminal else None)
            tell_end(2)
            sys.exit(2)


if __name__ == "__main__":
    main()

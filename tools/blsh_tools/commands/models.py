# SPDX-License-Identifier: Apache-2.0
"""`blsh models`: the trained models that come with the package."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_tools.bench.box_costs import ModelCosts
    from blsh_trainer.model.artifact import AnyModel

_TOLD = (0.0, "si_sdr_db")
_COLUMNS = ("name", "latency", "rate", "flash", "RAM", "instructions", "SI-SDR")


def models(
    renew: Annotated[
        bool,
        typer.Option("--renew", help="Estimate flash, RAM and instructions anew, and keep them beside the models."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the models in the box: every command takes such a name where it takes a model artifact.

    Flash, RAM and instructions are estimates for the firmware of a Cortex-M4; `blsh estimate NAME` tells more. SI-SDR
    is the gain over mixtures of the split `test` at 0 dB. `blsh card NAME` shows what a model was learned from, the
    licences, and the command that trained it.
    """
    from blsh_tools.bench.box_costs import BOX_COSTS, box_costs, renew_box_costs
    from blsh_tools.options.outputs import check_output
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.boxed_models import boxed_models

    files = boxed_models()
    if renew:
        check_output(BOX_COSTS)
    with progress() as advance:
        costs = (renew_box_costs if renew else box_costs)(files, BOX_COSTS, advance)
    if renew:
        say(f"written: {BOX_COSTS}")
    result = {name: _result(load_model(file), costs[name]) for name, file in files.items()}
    show(
        {"default": str(DEFAULT_MODEL), "board": DEFAULT_BOARD, "models": result},
        as_json,
        [_row(name, figures) for name, figures in result.items()],
        f"Models in the box; without a name commands take {DEFAULT_MODEL}",
        _COLUMNS,
    )


def _result(model: "AnyModel", costs: "ModelCosts") -> dict[str, Any]:
    from blsh_trainer.evaluation.score_sheet import boxed_scores

    scores = boxed_scores(model)
    return {
        "model_sha256": model.sha256,
        "geometry": list(model.geometry.numbers),
        "latency_ms": 1000 * model.geometry.latency_s,
        "rate_hz": model.geometry.rate_hz,
        **asdict(costs),
        "metrics": model.card.get("metrics", {}),
        "test_si_sdr_gain_db": None if scores is None else round(scores.gains[_TOLD].mean, 2),
    }


def _row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    gain = figures["test_si_sdr_gain_db"]
    return (
        name,
        f"{figures['latency_ms']:g} ms",
        f"{figures['rate_hz'] / 1000:g} kHz",
        f"{figures['flash_bytes'] / 1024:.0f} KiB",
        f"{figures['ram_bytes'] / 1024:.1f} KiB",
        f"{figures['millions_per_second']:.1f} M/s",
        "" if gain is None else f"{gain:+.1f} dB",
    )

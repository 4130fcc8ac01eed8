# SPDX-License-Identifier: Apache-2.0
"""`blsh models`: the trained models that come with the package."""

from typing import TYPE_CHECKING, Any

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_tools.bench.estimate_model import BoardEstimate

_TOLD = (0.0, "si_sdr_db")
_COLUMNS = ("name", "latency", "rate", "flash", "RAM", "instructions", "SI-SDR")


def models(as_json: AsJson = False) -> None:
    """List the models in the box: every command takes such a name where it takes a model artifact.

    Flash, RAM and instructions are estimates for the firmware of a Cortex-M4; `blsh estimate NAME` tells more. SI-SDR
    is the gain over mixtures of the split `test` at 0 dB. `blsh card NAME` shows what a model was learned from, the
    licences, and the command that trained it.
    """
    from blsh_tools.bench.estimate_model import estimate_model
    from blsh_tools.options.model import PlanOptions
    from blsh_trainer.model.boxed_models import boxed_models

    wanted = PlanOptions(board=DEFAULT_BOARD)
    files, found = boxed_models(), {}
    with progress() as advance:
        for done, (name, file) in enumerate(files.items()):
            advance("estimating", done, len(files))
            found[name] = estimate_model(file, wanted)
        advance("estimating", len(files), len(files))
    result = {name: _result(estimate) for name, estimate in found.items()}
    show(
        {"default": str(DEFAULT_MODEL), "board": DEFAULT_BOARD, "models": result},
        as_json,
        [_row(name, figures) for name, figures in result.items()],
        f"Models in the box; without a name commands take {DEFAULT_MODEL}",
        _COLUMNS,
    )


def _result(estimate: "BoardEstimate") -> dict[str, Any]:
    from blsh_trainer.evaluation.score_sheet import boxed_scores

    model, needs = estimate.model, estimate.plan.estimate
    scores = boxed_scores(model)
    return {
        "model_sha256": model.sha256,
        "geometry": list(model.geometry.numbers),
        "latency_ms": 1000 * model.geometry.latency_s,
        "rate_hz": model.geometry.rate_hz,
        "flash_bytes": needs.flash_bytes,
        "ram_bytes": needs.ram_bytes,
        "millions_per_second": round(needs.millions_per_second, 2),
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

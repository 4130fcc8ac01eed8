# SPDX-License-Identifier: Apache-2.0
"""Make up rows of bench-firmware.json."""

from typing import Any

from blsh_codegen.spec.stages import STAGES


def row(board: str, hop: int, fft: int, per_entry: float) -> dict[str, Any]:
    stages = {name: {"mean": hop // 10, "maximum": hop // 10} for name in STAGES}
    return {
        "board": board,
        "case": "budget",
        "entries": 4096,
        "hop": 256,
        "instructions": {
            "hops": 10,
            "mean": hop,
            "maximum": hop + 1000,
            "millions_per_second": hop * 62.5e-6,
            "stages": stages | {"neighbours": {"mean": hop // 2, "maximum": hop}},
            "transforms": {name: {"mean": fft, "maximum": fft} for name in ("forward", "inverse")},
            "search_per_entry": per_entry,
        },
        "flash": {"code": 16_000, "tables": 300_000, "core_code": 9_000},
        "ram": {
            "state": 10_400,
            "application": 2_948,
            "stack_computed": 1_400,
            "stack_painted": 1_300,
            "stack_of_a_hop": 1_000,
        },
        "estimate": {
            "flash_bytes": 316_500,
            "ram_bytes": 13_348,
            "instructions": {"mean": hop * 1.04},
            "measured_mean": hop,
        },
    }

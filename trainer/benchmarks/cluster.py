# SPDX-License-Identifier: Apache-2.0
"""Learn on a Dask cluster of two local workers: compare the model, and count the bytes on the wire for each bit.

python trainer/benchmarks/cluster.py --frames 10000 --output docs/results/bench-cluster
"Arguments" and "results" are the pickled bytes that the learner sends and receives. "Loopback" is everything that
passed the machine's loopback interface meanwhile, in either direction, with Dask's own messages.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from frames_for_benchmarks import Features, publish, surroundings, synthetic_features, table

from blsh_trainer.compute.block_pool import LocalPool, Pool
from blsh_trainer.learning.boosted import BLSH, WEIGHTINGS, BoostOptions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, action="append", help="repeat it for more [default: 10000, 100000]")
    parser.add_argument("--bits", type=int, default=6)
    parser.add_argument("--output", type=Path, help="write NAME.json and NAME.md")
    asked = parser.parse_args()
    try:
        from distributed import LocalCluster
    except ImportError:
        print("error: Dask is missing; pip install '.[distributed]'", file=sys.stderr)
        return 2
    runs = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        for frames in asked.frames or [10_000, 100_000]:
            H = synthetic_features(np.empty((frames, 128), dtype=np.float32), 0)
            runs += [_compare(H, weighting, asked.bits, cluster.scheduler_address) for weighting in WEIGHTINGS]
    report = {"bits": asked.bits, "width": 128, "runs": runs, **surroundings(2, ("dask", "distributed"))}
    publish(report, _text(report), asked.output)
    return 0 if all(run["same_model"] for run in runs) else 1


def _compare(H: Features, weighting: str, bits: int, address: str) -> dict[str, Any]:
    from blsh_trainer.compute.dask_pool import DaskPool

    begun = time.perf_counter()
    here = _fit(H, weighting, bits, LocalPool(2), [])
    local_seconds = time.perf_counter() - begun
    with DaskPool(address) as pool:
        marks: list[tuple[float, int, int, int]] = []
        there = _fit(H, weighting, bits, pool, marks)
    steps = np.diff(np.array(marks, dtype=np.float64), axis=0).mean(axis=0)
    return {
        "frames": len(H),
        "weighting": weighting,
        "same_model": bool(np.array_equal(here, there)),
        "feature_bytes": H.nbytes,
        "local_seconds_a_bit": local_seconds / bits,
        "cluster_seconds_a_bit": steps[0],
        "argument_bytes_a_bit": steps[1],
        "result_bytes_a_bit": steps[2],
        "loopback_bytes_a_bit": steps[3],
    }


def _fit(H: Features, weighting: str, bits: int, pool: Pool, marks: list[tuple[float, int, int, int]]) -> Any:
    def mark(*_: object) -> None:
        if hasattr(pool, "sent_bytes"):
            marks.append((time.perf_counter(), pool.sent_bytes, pool.received_bytes, _loopback()))

    learner = BLSH(bits, np.random.default_rng(0), BoostOptions(weighting), pool).fit(H, mark)
    return np.column_stack([learner.projections_, learner.biases_, learner.betas_])


def _loopback() -> int:
    """Return the bytes that the loopback interface has carried."""
    import psutil

    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def _text(report: dict[str, Any]) -> str:
    rows = [
        [
            f"{run['frames']:,}",
            run["weighting"],
            "yes" if run["same_model"] else "NO",
            f"{run['local_seconds_a_bit']:.2f}",
            f"{run['cluster_seconds_a_bit']:.2f}",
            *(f"{run[f'{what}_bytes_a_bit'] / 1e6:.2f}" for what in ("argument", "result", "loopback")),
            f"{run['feature_bytes'] / 1e6:.0f}",
        ]
        for run in report["runs"]
    ]
    header = ["frames", "weighting", "same bits", "here, s/bit", "cluster, s/bit"]
    header += ["arguments, MB/bit", "results, MB/bit", "loopback, MB/bit", "features, MB"]
    return "\n".join(
        [
            f"# Two workers against one process, {report['bits']} bits of {report['width']} features",
            "",
            table(header, rows),
            "",
            "The features cross once, before the first bit, and never if they are a memory-mapped file. Arguments and",
            "results are pickled sizes; loopback is everything that passed the interface, Dask's messages included.",
            f"{report['cpu']}, {report['cores']} cores, both workers here.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Compare the Hamming search with faiss's IndexBinaryFlat: the same codes, the same threads, in one run.

`make bench-search`, or: python trainer/benchmarks/search.py --entries 250000 --json
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from frames_for_benchmarks import cpu_name

from blsh_trainer.arrays import BoolArray, IntArray
from blsh_trainer.compute.hamming_index import HammingIndex

Search = Callable[[], tuple[IntArray, IntArray]]


def main() -> int:
    asked = _arguments()
    try:
        import faiss
    except ImportError:
        print("error: faiss is missing; pip install '.[benchmarks]'", file=sys.stderr)
        return 2
    rng = np.random.default_rng(asked.seed)
    dictionary = rng.random((asked.entries, asked.bits)) < 0.5
    queries = rng.random((asked.queries, asked.bits)) < 0.5
    ours = HammingIndex(dictionary)
    theirs = faiss.IndexBinaryFlat(8 * -(-asked.bits // 8))
    theirs.add(np.packbits(dictionary, axis=1, bitorder="little"))
    rows = []
    for threads in asked.threads:
        # faiss selects neighbours by counting distances or in a heap; the faster of the two is compared.
        contenders: dict[str, Search] = {
            "ours": partial(ours.search, queries, asked.neighbours, threads),
            "faiss, counting": partial(_faiss, theirs, queries, asked.neighbours, heap=False),
            "faiss, heap": partial(_faiss, theirs, queries, asked.neighbours, heap=True),
        }
        faiss.omp_set_num_threads(threads)
        rows.append({"threads": threads, **_compare(contenders, asked.rounds)})
    report = {
        "entries": asked.entries,
        "bits": asked.bits,
        "queries": asked.queries,
        "neighbours": asked.neighbours,
        "rounds": asked.rounds,
        "seed": asked.seed,
        "packed_dictionary_bytes": asked.entries * 8 * -(-asked.bits // 64),
        "same_distances_as_faiss": _same_distances(ours, theirs, queries, asked.neighbours),
        "follows_the_tie_rule": _follows_tie_rule(ours, dictionary, queries[:20], asked.neighbours),
        "cpu": cpu_name(),
        "versions": {name: metadata.version(name) for name in ("faiss-cpu", "numba", "numpy")},
        "runs": rows,
    }
    if asked.output is not None:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        asked.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2) if asked.json else _table(report))
    return 0 if report["same_distances_as_faiss"] and report["follows_the_tie_rule"] else 1


def _compare(contenders: dict[str, Search], rounds: int) -> dict[str, Any]:
    """Time all searches in turn, round after round, so that other load on the machine hits them alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    peaks = dict.fromkeys(contenders, 0)
    for search in contenders.values():
        search()  # compiles the loops, and touches the memory for the first time
    for _ in range(rounds):
        for name, search in contenders.items():
            before = _reset_peak()
            start = time.perf_counter()
            search()
            times[name].append(time.perf_counter() - start)
            peaks[name] = max(peaks[name], _status("VmHWM") - before)
    systems = {
        name: {"best_s": min(taken), "median_s": statistics.median(taken), "peak_growth_bytes": peaks[name]}
        for name, taken in times.items()
    }
    rivals = [figures for name, figures in systems.items() if name != "ours"]
    ratio = {
        f"faiss_over_ours_{kind}": min(rival[f"{kind}_s"] for rival in rivals) / systems["ours"][f"{kind}_s"]
        for kind in ("best", "median")
    }
    return {"systems": systems, **ratio}


def _faiss(index: Any, queries: BoolArray, k: int, heap: bool) -> tuple[IntArray, IntArray]:
    index.use_heap = heap
    distances, indices = index.search(np.packbits(queries, axis=1, bitorder="little"), k)
    return indices, distances


def _same_distances(ours: HammingIndex, theirs: Any, queries: BoolArray, k: int) -> bool:
    """Return whether the distances are equal; of equally near entries faiss may return any."""
    return bool(np.array_equal(ours.search(queries, k)[1], np.sort(_faiss(theirs, queries, k, heap=True)[1], axis=1)))


def _follows_tie_rule(ours: HammingIndex, dictionary: BoolArray, queries: BoolArray, k: int) -> bool:
    full = np.stack([np.argsort((dictionary != query).sum(axis=1), kind="stable")[:k] for query in queries])
    return bool(np.array_equal(ours.search(queries, k)[0], full))


def _reset_peak() -> int:
    """Let the peak of resident memory start anew, and return the bytes that are resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{report['entries']} codes x {report['bits']} bits, {report['queries']} queries, K = {report['neighbours']}; "
        f"best and median of {report['rounds']} rounds",
        f"{'threads':>7}  {'search':<16} {'best ms':>9} {'median ms':>10} {'memory MB':>10}",
    ]
    for run in report["runs"]:
        for name, figures in run["systems"].items():
            lines.append(
                f"{run['threads']:>7}  {name:<16} {1e3 * figures['best_s']:>9.1f} {1e3 * figures['median_s']:>10.1f} "
                f"{figures['peak_growth_bytes'] / 1e6:>10.2f}"
            )
        best, median = run["faiss_over_ours_best"], run["faiss_over_ours_median"]
        lines.append(
            f"{run['threads']:>7}  faiss's faster takes {best:.1f} times as long (best), {median:.1f} (median)"
        )
    lines.append(f"distances as faiss's: {report['same_distances_as_faiss']}")
    lines.append(f"indices by (distance, index): {report['follows_the_tie_rule']}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare the Hamming search with faiss's IndexBinaryFlat.",
        epilog="example: python trainer/benchmarks/search.py --entries 250000 --threads 1 2 --json",
    )
    parser.add_argument("--entries", type=int, default=250_000, help="codes in the dictionary")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--bits", type=int, default=64, help="bits of a code; faiss takes whole bytes")
    parser.add_argument("--neighbours", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, help="write the JSON into this file, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

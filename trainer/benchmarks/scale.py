# SPDX-License-Identifier: Apache-2.0
"""Train at the paper's scale, 2.4 million frames and 50 bits: measure a part and extrapolate.

`make bench-scale`, or: python trainer/benchmarks/scale.py --frames 2400000 --threads 2
A few bits are learned at the beginning of the code and, after random bits, a few at its end. The cost of a bit is taken
to grow linearly between. Each weighting runs in its own process, so that its peak memory is its own.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from frames_for_benchmarks import publish, surroundings, synthetic_features, table

from blsh_trainer.compute.block_pool import LocalPool, usable_threads
from blsh_trainer.learning.boosted import BLSH, WEIGHTINGS, BoostOptions

MOST_SECONDS, MOST_BYTES = 2 * 3600, 8 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2_400_000)
    parser.add_argument("--width", type=int, default=128, help="features of a frame, D")
    parser.add_argument("--bits", type=int, default=50)
    parser.add_argument("--measured", type=int, default=2, help="bits measured at either end of the code")
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--weighting", action="append", help="residual or adaboost [default: both]")
    parser.add_argument("--folder", type=Path, help="where the feature file goes for the time [default: a temporary]")
    parser.add_argument("--output", type=Path, help="write NAME.json and NAME.md")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="blsh-scale-", dir=asked.folder))
    try:
        file = folder / "features.npy"
        shape = (asked.frames, asked.width)
        synthetic_features(np.lib.format.open_memmap(file, "w+", np.float32, shape), seed=0)
        runs = []
        for weighting in asked.weighting or WEIGHTINGS:
            with multiprocessing.get_context("spawn").Pool(1) as process:
                runs.append(process.apply(_measure, (file, weighting, asked.bits, asked.measured, asked.threads)))
        report = {
            "frames": asked.frames,
            "width": asked.width,
            "bits": asked.bits,
            "feature_file_bytes": file.stat().st_size,
            "runs": runs,
            **surroundings(asked.threads),
        }
    finally:
        shutil.rmtree(folder)
    publish(report, _text(report), asked.output)


def _measure(file: Path, weighting: str, bits: int, measured: int, threads: int) -> dict[str, Any]:
    """Time the first and the last bits of a fit, and the work before the first bit."""
    H = np.load(file, mmap_mode="r")
    checkpoint = file.with_name(f"{weighting}.npz")
    first = _times(H, weighting, measured, threads, checkpoint)
    with np.load(checkpoint) as archive:
        parts = dict(archive)
    before = bits - measured
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((before, H.shape[1] + 1))
    vectors[:, -1] = -vectors[:, :-1] @ H[:4096].mean(axis=0)
    with checkpoint.open("wb") as stream:  # the same fit, begun from random bits
        betas = np.ones(before) if weighting == "residual" else np.linspace(1.2, 0.6, before)
        np.savez(stream, identity=parts["identity"], weights=vectors, betas=betas)
    last = _times(H, weighting, bits, threads, checkpoint)
    setup = last[1] - last[0]  # a resumed fit only takes over its first bit, which costs next to nothing
    early = (first[-1] - first[0] - setup) / measured
    late = (last[-1] - last[before]) / measured
    return {
        "weighting": weighting,
        "seconds_before_the_first_bit": setup,
        "seconds_a_bit_first": early,
        "seconds_a_bit_last": late,
        "seconds_to_resume": last[before] - last[0],
        "extrapolated_seconds": setup + bits * (early + late) / 2,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bits_measured": 2 * measured,
    }


def _times(H: np.memmap[Any, Any], weighting: str, bits: int, threads: int, checkpoint: Path) -> list[float]:
    """Return the times, in seconds, before the fit and after each bit."""
    times = [time.perf_counter()]
    learner = BLSH(bits, np.random.default_rng(0), BoostOptions(weighting), LocalPool(threads))
    learner.fit(H, lambda *_: times.append(time.perf_counter()), checkpoint)
    return times


def _text(report: dict[str, Any]) -> str:
    rows = [
        [
            run["weighting"],
            f"{run['seconds_before_the_first_bit']:.1f}",
            f"{run['seconds_a_bit_first']:.1f}",
            f"{run['seconds_a_bit_last']:.1f}",
            f"{run['extrapolated_seconds'] / 60:.1f}",
            f"{run['peak_bytes'] / (1 << 30):.2f}",
            "met" if run["extrapolated_seconds"] <= MOST_SECONDS and run["peak_bytes"] <= MOST_BYTES else "MISSED",
        ]
        for run in report["runs"]
    ]
    header = ["weighting", "set-up, s", "s/bit, first", "s/bit, last", "all bits, min", "peak GiB", "2 h and 8 GiB"]
    measured = report["runs"][0]["bits_measured"]
    return "\n".join(
        [
            f"# Training on {report['frames']:,} frames of {report['width']} features, {report['bits']} bits",
            "",
            table(header, rows),
            "",
            f"{measured} bits of each were measured, half of them at the beginning and half after random bits at the",
            "end; the time for all bits is EXTRAPOLATED from these, a bit's cost growing linearly between. The",
            f"features are synthetic, a memory-mapped float32 file of {report['feature_file_bytes'] / 1e9:.2f} GB: its",
            "pages count in the peak, which is the process's largest resident set.",
            f"{report['threads']} threads on {report['cpu']}, {report['cores']} cores.",
        ]
    )


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Sound between two DMA buffers and a hop: examples/audio/audio_stream.c with simulated interrupts at every branch."""

import ctypes
import math
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.project import project_root

pytestmark = [pytest.mark.heavy, pytest.mark.needs("gcc"), pytest.mark.xdist_group("audio stream")]

SOURCES = project_root() / "examples" / "audio"
HARNESS = Path(__file__).with_name("audio_harness.c")
NEAR_THE_WRAP = 0xFFFFF000  # of the indices: 4096 before they start again at 0
HOPS = (64, 128, 256)
BLOCKS = (48, 96, 160, 256, 480)
SHAPES = [(block, hop) for block in BLOCKS for hop in HOPS] + [(1, 1), (7, 16), (100, 64), (512, 64), (441, 256)]
WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion")


class Plan(ctypes.Structure):
    """plan_t of the harness."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("block", "hop", "work", "seed", "phase", "blocks", "shortest", "creep")),
        *((name, ctypes.c_uint32) for name in ("chaos", "stall_percent", "stall")),
        ("less_lag", ctypes.c_int32),
    )


class Counts(ctypes.Structure):
    """audio_counts_t."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("hops", "lost", "skipped", "underruns", "silent"))

    @property
    def trouble(self) -> tuple[int, int, int, int]:
        return self.lost, self.skipped, self.underruns, self.silent


class Result(ctypes.Structure):
    """result_t of the harness."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("lag", "first", "end_heard", "end_taken", "hops", "plays")),
        *((name, ctypes.c_uint32) for name in ("least_latency", "most_latency", "bad_input", "useless")),
        ("counts", Counts),
        ("counts_at_half", Counts),
    )


@dataclass(frozen=True)
class Run:
    """What a run played. Positions count from the start."""

    plan: Plan
    result: Result
    played: np.ndarray  # [plays * block]
    missing: np.ndarray  # [plays * block]: whether a sample was an underrun's
    lost: np.ndarray  # positions of lost blocks
    hops: np.ndarray  # positions of hops


Runner = Callable[..., Run | None]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Return a function that runs a plan; it returns None where the shape does not fit."""
    folder = tmp_path_factory.mktemp("audio")
    sources = [str(SOURCES / "audio_stream.c"), str(HARNESS)]
    flags = [*WARNINGS, "-O1", "-fPIC", f"-I{SOURCES}", "-c"]
    for source, extra in zip(sources, (["-fsanitize-coverage=trace-pc", f"-DAUDIO_FIRST={NEAR_THE_WRAP}u"], []),
                             strict=True):  # fmt: skip
        done = subprocess.run(["gcc", *flags, *extra, source], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    subprocess.run(["gcc", "-shared", "-o", "audio.so", "audio_stream.o", "audio_harness.o"], cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "audio.so"))
    library.harness_run.restype = ctypes.c_bool

    def run(**fields: int) -> Run | None:
        plan = Plan(**fields)
        played = np.zeros(plan.blocks * plan.block, np.int16)
        silent, lost = np.zeros(plan.blocks, np.uint32), np.zeros(100 * plan.blocks + 1000, np.uint32)
        hops, result = np.zeros(100 * plan.blocks * (plan.block // max(plan.hop, 1) + 1) + 1000, np.uint32), Result()
        arrays = [array.ctypes.data_as(ctypes.c_void_p) for array in (played, silent, lost, hops)]
        if not library.harness_run(ctypes.byref(plan), ctypes.byref(result), *arrays):
            return None
        place = np.arange(plan.block)
        missing = (place[None, :] >= plan.block - silent[:, None].astype(int)).ravel()
        from_start = [array[:count] - np.uint32(result.first) for array, count in
                      ((lost, result.counts.lost), (hops, result.hops))]  # fmt: skip
        return Run(plan, result, played, missing, *from_start)

    return run


def sample_at(position: np.ndarray) -> np.ndarray:
    """Return sample_at() of the harness, for positions from the start."""
    hashed = (position.astype(np.uint32) + np.uint32(NEAR_THE_WRAP)) * np.uint32(2654435761)
    return (1 + (hashed ^ hashed >> np.uint32(15)) % np.uint32(30000)).astype(np.int16)


def check(run: Run) -> None:
    """Check every sample that was played, and that the counts add up to the samples that came."""
    plan, result, counts = run.plan, run.result, run.result.counts
    assert result.bad_input == 0, "a hop is not the input at its position"
    position = np.arange(len(run.played)) - result.lag
    worked = np.zeros(len(run.played) + result.lag + plan.hop, bool)
    for start in run.hops:
        worked[start : start + plan.hop] = True
    expected = np.where((position >= 0) & worked[np.maximum(position, 0)], -sample_at(position), 0)
    assert np.array_equal(run.played, np.where(run.missing, 0, expected)), "the output is not where it belongs"
    assert counts.silent == run.missing.sum()
    assert counts.underruns == run.missing.reshape(-1, plan.block).any(axis=1).sum()
    assert counts.hops == len(run.hops) and (np.diff(run.hops.astype(int)) >= plan.hop).all()
    taken = (result.end_taken - result.first) % 2**32
    lost = sum(int(block) < taken for block in run.lost) * plan.block
    assert taken == counts.hops * plan.hop + counts.skipped + lost, "a sample is not accounted for"


def exactly(run: Run | None) -> Run:
    assert run is not None, "the shape does not fit"
    check(run)
    return run


def test_the_lag_is_what_the_worst_case_asks() -> None:
    """Find the least lag by trying each: the model knows only when a hop is whole and when a block is filled."""
    for block, hop in ((48, 64), (96, 256), (256, 256), (480, 64), (7, 16)):
        work, hops = hop, 3 * block
        done = np.zeros(hops, int)
        for i in range(hops):
            whole = -(-(i + 1) * hop // block) * block
            done[i] = max(whole, done[i - 1] if i else 0) + work
        lag = next(
            lag
            for lag in range(4 * (block + hop))
            if all((lag + i * hop) // block * block + block >= done[i] for i in range(hops))
        )
        assert least_lag(block, hop, work) == lag


def test_the_page_has_the_latencies() -> None:
    page = (project_root() / "docs" / "audio.md").read_text(encoding="utf-8")
    rows = [list(map(int, row)) for row in re.findall(r"^\| (\d+)" + 6 * r" \| (\d+)" + r" \|$", page, re.MULTILINE)]
    assert len(rows) == 9
    for block, *told in rows:
        assert told == [least_lag(block, hop, hop // part) + 2 * block for hop in HOPS for part in (1, 2)]


def least_lag(block: int, hop: int, work: int) -> int:
    """Return what audio_least_lag() does, played through in the same way."""
    done = lag = 0
    for i in range(2 * block // math.gcd(block, hop)):
        done = max(done, -(-(i + 1) * hop // block) * block) + work
        lag = max(lag, -(-done // block) * block - block - i * hop)
    return lag


@pytest.mark.parametrize(("block", "hop"), SHAPES)
def test_in_time_the_output_is_the_delayed_hop_function(
    block: int, hop: int, runner: Runner, rng: np.random.Generator
) -> None:
    """No sample is missing, and the latency that the file reports is the true one, at any phase of the two DMAs."""
    works = [hop] if hop < 64 else [hop, max(hop // 2, 40), max(hop // 5, 40)]
    for work in works:
        creep = 2 if work >= 40 else 0
        phase = int(rng.integers(0, block))
        run = exactly(
            runner(block=block, hop=hop, work=work, seed=int(rng.integers(2**30)), phase=phase, creep=creep,
                   blocks=20 + 20 * hop // block, shortest=int(rng.integers(0, 101)))
        )  # fmt: skip
        assert run.result.counts.trouble == (0, 0, 0, 0), (work, phase)
        assert run.result.lag == least_lag(block, hop, work)
        assert run.result.least_latency == run.result.most_latency == run.result.lag + 2 * block + phase
        assert np.count_nonzero(run.played) == len(run.played) - run.result.lag


@pytest.mark.parametrize(("block", "hop"), SHAPES)
def test_with_less_lag_a_block_would_be_late(block: int, hop: int, runner: Runner) -> None:
    """The lag is the least: a sample less, and hops that take as long as they may come too late."""
    repeats = 2 * hop // math.gcd(block, hop)
    fields = {"block": block, "hop": hop, "work": hop, "seed": 1, "blocks": repeats + 40, "shortest": 100}
    assert exactly(runner(**fields)).result.counts.trouble == (0, 0, 0, 0)
    assert exactly(runner(**fields, less_lag=1)).result.counts.underruns > 0


@pytest.mark.parametrize(("block", "hop"), SHAPES)
def test_after_a_stall_the_sound_is_back_at_the_same_latency(
    block: int, hop: int, runner: Runner, rng: np.random.Generator
) -> None:
    """Hops that take far too long cost silence and input; afterwards all is as before."""
    stall = 4 * hop // block + 12
    run = exactly(
        runner(block=block, hop=hop, work=hop, seed=int(rng.integers(2**30)), phase=int(rng.integers(0, block)),
               blocks=2 * (stall + 40) + 60 * hop // block, stall_percent=40, stall=stall, shortest=10)
    )  # fmt: skip
    lost, _, underruns, _ = run.result.counts.trouble
    assert lost > 0 and underruns > 0
    assert run.result.counts.trouble == run.result.counts_at_half.trouble, "it has not recovered"
    assert run.result.least_latency == run.result.most_latency, "the latency moved"
    assert run.result.useless == 0, "a hop was worked on whose output was all too late"
    tail = run.played[-20 * block :]
    assert np.count_nonzero(tail) == len(tail)


@pytest.mark.parametrize(("block", "hop"), SHAPES)
def test_interrupts_in_any_order_break_nothing(block: int, hop: int, runner: Runner, rng: np.random.Generator) -> None:
    """Interrupts come at any branch, in each other, and without a common clock: each sample is right or silent."""
    seen = np.zeros(4, int)
    for chaos in (1, 10, 40):
        run = runner(block=block, hop=hop, work=hop, seed=int(rng.integers(2**30)), blocks=300, chaos=chaos,
                     stall_percent=20)  # fmt: skip
        seen += exactly(run).result.counts.trouble
    assert seen[2] > 0


def test_a_shape_that_does_not_fit_is_refused(runner: Runner) -> None:
    for block, hop, work in ((0, 64, 0), (64, 0, 0), (1, 256, 0), (2049, 64, 0), (64, 2049, 0), (64, 64, 65)):
        assert runner(block=block, hop=hop, work=work, seed=1, blocks=1) is None


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m33"])
@pytest.mark.needs("arm-none-eabi-gcc")
def test_a_core_needs_no_library_for_the_indices(core: str, tmp_path: Path) -> None:
    """Loads and stores of 32 bits are indivisible on every Cortex-M; nothing calls libatomic."""
    source = str(SOURCES / "audio_stream.c")
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", "-mthumb", "-O2", *WARNINGS, "-c", source, "-o", "audio.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    symbols = subprocess.run(["arm-none-eabi-nm", "-u", tmp_path / "audio.o"], capture_output=True, text=True).stdout
    called = {line.split()[-1] for line in symbols.splitlines()}
    assert called - {"memcpy", "memset", "__aeabi_uidiv", "__aeabi_uidivmod"} == set()

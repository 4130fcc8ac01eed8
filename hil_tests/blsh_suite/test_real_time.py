# SPDX-License-Identifier: Apache-2.0
"""Prove real time by counting: the costliest hop that can be found must take less than a hop of audio."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.measure.cycles import Cycles, measure_mix
from blsh_firmware.measure.disassembly import functions_of
from blsh_firmware.measure.image_figures import CYCLES
from blsh_firmware.measure.profiling import build_plugin, passage_of, plugin_arguments, read_profile
from blsh_hil.boards.board import Board
from blsh_hil.boards.host import HOST
from blsh_hil.boards.table import find_board
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT
from blsh_hil.prove.real_time import TOO_SLOW, count_streams, judge
from blsh_hil.prove.worst_case import find_worst_case
from blsh_trainer.corpora.corpus import Corpus

from .conftest import Firmware
from .recordings import hard_signals, usual_clips

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]

Record = Callable[[str, object], None]
Samples = npt.NDArray[np.int16]

PLAYED = 2  # the number of the costliest signals that the board plays
ONE_MORE_INTERRUPT = 104  # bytes that one interrupt more takes: all registers that a core with floats pushes


@pytest.fixture(scope="module")
def board(firmware: Firmware) -> Board:
    """Return the board's row of boards.toml; skip the test where nothing counts."""
    if firmware.board == HOST:
        pytest.skip("the host has no clock of its own: instructions are counted on virtual boards, cycles on real ones")
    if not firmware.listed:
        pytest.skip("real time against the worst case: that needs the board's core and clock in boards.toml")
    found = find_board(firmware.board)
    if firmware.port is not None and found.qemu_machine is not None:
        pytest.skip("the emulator behind --port does not count instructions; leave --port out, and one is started")
    return found


@pytest.fixture(scope="module")
def usual(recordings_corpus: Corpus, firmware: Firmware) -> list[Samples]:
    """Return a recording of each SNR, for as many ticks as are counted."""
    return usual_clips(recordings_corpus, firmware.geometry)


def test_every_hop_is_done_in_time(
    firmware: Firmware,
    board: Board,
    usual: list[Samples],
    rng: np.random.Generator,
    test_seed: int,
    request: pytest.FixtureRequest,
    record_property: Record,
    tmp_path: Path,
) -> None:
    """Count recordings, hard signals, and the costliest signals that a search finds for this model and core."""
    hard = hard_signals(rng, firmware.geometry.window)
    worst = find_worst_case(firmware.model, load_costs().core(board.core), [*usual, *hard], rng)
    with counting(firmware, request) as client:
        of_usual, of_hard, of_worst = (
            count_streams(client, board, streams) for streams in (usual, hard, worst.signals[:PLAYED])
        )
        used = client.hello().stack_bytes_used
    verdict = judge(board, firmware.geometry, of_usual, [of_hard, of_worst])
    figures = verdict.to_dict()
    cycles = estimated_cycles(firmware, board, usual[0], tmp_path)
    if cycles is not None:
        share = verdict.most / cycles.instructions
        figures |= {"cycles_best": round(cycles.of.best * share), "cycles_worst": round(cycles.of.worst * share)}
    last_hops = of_worst.totals.reshape(PLAYED, -1)[:, -1]
    record_property("instructions", figures)
    record_property("histogram", verdict.all.histogram())
    record_property(
        "worst_case",
        {
            "measured": int(last_hops.max()),
            "estimated": round(float(worst.estimates[0])),
            "before_the_search": round(worst.before),
            "any_code_estimated": round(worst.any_code),
            "tried": worst.tried,
            "seed": test_seed,
        },
    )
    record_property("stack", {"used": used, "reserved": board.stack_bytes})

    assert of_usual.totals.min() > 10_000, "a hop that takes no time was not counted"
    if verdict.all.unit == "instructions":  # fails if the code has changed and costs.json has not
        np.testing.assert_allclose(last_hops, worst.estimates[:PLAYED], rtol=0.1)
    assert used + ONE_MORE_INTERRUPT <= board.stack_bytes
    if verdict.proof_share > 1:
        (pytest.skip if request.config.getoption("any_speed") else pytest.fail)(
            f"{TOO_SLOW}: the costliest hop takes {verdict.most:,} {verdict.all.unit}; in {1000 * verdict.hop_s:g} ms "
            f"at {verdict.proof_hz / 1e6:g} MHz {board.name} has {verdict.proof_hz * verdict.hop_s:,.0f}. It needs "
            f"{verdict.needed_mhz:.1f} MHz, a model of fewer entries or bits, or one of longer hops: blsh docs choosing"
        )


@contextmanager
def counting(firmware: Firmware, request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    """Yield a client of a board that counts: a new emulator, or the real board that the suite holds already."""
    if firmware.port is not None:
        yield request.getfixturevalue("client")
        return
    with firmware.connected(ICOUNT_SHIFT) as client:
        yield client


@dataclass(frozen=True)
class Profiled:
    """The cycles and the instructions of a profiled hop."""

    of: Cycles
    instructions: float


def estimated_cycles(firmware: Firmware, board: Board, samples: Samples, folder: Path) -> Profiled | None:
    """Return the estimate of docs/benchmarks.md for a hop of `samples`; None for a core without an estimate."""
    in_cycles = CYCLES.get(board.core)
    if in_cycles is None or firmware.elf is None:
        return None
    functions = functions_of(firmware.elf)
    output = folder / "hops.profile"
    arguments = plugin_arguments(build_plugin(folder), output, [passage_of(functions, "blsh_hop")], board.flash)
    with firmware.connected(None, ["-plugin", arguments]) as client:
        client.reset_stream()
        for hop in samples.reshape(-1, client.geometry.hop):
            client.hop(hop, masked=True)
    mix = measure_mix(read_profile(output, functions), functions)
    return Profiled(in_cycles(mix), mix.instructions)


def test_the_stack_is_as_deep_as_the_suite_needs_it(
    client: BoardClient, firmware: Firmware, rng: np.random.Generator, record_property: Record
) -> None:
    """Read the stack's mark after all that this run has sent, and after digests, dumps and every other request."""
    if firmware.board == HOST:
        pytest.skip("the host's stack is not painted")
    if not firmware.listed:
        pytest.skip("the depth of the stack: a board outside boards.toml does not tell it")
    for stage in range(len(STAGES)):
        client.reset_stream()
        for hop in edge_signal("white_noise", firmware.geometry.window, rng).reshape(-1, firmware.geometry.hop):
            client.hop(hop, digests=True, ticks=True, dump_stage=stage)
    client.count_loop(100)
    used, reserved = client.hello().stack_bytes_used, find_board(firmware.board).stack_bytes
    record_property("stack", {"used": used, "reserved": reserved})
    assert used > 0 and used + ONE_MORE_INTERRUPT <= reserved

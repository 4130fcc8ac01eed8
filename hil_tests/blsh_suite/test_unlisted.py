# SPDX-License-Identifier: Apache-2.0
"""Check what a board outside boards.toml says of itself: nothing but its own four functions tells how it counts."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from blsh_hil.link.client import BoardClient
from blsh_hil.prove.real_time import TOO_SLOW, RealTime, count_ticks
from blsh_hil.wire.messages import HelloReply
from blsh_hil.wire.protocol import COUNT_LOOP_MAX
from blsh_trainer.corpora.corpus import Corpus

from .conftest import Firmware
from .recordings import hard_signals, usual_clips

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]

LOOP_S = 0.05  # of the board's time: a counter of 24 bits at 240 MHz wraps after 70 ms
ROUNDS = 5
SLACK_S = 0.01


@pytest.fixture
def unlisted_board(client: BoardClient) -> HelloReply:
    """Return what the board says of itself."""
    return client.hello()


def test_the_counter_runs_at_the_rate_that_the_board_says(client: BoardClient, unlisted_board: HelloReply) -> None:
    """Let the board loop, and compare its counter with the clock of this machine: every figure depends on the rate.

    Both are read for the same run of the loop, so a machine that is busy delays it for both or for its own clock alone.
    """
    rate_hz = unlisted_board.tick_hz
    assert rate_hz > 0, "the board says counter_hz = 0"
    iterations, told = 1000, 0.0
    while told < LOOP_S and iterations < COUNT_LOOP_MAX:
        told = min(_loop_seconds(client, iterations, rate_hz)[0] for _ in range(2))
        growth = 1.1 * LOOP_S / told if told > 0 else 10.0
        iterations = min(COUNT_LOOP_MAX, int(iterations * min(10.0, max(1.1, growth))))
    assert told > 0, f"blsh_port_counter stands still: the same before and after a loop of {iterations:,} rounds"
    way = min(_loop_seconds(client, 1, rate_hz)[1] for _ in range(ROUNDS))
    runs = [_loop_seconds(client, iterations, rate_hz) for _ in range(ROUNDS)]
    slow = [(seen - way, told) for told, seen in runs if seen - way - told > SLACK_S + told / 4]
    fast = [(seen, told) for told, seen in runs if told - seen > SLACK_S + told / 4]
    wrong = fast or (slow if len(slow) == ROUNDS else [])
    assert not wrong, (
        f"a loop took {1000 * wrong[0][1]:.1f} ms by the board's counter and {1000 * wrong[0][0]:.1f} ms by this "
        f"machine's clock; is counter_hz = {rate_hz} the rate of blsh_port_counter, and does it keep 32 bits?"
    )


def _loop_seconds(client: BoardClient, iterations: int, rate_hz: int) -> tuple[float, float]:
    """Return how long a loop took by the board's counter, and by this machine's clock with the way there and back."""
    began = time.monotonic()
    ticks = client.count_loop(iterations).ticks
    return ticks / rate_hz, time.monotonic() - began


def test_cycles_of_every_stage(
    client: BoardClient,
    unlisted_board: HelloReply,
    firmware: Firmware,
    recordings_corpus: Corpus,
    rng: np.random.Generator,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    """Count recordings and hard signals by the board's own counter; the costliest hop must be done in its time."""
    usual = count_ticks(client, usual_clips(recordings_corpus, firmware.geometry))
    hard = count_ticks(client, hard_signals(rng, firmware.geometry.window))
    verdict = RealTime(usual, usual.joined(hard), usual.rate_hz, firmware.geometry.hop_s)
    figures = verdict.to_dict()
    record_property("instructions", {**figures, "core_hz": unlisted_board.core_hz, "counter_hz": usual.rate_hz})
    record_property("histogram", verdict.all.histogram())
    assert usual.totals.min() > 0, "a hop that takes no time was not counted: does blsh_port_counter count?"
    assert verdict.most < 1 << 31, f"a hop of {verdict.most:,} ticks: does blsh_port_counter count up, to 2^32?"
    if verdict.deadline_share > 1:
        (pytest.skip if request.config.getoption("any_speed") else pytest.fail)(
            f"{TOO_SLOW}: the costliest hop takes {verdict.most:,} {usual.unit} of {usual.rate_hz / 1e6:g} MHz, "
            f"{100 * verdict.deadline_share:.0f} % of its {1000 * verdict.hop_s:g} ms. The board needs a faster clock, "
            "or a model of fewer entries or bits, or one of longer hops"
        )


def test_reset_starts_the_board_again(
    client: BoardClient, unlisted_board: HelloReply, firmware: Firmware, rng: np.random.Generator
) -> None:
    client.reset()
    assert client.board.boot_nonce != unlisted_board.boot_nonce, "blsh_port_reset left the program as it was"
    samples = rng.integers(-5000, 5000, 4 * firmware.geometry.hop).astype(np.int16)
    client.reset_stream()
    assert np.array_equal(client.stream(samples), firmware.reference.hops(samples))

# SPDX-License-Identifier: Apache-2.0
"""Cycles from counted instructions: classes and costs, worked out by hand."""

from collections import Counter

import pytest

from blsh_firmware.measure.cycles import Cycles, m0_plus, m4, m7, measure_mix
from blsh_firmware.measure.disassembly import Function, parse_disassembly
from blsh_firmware.measure.profiling import Profile

LISTING = """
00000000 <hop>:
   0:\tb510      \tpush\t{r4, lr}
   2:\t6803      \tldr\tr3, [r0, #0]
   4:\t6842      \tldr\tr2, [r0, #4]
   6:\t4353      \tmuls\tr3, r2
   8:\t3901      \tsubs\tr1, #1
   a:\td1fa      \tbne.n\t2 <hop+0x2>
   c:\t6003      \tstr\tr3, [r0, #0]
   e:\tbd10      \tpop\t{r4, pc}
"""


def profile() -> tuple[Profile, dict[str, Function]]:
    """Return a profile of two passages of two rounds of the loop each."""
    once, twice = 2, 4
    executed = Counter({0x0: once, 0xC: once, 0xE: once} | dict.fromkeys((0x2, 0x4, 0x6, 0x8, 0xA), twice))
    return (
        Profile({0: [13, 13]}, executed, Counter({0xA: 2, 0xE: 2}), Counter({0x2: 4}), lines=6),
        parse_disassembly(LISTING),
    )


def test_classes_of_a_loop() -> None:
    mix = measure_mix(*profile())
    assert mix.hops == 2
    assert mix.instructions == 13
    assert mix.classes == {
        "adjacent": 2,  # the second load of each round
        "alu": 2,
        "conditional": 2,
        "load": 2,
        "load_use": 2,  # r2, needed by the multiplication
        "many": 2,
        "multiply": 2,
        "not taken": 1,
        "registers": 4,
        "returns": 1,
        "store": 1,
        "taken": 1,
    }
    assert (mix.code_bytes, mix.flash_reads, mix.flash_lines) == (26, 2, 3)


def test_costs_of_a_loop() -> None:
    mix = measure_mix(*profile())
    loads, stores, many = 4, 1, 2 + 4 + 2
    assert m0_plus(mix).best == 2 + 2 + 2 * (loads + stores) + many + 2 * 1 + 1
    assert m0_plus(mix).worst - m0_plus(mix).best == 26 / 4 + 2 + 2
    assert m4(mix).best == 2 + 2 + 2 * 2 + 2 + stores + many + 3 * 1 + 1
    assert m4(mix).worst - m4(mix).best == 5 * (26 / 16 + 2 + 2)
    assert m7(mix).best == pytest.approx(m4(mix).best * 3.42 / 5.01)
    assert m7(mix).worst == pytest.approx(2 + 2 + loads + stores + 2 + 4 / 2 + 1 + 1 + 2 + 0.45 * 2 + 20 * 3)


def test_the_clock_of_real_time() -> None:
    told = Cycles("Cortex-M4", 160_000, 320_000, "quick", "slow").to_dict(62.5)
    assert (told["best"]["mhz"], told["worst"]["mhz"]) == (10.0, 20.0)

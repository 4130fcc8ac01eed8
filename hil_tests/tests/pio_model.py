# SPDX-License-Identifier: Apache-2.0
"""A state machine of a Raspberry Pi PIO as its data sheet describes it (RP2040, 3.2, 3.4 and 3.5), a cycle at a time.

It knows what programs for I2S need and raises on anything else: JMP, IN and OUT of pins, SET, side-set, delays, wrap,
autopush and autopull. `I2sMicrophone` and `I2sDac` are what hangs at its pins, by the I2S specification of Philips.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WORD = 0xFFFFFFFF
FIFO_DEPTH = 4
JMP, IN, OUT, SET = 0, 2, 3, 7
ALWAYS, X_DOWN = 0, 2
TO_PINS, TO_X, TO_PINDIRS = 0, 1, 4


@dataclass
class Settings:
    """What EXECCTRL, SHIFTCTRL and PINCTRL of a state machine say."""

    execctrl: int
    shiftctrl: int
    pinctrl: int

    def __post_init__(self) -> None:
        assert not self.execctrl & ~(0x3FF << 7), "only the wrap is modelled"
        assert self.shiftctrl == 0b11 << 16, "both shift left, at 32 bits, with autopush and autopull"
        self.wrap_top, self.wrap_bottom = self.execctrl >> 12 & 31, self.execctrl >> 7 & 31
        self.sides, self.set_count, self.out_count = (
            self.pinctrl >> at & of for at, of in ((29, 7), (26, 7), (20, 63))
        )
        self.in_base, self.side_base, self.set_base, self.out_base = (self.pinctrl >> at & 31 for at in (15, 10, 5, 0))


class StateMachine:
    """A state machine with its two FIFOs and its pins. `pin_levels` are what it drives, `inputs` what it reads."""

    def __init__(self, memory: Sequence[int], inputs: Callable[[], int]) -> None:
        self.memory = memory
        self.settings = Settings(31 << 12, 0b11 << 16, 0)
        self.tx: deque[int] = deque()
        self.rx: deque[int] = deque()
        self.pin_levels = self.pin_directions = 0
        self.pc = self.x = self._isr = self._isr_bits = self._osr = self._delay = 0
        self._osr_bits = 32  # shifted out already: it is empty
        self._inputs = inputs

    def execute(self, instruction: int) -> None:
        """Do what a write to SMx_INSTR asks for."""
        place = self._done(instruction)
        assert place is not None, "a forced instruction that waits"
        if instruction >> 13 == JMP:
            self.pc = place

    def cycle(self) -> None:
        """Let one cycle of its divided clock pass."""
        if self._delay:
            self._delay -= 1
            self._refill()
            return
        instruction = self.memory[self.pc]
        place = self._done(instruction)
        if instruction >> 13 != OUT:
            self._refill()
        if place is not None:
            self.pc = place
            self._delay = instruction >> 8 & (1 << 5 - self.settings.sides) - 1

    def _done(self, instruction: int) -> int | None:
        """Return where to go on after an instruction, or None where it has to wait."""
        opcode, kind, value = instruction >> 13, instruction >> 5 & 7, instruction & 31
        sides = self.settings.sides
        self._drive(self.settings.side_base, sides, instruction >> 13 - sides & (1 << sides) - 1)
        after = self.settings.wrap_bottom if self.pc == self.settings.wrap_top else self.pc + 1
        if opcode == JMP:
            taken = kind == ALWAYS or (kind == X_DOWN and self.x != 0)
            assert kind in (ALWAYS, X_DOWN)
            self.x = self.x - 1 & WORD if kind == X_DOWN else self.x
            return value if taken else after
        if opcode == IN:
            assert (kind, value) == (TO_PINS, 1)
            return after if self._in(self._inputs() >> self.settings.in_base & 1) else None
        if opcode == OUT:
            assert (kind, value) == (TO_PINS, 1)
            return after if self._out() else None
        assert opcode == SET and kind in (TO_X, TO_PINDIRS), f"{instruction:#06x} is not modelled"
        if kind == TO_X:
            self.x = value
        else:
            mask = (1 << self.settings.set_count) - 1 << self.settings.set_base
            self.pin_directions = self.pin_directions & ~mask | value << self.settings.set_base & mask
        return after

    def _in(self, bit: int) -> bool:
        if self._isr_bits == 31 and len(self.rx) == FIFO_DEPTH:
            return False
        self._isr, self._isr_bits = (self._isr << 1 | bit) & WORD, self._isr_bits + 1
        if self._isr_bits == 32:
            self.rx.append(self._isr)
            self._isr = self._isr_bits = 0
        return True

    def _out(self) -> bool:
        if self._osr_bits == 32:
            self._refill()
            return False
        self._drive(self.settings.out_base, self.settings.out_count, self._osr >> 31)
        self._osr, self._osr_bits = self._osr << 1 & WORD, self._osr_bits + 1
        self._refill()
        return True

    def _refill(self) -> None:
        if self._osr_bits == 32 and self.tx:
            self._osr, self._osr_bits = self.tx.popleft(), 0

    def _drive(self, base: int, count: int, value: int) -> None:
        mask = (1 << count) - 1 << base
        self.pin_levels = self.pin_levels & ~mask | value << base & mask


class Edges:
    """Tell a bit clock's edges."""

    def __init__(self) -> None:
        self._before = 0

    def seen(self, level: int) -> int:
        """Return 1 for a rising edge, -1 for a falling one and 0 for none."""
        edge, self._before = level - self._before, level
        return edge


class I2sMicrophone:
    """Give samples of 24 bits in the left slot; nothing drives the line otherwise, so it is anything."""

    def __init__(self, samples: Sequence[int], rng: np.random.Generator) -> None:
        self._samples = iter(samples)
        self._noise = iter(rng.integers(0, 2, 1 << 20).tolist())
        self._edges, self._select, self._changed = Edges(), 1, False
        self._word: deque[int] = deque()
        self.level = 0
        self.given: list[int] = []

    def update(self, bit_clock: int, word_select: int) -> None:
        """Select is read at the rising edge; the first bit comes at the falling edge after it."""
        edge = self._edges.seen(bit_clock)
        if edge > 0:
            self._changed, self._select = self._changed or word_select != self._select, word_select
        elif edge < 0:
            if self._changed:
                self._changed = False
                self._word.clear()
                if not self._select:
                    self.given.append(next(self._samples))
                    self._word.extend(self.given[-1] >> bit & 1 for bit in range(23, -1, -1))
            self.level = self._word.popleft() if self._word else next(self._noise)


class I2sDac:
    """Take words of 32 bits, as a DAC does: at the rising edge, the first one a bit after select has changed.

    What it takes must have stood since the cycle before, and may change when the clock falls. `phases` are the cycles
    that the clock was low, high, low and so on.
    """

    def __init__(self) -> None:
        self._edges, self._select = Edges(), 0
        self._bits: list[int] = []
        self._stood = (0, 0)
        self.words: list[tuple[int, int, int]] = []  # select, value, bits
        self.phases = [0]

    def update(self, bit_clock: int, word_select: int, data: int) -> None:
        edge, before, self._stood = self._edges.seen(bit_clock), self._stood, (word_select, data)
        if edge:
            self.phases.append(0)
        self.phases[-1] += 1
        assert edge < 0 or before == self._stood, "select or data change while the clock does not fall"
        if edge <= 0:
            return
        self._bits.append(data)
        if word_select != self._select:
            value = int("".join(map(str, self._bits)), 2)
            self.words.append((self._select, value, len(self._bits)))
            self._bits, self._select = [], word_select

    def frames(self) -> np.ndarray:
        """Return the samples, int16 [frames, 2], of all whole frames from the second word select on."""
        words = self.words[2 - self.words[0][0] % 2 :] if self.words else []
        words = words[1:] if words and words[0][0] else words
        assert all(bits == 32 for *_, bits in words), "a slot that is not 32 bits long"
        assert [select for select, *_ in words] == [index % 2 for index in range(len(words))]
        values = np.array([value for _, value, _ in words[: len(words) // 2 * 2]], np.uint32).reshape(-1, 2)
        assert not (values & 0xFFFF).any()
        return (values >> 16).astype(np.uint16).view(np.int16)

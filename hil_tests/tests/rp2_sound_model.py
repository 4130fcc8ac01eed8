# SPDX-License-Identifier: Apache-2.0
"""Model the clocks, resets, pins, PIO and DMA of RP2040 and RP2350 by their data sheets: what examples/rp2040 uses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from .pio_model import FIFO_DEPTH, I2sDac, I2sMicrophone, Settings, StateMachine
from .register_model import Registers

CRYSTAL_HZ: Final = 12_000_000
PIO, DMA = 0x50200000, 0x50000000
FSTAT, TXF0, RXF0, INSTR_MEM = PIO + 0x04, PIO + 0x10, PIO + 0x20, PIO + 0x48
CLKDIV, EXECCTRL, SHIFTCTRL, INSTR, PINCTRL = (PIO + offset for offset in (0xC8, 0xCC, 0xD0, 0xD8, 0xDC))
INTE, INTS = (DMA + 0x404, DMA + 0x414), (DMA + 0x40C, DMA + 0x41C)
CHANNELS: Final = 12
SEEN: Final = 1 << 31  # what no driver writes: a register is set to it so that any write is noticed
SET, CLEAR = 0x2000, 0x3000
DATA_IN, DATA_OUT, BIT_CLOCK, WORD_SELECT = 16, 17, 18, 19


@dataclass(frozen=True)
class Part:
    """Where the two parts differ: addresses, bits of resets, fields of the DMA's CTRL, and the first interrupt."""

    clocks: int
    resets: int
    io: int
    pads: int
    xosc: int
    pll: int
    out_set: int
    oe_set: int
    reset_bits: dict[str, int]
    start: int
    inc_write: int
    ring: int
    ring_in: int
    chain: int
    pace: int
    busy: int
    interrupt: int


PARTS: Final = {
    "RP2040": Part(
        **dict(clocks=0x40008000, resets=0x4000C000, io=0x40014000, pads=0x4001C000, xosc=0x40024000, pll=0x40028000),
        **dict(out_set=0xD0000014, oe_set=0xD0000024, start=DMA + 0x430, interrupt=11),
        reset_bits={"pll": 12, "pio": 10, "pads": 8, "io": 5, "dma": 2},
        **dict(inc_write=5, ring=6, ring_in=10, chain=11, pace=15, busy=24),
    ),
    "RP2350": Part(
        **dict(clocks=0x40010000, resets=0x40020000, io=0x40028000, pads=0x40038000, xosc=0x40048000, pll=0x40050000),
        **dict(out_set=0xD0000018, oe_set=0xD0000038, start=DMA + 0x450, interrupt=10),
        reset_bits={"pll": 14, "pio": 11, "pads": 9, "io": 6, "dma": 2},
        **dict(inc_write=6, ring=8, ring_in=12, chain=13, pace=17, busy=26),
    ),
}


class Rp2Sound(Registers):
    """A part with a crystal, a microphone and a DAC. Time passes in cycles of the PIO: `run`, or a look at FSTAT.

    crystal, lock, clocked: whether crystal, PLL and PIO do what they should.
    """

    def __init__(self, name: str, microphone: I2sMicrophone, crystal=True, lock=True, clocked=True) -> None:
        super().__init__()
        self.part = PARTS[name]
        self.crystal, self.lock, self.clocked = crystal, lock, clocked
        self.memory: list[tuple[int, np.ndarray]] = []  # what the DMA reaches: address in 32 bits, words
        self.reload, self.busy, self.pending = [0] * CHANNELS, [False] * CHANNELS, 0
        self.program = [0] * 32
        self.microphone, self.dac = microphone, I2sDac()
        self.machine = StateMachine(self.program, lambda: self.microphone.level << DATA_IN)
        self.running = False
        self.moved: list[int] = [0, 0]  # words, in and out
        self[self.part.resets] = 0x01FFFFFF
        self[self.part.pll + 4] = 0x2D
        self[self.part.clocks + 0x38] = self[self.part.clocks + 0x44] = 1

    # ---- time ------------------------------------------------------------------------------------------------------

    def run(self, cycles: int) -> None:
        """Let cycles of the state machine pass, and all that the DMA does meanwhile."""
        for _ in range(cycles if self.running and self.clocked else 0):
            self.machine.cycle()
            pins = self.machine.pin_levels & self.machine.pin_directions
            clock, select = pins >> BIT_CLOCK & 1, pins >> WORD_SELECT & 1
            self.microphone.update(clock, select)
            self.dac.update(clock, select, pins >> DATA_OUT & 1)
            self._move()

    def _move(self) -> None:
        if self.machine.rx or len(self.machine.tx) < FIFO_DEPTH:
            for channel in [channel for channel, busy in enumerate(self.busy) if busy]:
                self._move_word(channel)

    def _move_word(self, channel: int) -> None:
        base, control = DMA + 0x40 * channel, self._control(channel)
        request = control >> self.part.pace & 63
        fifo = {0: self.machine.tx, 4: self.machine.rx}[request]
        if len(fifo) == (FIFO_DEPTH if request == 0 else 0):
            return
        source, target = self[base], self[base + 4]
        word = self.machine.rx.popleft() if source == RXF0 else self._word(source)
        if target == TXF0:
            self.machine.tx.append(word)
        else:
            array, index = self._place(target)
            array[index] = word
        self.moved[request == 0] += 1
        in_ring = control >> self.part.ring_in & 1
        self[base] = self._next(source, control >> 4 & 1, control, not in_ring)
        self[base + 4] = self._next(target, control >> self.part.inc_write & 1, control, bool(in_ring))
        self[base + 8] -= 1
        if self[base + 8] == 0:
            self._set_busy(channel, False)
            self.pending |= 1 << channel
            self._show_interrupts()
            self._start(control >> self.part.chain & 15)

    def _next(self, address: int, step: int, control: int, ring: bool) -> int:
        mask = (1 << (control >> self.part.ring & 15)) - 1
        after = address + 4 * step
        return (address & ~mask | after & mask) if ring and mask else after

    def _place(self, address: int) -> tuple[np.ndarray, int]:
        for base, array in self.memory:
            if base <= address < base + array.nbytes:
                return array, (address - base) // 4
        raise AssertionError(f"the DMA reaches for {address:#x}, where no buffer is")

    def _word(self, address: int) -> int:
        array, index = self._place(address)
        return int(array[index])

    def _control(self, channel: int) -> int:
        return self[DMA + 0x40 * channel + 0x10]

    def _set_busy(self, channel: int, busy: bool) -> None:
        self.busy[channel] = busy
        self[DMA + 0x40 * channel + 0x10] = self._control(channel) & ~(1 << self.part.busy) | busy << self.part.busy

    def _start(self, channel: int) -> None:
        control = self._control(channel)
        assert control & 1 and control >> 2 & 3 == 2, "a channel that is on, and moves words"
        assert not self.busy[channel], "a channel is started that still runs"
        self[DMA + 0x40 * channel + 8] = self.reload[channel]
        self._set_busy(channel, True)

    def _show_interrupts(self) -> None:
        for enable, status in zip(INTE, INTS, strict=True):
            shown = self.pending & self[enable]
            self[status] = shown | SEEN if shown else 0

    def asked(self, number: int) -> bool:
        """Return whether an interrupt of the DMA waits, 0 or 1."""
        enabled = self[0xE000E100] >> self.part.interrupt + number & 1
        return bool(enabled and self[INTS[number]])

    # ---- registers -------------------------------------------------------------------------------------------------

    def before_access(self, address: int) -> None:
        self._assert_out_of_reset(address)
        if address == FSTAT:
            self.run(40)
            self[FSTAT] = (len(self.machine.tx) == FIFO_DEPTH) << 16
        elif address == TXF0:
            self[TXF0] = SEEN

    def _assert_out_of_reset(self, address: int) -> None:
        blocks = {"pll": self.part.pll, "pio": PIO, "pads": self.part.pads, "io": self.part.io, "dma": DMA}
        for name, base in blocks.items():
            held = self[self.part.resets] >> self.part.reset_bits[name] & 1
            assert not (held and base <= address < base + 0x4000), f"{address:#x} while {name} is held in reset"

    def written(self, address: int, before: int, value: int) -> None:
        for alias, changed in ((SET, lambda old: old | value), (CLEAR, lambda old: old & ~value)):
            for base in (self.part.resets, self.part.xosc, self.part.pll, PIO):
                target = address - alias
                if base <= target < base + 0x1000:
                    old = self[target]
                    self[address], self[target] = 0, changed(old)
                    self._act(target, old, self[target])
                    return
        self._act(address, before, value)

    def _act(self, address: int, before: int, value: int) -> None:
        handlers: list[Callable[[int, int, int], bool]] = [self._clock_written, self._pio_written, self._dma_written]
        any(handler(address, before, value) for handler in handlers)

    def _clock_written(self, address: int, before: int, value: int) -> bool:
        part = self.part
        if address == part.resets:
            self[part.resets + 8] = ~value & 0x01FFFFFF
            if value >> part.reset_bits["pll"] & 1:
                self[part.pll] = self[part.pll + 8] = 0
                self[part.pll + 4] = 0x2D
        elif address == part.xosc:
            self[part.xosc + 4] = (self.crystal and value == 0xFABAA0) << 31
            assert self[part.xosc + 0xC] * 256 >= CRYSTAL_HZ // 1000 or value >> 12 != 0xFAB, "a crystal takes 1 ms"
        elif address == part.pll + 4:
            on = not value & 0b100001
            assert not on or 750e6 <= CRYSTAL_HZ * self[part.pll + 8] <= 1600e6, "the VCO's range"
            self[part.pll] = self[part.pll] & 0x3F | (on and self.lock) << 31
        elif address == part.clocks + 0x30:
            assert value != 2 or self[part.xosc + 4] >> 31, "the reference comes from a crystal that stands"
            self[part.clocks + 0x38] = 1 << (value & 3)
        elif address == part.clocks + 0x3C:
            running = self[part.pll] >> 31 and not self[part.pll + 4] & 0b1000
            assert value == 0 or (value == 1 and running), "the system comes from a PLL that does not run"
            self[part.clocks + 0x44] = 1 << (value & 1)
        else:
            return False
        return True

    def _pio_written(self, address: int, before: int, value: int) -> bool:
        if INSTR_MEM <= address < INSTR_MEM + 128:
            self.program[(address - INSTR_MEM) // 4] = value
        elif address in (EXECCTRL, SHIFTCTRL, PINCTRL):
            assert not self.running
        elif address == INSTR:
            self.machine.settings = Settings(self[EXECCTRL], self[SHIFTCTRL], self[PINCTRL])
            self.machine.execute(value)
        elif address == TXF0:
            assert len(self.machine.tx) < FIFO_DEPTH, "a word for a FIFO that is full"
            self.machine.tx.append(value)
        elif address == PIO:
            self.running = bool(value & 1)
        else:
            return False
        return True

    def _dma_written(self, address: int, before: int, value: int) -> bool:
        if address == self.part.start:
            for channel in range(CHANNELS):
                if value >> channel & 1:
                    self._start(channel)
            self[address] = 0
            self._move()
        elif DMA <= address < DMA + 0x40 * CHANNELS and address % 0x40 == 8:
            self.reload[address % 0x1000 // 0x40] = value
        elif address in INTS:
            self.pending &= ~value
            self._show_interrupts()
        else:
            return False
        return True

    # ---- what a clock makes of them --------------------------------------------------------------------------------

    @property
    def core_hz(self) -> float:
        """Return the system's clock, from the registers of the PLL."""
        dividers = self[self.part.pll + 0xC]
        assert self[self.part.clocks + 0x44] == 2 and self[self.part.pll] & 63 == 1
        return CRYSTAL_HZ * self[self.part.pll + 8] / (dividers >> 16 & 7) / (dividers >> 12 & 7)

    @property
    def machine_hz(self) -> float:
        """Return the cycles of the state machine in a second."""
        return self.core_hz / (self[CLKDIV] / 2**16)

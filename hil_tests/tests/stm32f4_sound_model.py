# SPDX-License-Identifier: Apache-2.0
"""Model the I2S, DMA and I2C of an STM32F407 by RM0090, and the DAC behind them by its data sheet (CS43L22, DS792F2).

Time passes with each access: both DMA streams move on by the words of a quarter of a sample.
"""

from dataclasses import dataclass
from typing import Final

from .stm32f4_model import GPIO, PARTS, RCC_AHB1ENR, RCC_APB1ENR, RCC_CR, RCC_PLLCFGR, Stm32f4

PLLI2SCFGR, PLLI2SON, PLLI2SRDY = 0x40023884, 1 << 26, 1 << 27
SPI2, SPI3, I2C1, DMA1 = 0x40003800, 0x40003C00, 0x40005400, 0x40026000
CR2, SR1, SR2, DR, CCR, TRISE = (I2C1 + offset for offset in (0x04, 0x14, 0x18, 0x10, 0x1C, 0x20))
LISR, HISR, LIFCR, HIFCR = DMA1, DMA1 + 4, DMA1 + 8, DMA1 + 12
CLOCKS = {SPI2: (RCC_APB1ENR, 14), SPI3: (RCC_APB1ENR, 15), I2C1: (RCC_APB1ENR, 21), DMA1: (RCC_AHB1ENR, 21)}
I2SE, MCKOE = 1 << 10, 1 << 9
MAY_CHANGE_WHILE_ON = 0x1F  # of a stream's CR: itself, and the interrupts
SB, ADDR, BTF, RXNE, TXE = 1, 2, 4, 1 << 6, 1 << 7
NO_BYTE: Final = 0xABCD0000
CODEC_ADDRESS, RESET = 0x4A, (GPIO + 0x400 * 3 + 0x18, 4)  # PD4
REQUIRED = [(0x00, 0x99), (0x47, 0x80), (0x32, 0x80), (0x32, 0x00), (0x00, 0x00)]


@dataclass
class Stream:
    """A stream of DMA1: its peripheral, its direction, its flags and the words that it moves at each access."""

    number: int
    part: int
    to_part: bool
    flags: int  # its status register
    half: int
    full: int
    step: int
    words: int = 0
    moved: int = 0

    @property
    def base(self) -> int:
        return DMA1 + 0x10 + 0x18 * self.number


class SoundPart(Stm32f4):
    """The part and its DAC. codec: writes after which the DAC stops answering; 0: it never does; None: it always does.

    still: whether the DMA of the DAC does not move. pll_locks: whether the PLL of I2S does.
    """

    def __init__(self, crystal_hz: int, codec: int | None = None, still: bool = False, pll_locks: bool = True) -> None:
        super().__init__(PARTS["disco_f407vg"], crystal_hz)
        self.microphone = Stream(3, SPI2, False, LISR, 1 << 26, 1 << 27, 1)
        self.dac = Stream(5, SPI3, True, HISR, 1 << 10, 1 << 11, 0 if still else 1)
        self.streams = {stream.base: stream for stream in (self.microphone, self.dac)}
        self.answers = codec
        self.pll_locks = pll_locks
        self.codec: dict[int, int] = {0x01: 0xE3, 0x02: 0x01}
        self.codec_writes: list[tuple[int, int]] = []
        self.bus = "idle"
        self.pointer: int | None = None

    def clock_of_i2s(self) -> float:
        factors = self[PLLI2SCFGR]
        return self.crystal_hz / (self[RCC_PLLCFGR] & 63) * (factors >> 6 & 511) / (factors >> 28 & 7)

    def divider(self, spi: int) -> int:
        """Return 2 I2SDIV + ODD."""
        return 2 * (self[spi + 0x20] & 255) + (self[spi + 0x20] >> 8 & 1)

    def pin(self, pin: int) -> tuple[int, int]:
        """Return mode and alternate function of a pin, numbered as in boards.toml."""
        port, bit = GPIO + 0x400 * (pin // 16 - 0xA), pin % 16
        return self[port] >> 2 * bit & 3, self[port + 0x20 + 4 * (bit // 8)] >> 4 * (bit % 8) & 15

    # ---- accesses --------------------------------------------------------------------------------------------------

    def before_access(self, address: int) -> None:
        super().before_access(address)
        for base, (enable, bit) in CLOCKS.items():
            assert not base <= address < base + 0x100 or self[enable] >> bit & 1, f"{address:#x} has no clock"
        for stream in self.streams.values():
            if stream.words:
                self._move(stream)
        if address == DR:
            self[DR] = NO_BYTE if self.bus != "read" else self.codec.get(self.pointer or 0, 0)
            if self.bus == "read":
                self[SR1] &= ~RXNE
        elif address == SR2 and self[SR1] & ADDR:
            self._address_seen()

    def written(self, address: int, before: int, value: int) -> None:
        if address in (LIFCR, HIFCR):
            self[address - 8] &= ~value
            self[address] = 0
        elif address == PLLI2SCFGR:
            assert not self[RCC_CR] & PLLI2SON, "the factors of a PLL that runs were changed"
        elif address in (SPI2 + 0x1C, SPI3 + 0x1C):
            self._switch_i2s(address - 0x1C, before, value)
        elif address in (SPI2 + 0x20, SPI3 + 0x20):
            assert not self[address - 4] & I2SE, "the divider of an I2S that runs was changed"
        elif any(base <= address < base + 0x18 for base in self.streams):
            self._dma(next(stream for base, stream in self.streams.items() if base <= address < base + 0x18), address,
                      before, value)  # fmt: skip
        elif I2C1 <= address < I2C1 + 0x24:
            self._i2c(address, before, value)
        else:
            super().written(address, before, value)
        if address == RCC_CR and (before ^ value) & PLLI2SON:
            factors = self[PLLI2SCFGR]
            assert self.crystal_hz / (self[RCC_PLLCFGR] & 63) == 1e6 and 100 <= (factors >> 6 & 511) <= 432
            assert not value & PLLI2SON or factors >> 28 & 7 >= 2
            locked = value & PLLI2SON and self.pll_locks
            self[RCC_CR] = self[RCC_CR] | PLLI2SRDY if locked else self[RCC_CR] & ~PLLI2SRDY

    # ---- I2S and DMA -----------------------------------------------------------------------------------------------

    def _switch_i2s(self, spi: int, before: int, value: int) -> None:
        assert not before & I2SE or (before ^ value) == I2SE, "an I2S that runs was set up anew"
        if value & I2SE and not before & I2SE:
            assert self[RCC_CR] & PLLI2SRDY, "I2S has no clock"
            assert value >> 11 & 1 and self.divider(spi) >= 4, "the divider is too small"
            stream = self.microphone if spi == SPI2 else self.dac
            assert self[spi + 4] == (1 if spi == SPI2 else 2), "the I2S does not ask the DMA"
            assert self[stream.base] & 1, "the DMA is off, so words are lost"

    def _dma(self, stream: Stream, address: int, before: int, value: int) -> None:
        was_on = self[stream.base] & 1 if address != stream.base else before & 1
        if address != stream.base:
            assert not was_on, "a stream that is on was set up anew"
            return
        assert not was_on or not (before ^ value) & ~MAY_CHANGE_WHILE_ON, "a stream that is on was set up anew"
        if value & 1 and not was_on:
            assert self[stream.base + 8] == stream.part + 0x0C, "the data register is another's"
            assert value >> 25 & 7 == 0, "the channel is another's"
            assert value >> 6 & 3 == int(stream.to_part), "the direction is wrong"
            assert value >> 8 & 1 and value >> 10 & 1 and not value >> 9 & 1, "not circular, or not through memory"
            assert value >> 11 & 15 == 0b0101, "not half-words"
            assert not self[stream.flags] & (stream.half | stream.full), "flags of before"
            stream.words, stream.moved = self[stream.base + 4], 0
            assert stream.words % 2 == 0 and stream.words, "no two halves"

    def _move(self, stream: Stream) -> None:
        if not self[stream.part + 0x1C] & I2SE:
            return
        before = stream.moved
        stream.moved += stream.step * (2 if stream is self.microphone else 1)
        half = stream.words // 2
        if stream.moved // half != before // half:
            self[stream.flags] |= stream.full if stream.moved // half % 2 == 0 else stream.half
        self[stream.base + 4] = stream.words - stream.moved % stream.words

    # ---- I2C and the DAC -------------------------------------------------------------------------------------------

    def _i2c(self, address: int, before: int, value: int) -> None:
        if address == DR:
            self._byte(value & 255)
        elif address == I2C1:
            if value & 1 << 8:
                assert value & 1 and self._bus_is_set_up(), "the bus is not set up"
                self.bus, self[SR1] = "address", SB
            if value & 1 << 9:
                self.bus = "read" if self.bus == "read" else "idle"
                self[SR1] &= RXNE
            self[I2C1] = value & ~(3 << 8)
        elif address in (CR2, CCR, TRISE):
            assert not self[I2C1] & 1, "the bus's clock was changed while it was on"

    def _bus_is_set_up(self) -> bool:
        bus_hz = self.bus_hz(10)
        pins = all(self.pin(pin) == (2, 4) and self[GPIO + 0x404] >> pin % 16 & 1 for pin in (0xB6, 0xB9))
        timing = self[CR2] * 1e6 == bus_hz and bus_hz / 2 / self[CCR] <= 100e3 and self[TRISE] == self[CR2] + 1
        return pins and timing

    def _awake(self) -> bool:
        return self[RESET[0]] == 1 << RESET[1] and (self.answers is None or len(self.codec_writes) < self.answers)

    def _byte(self, byte: int) -> None:
        if self.bus == "address":
            self[SR1] = ADDR if byte >> 1 == CODEC_ADDRESS and self._awake() else 0
            self.bus = "to read" if byte & 1 else "to write"
        elif self.bus == "pointer":
            self.pointer, self.bus = byte, "data"
            self[SR1] = TXE | BTF
        elif self.bus == "data" and self.pointer is not None:
            self._codec(self.pointer, byte)
            self[SR1] = TXE | BTF

    def _address_seen(self) -> None:
        if self.bus == "to read":
            assert not self[I2C1] >> 10 & 1, "the last byte was acknowledged"
            self.bus, self[SR1] = "read", RXNE
        else:
            self.bus, self[SR1] = "pointer", TXE

    def _codec(self, number: int, value: int) -> None:
        if number == 0x02 and value == 0x9E:
            assert self[SPI3 + 0x1C] & I2SE and self[SPI3 + 0x20] & MCKOE and self.dac.words, "the DAC has no MCLK"
            assert self.codec_writes[-len(REQUIRED) :] == REQUIRED, "what the data sheet asks for is missing"
        self.codec[number] = value
        self.codec_writes.append((number, value))

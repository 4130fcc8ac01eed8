# SPDX-License-Identifier: Apache-2.0
"""Model an STM32F4 by its reference manual (RM0090, RM0383, RM0390) and data sheet, as far as the drivers use it."""

import math
from dataclasses import dataclass
from typing import Final

from .register_model import Registers

RCC: Final = 0x40023800
RCC_CR, RCC_PLLCFGR, RCC_CFGR = RCC, RCC + 0x04, RCC + 0x08
RCC_AHB1ENR, RCC_APB1ENR, RCC_APB2ENR = RCC + 0x30, RCC + 0x40, RCC + 0x44
PWR_CR, PWR_CSR = 0x40007000, 0x40007004
FLASH_ACR = 0x40023C00
GPIO, GPIO_END = 0x40020000, 0x40022000
IDCODE = 0xE0042000
DEMCR, DWT_CTRL = 0xE000EDFC, 0xE0001000
HSI_HZ = 16_000_000
USART_ENABLE = {0x40011000: (RCC_APB2ENR, 4), 0x40011400: (RCC_APB2ENR, 5), 0x40004400: (RCC_APB1ENR, 17)}
HSEON, HSEBYP, CSSON, PLLON = 1 << 16, 1 << 18, 1 << 19, 1 << 24
HSERDY, PLLRDY = 1 << 17, 1 << 25
PREFETCH = 1 << 8

# What can stay away: the bits that follow a switch.
READY = ("HSERDY", "PLLRDY", "ODRDY", "ODSWRDY", "VOSRDY", "LATENCY", "SWS")


@dataclass(frozen=True)
class Part:
    """The limits of the data sheet at 3.3 V. wait_states: the highest clock in Hz for 0, 1, 2... wait states."""

    core_hz: int
    apb1_hz: int
    apb2_hz: int
    wait_states: tuple[int, ...]
    plain_hz: int  # above it, over-drive
    scale: int  # VOS for the highest clock
    vco_hz: tuple[int, int]
    crystal: bool  # or an outer clock, for which the oscillator is bypassed

    def needed_wait_states(self, hz: int) -> int:
        return next(count for count, most in enumerate(self.wait_states) if hz <= most)


STEPS_30_MHZ = tuple(30_000_000 * step for step in range(1, 9))
PARTS = {
    "nucleo_f446re": Part(
        180_000_000, 45_000_000, 90_000_000, STEPS_30_MHZ, 168_000_000, 3, (100_000_000, 432_000_000), False
    ),
    "nucleo_f411re": Part(
        100_000_000, 50_000_000, 100_000_000, (30_000_000, 64_000_000, 90_000_000, 100_000_000), 100_000_000, 3,
        (100_000_000, 432_000_000), False,
    ),
    "disco_f407vg": Part(
        168_000_000, 42_000_000, 84_000_000, STEPS_30_MHZ, 168_000_000, 1, (100_000_000, 432_000_000), True
    ),
}  # fmt: skip


class Stm32f4(Registers):
    """A part. stuck: bits of READY that never change. left_on: whether a loader has left the core on a running PLL."""

    def __init__(self, part: Part, crystal_hz: int, stuck: str | None = None, left_on: bool = False) -> None:
        super().__init__()
        self.part = part
        self.crystal_hz = crystal_hz
        self.stuck = stuck
        self[PWR_CR] = 0x4000 if part.scale == 1 else 0x8000
        self[PWR_CSR] = 1 << 14
        if left_on:
            self[RCC_CR] = HSEON | HSERDY | PLLON | PLLRDY
            self[RCC_PLLCFGR] = 1 << 22 | 168 << 6 | 4
            self[RCC_CFGR] = 2 | 2 << 2
            self[FLASH_ACR] = 5

    @property
    def core_hz(self) -> int:
        """The clock that the registers make."""
        return self._pll_hz() if self[RCC_CFGR] >> 2 & 3 == 2 else HSI_HZ

    def bus_hz(self, shift: int) -> int:
        """Return the divisor of APB1 (shift 10) or APB2 (13)."""
        code = self[RCC_CFGR] >> shift & 7
        return self.core_hz >> (code - 3 if code >= 4 else 0)

    def before_access(self, address: int) -> None:
        if address in (PWR_CR, PWR_CSR):
            assert self[RCC_APB1ENR] >> 28 & 1, "PWR has no clock"
        if GPIO <= address < GPIO_END:
            assert self[RCC_AHB1ENR] >> ((address - GPIO) // 0x400) & 1, f"the port of {address:#x} has no clock"
        for base, (enable, bit) in USART_ENABLE.items():
            if base <= address < base + 0x20:
                assert self[enable] >> bit & 1, f"the USART at {base:#x} has no clock"

    def written(self, address: int, before: int, value: int) -> None:
        changed = before ^ value
        if address == RCC_CR:
            self._switch(changed, value)
        elif address == RCC_PLLCFGR:
            assert not self[RCC_CR] & (PLLON | PLLRDY), "the factors of a PLL that runs were changed"
        elif address == PWR_CR:
            self._power(changed, value)
        elif address == FLASH_ACR:
            if self.stuck == "LATENCY":
                self[FLASH_ACR] = value & ~15
            assert self.part.needed_wait_states(self.core_hz) <= self[FLASH_ACR] & 15, "the flash is too slow"
        elif address == RCC_CFGR:
            self._select(value)

    def _switch(self, changed: int, value: int) -> None:
        if changed & HSEBYP:
            assert not value & HSEON, "the oscillator was bypassed while on"
        if changed & HSEON:
            works = value & HSEON and self.stuck != "HSERDY"
            assert not value & HSEON or bool(value & HSEBYP) != self.part.crystal, "a crystal is not bypassed"
            value = value | HSERDY if works else value & ~HSERDY
        if changed & PLLON:
            assert self.core_hz == HSI_HZ, "the PLL that the core runs on was switched"
            assert not value & PLLON or value & HSERDY, "the PLL has no source"
            value = value | PLLRDY if value & PLLON and self.stuck != "PLLRDY" else value & ~PLLRDY
            if value & PLLON:
                self._check_pll()
                ready = self[PWR_CSR] & ~(1 << 14) if self.stuck == "VOSRDY" else self[PWR_CSR] | 1 << 14
                self[PWR_CSR] = ready
        if changed & CSSON and value & CSSON:
            assert value & HSERDY, "nothing to watch"
        self[RCC_CR] = value

    def _power(self, changed: int, value: int) -> None:
        if changed >> 14 & 3:
            assert not self[RCC_CR] & PLLON, "the regulator's scale was changed with the PLL on"
        if changed >> 16 & 1 and value >> 16 & 1:
            assert self[RCC_CR] & PLLON, "over-drive comes after the PLL"
        for bit, name in ((16, "ODRDY"), (17, "ODSWRDY")):
            if changed >> bit & 1:
                on = value >> bit & 1 and self.stuck != name
                self[PWR_CSR] = self[PWR_CSR] | 1 << bit if on else self[PWR_CSR] & ~(1 << bit)

    def _check_pll(self) -> None:
        """Check that the PLL's factors lie in the manual's ranges, and that the clock is not above the part's."""
        m, n = self[RCC_PLLCFGR] & 63, self[RCC_PLLCFGR] >> 6 & 511
        assert self[RCC_PLLCFGR] >> 22 & 1, "the PLL's source is not the crystal"
        assert 1_000_000 <= self.crystal_hz / m <= 2_000_000
        low, high = self.part.vco_hz
        assert low <= self.crystal_hz / m * n <= high
        assert 2 <= self[RCC_PLLCFGR] >> 24 & 15 <= 15
        assert self._pll_hz() <= self.part.core_hz

    def _select(self, value: int) -> None:
        if value & 3 == 2 and self.stuck != "SWS":
            assert self[RCC_CR] & PLLRDY, "the core was switched to a PLL that has not locked"
            hz = self._pll_hz()
            assert self.part.needed_wait_states(hz) <= self[FLASH_ACR] & 15, "the flash is too slow"
            assert self[PWR_CR] >> 14 & 3 == self.part.scale and self[PWR_CSR] >> 14 & 1, "the regulator is too weak"
            assert hz <= self.part.plain_hz or self[PWR_CSR] >> 16 & 3 == 3, "over-drive is not on"
            self[RCC_CFGR] = value & ~12 | 2 << 2
            assert self.bus_hz(10) <= self.part.apb1_hz and self.bus_hz(13) <= self.part.apb2_hz, "a bus is too fast"
        else:
            self[RCC_CFGR] = value & ~12

    def _pll_hz(self) -> int:
        factors = self[RCC_PLLCFGR]
        hz = self.crystal_hz / (factors & 63) * (factors >> 6 & 511) / (2 * (factors >> 16 & 3) + 2)
        assert math.isclose(hz, round(hz))
        return round(hz)

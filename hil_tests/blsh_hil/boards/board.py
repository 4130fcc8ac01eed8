# SPDX-License-Identifier: Apache-2.0
"""A board as boards.toml describes it, and the flags to compile C for it."""

from dataclasses import dataclass
from pathlib import Path

from blsh_codegen.emit.c_code import C_WARNINGS

CROSS_COMPILER = "arm-none-eabi-gcc"

C_FLAGS = (
    "-std=c11",
    "-O2",
    "-g",
    *C_WARNINGS,
    "-fstack-usage",
    "-ffunction-sections",
    "-fdata-sections",
    "-DBLSH_MODEL_LIMITS",  # the state is only as large as the compiled-in model needs
)
"""The options that every C file of the firmware is compiled with, on every board."""

LINK_FLAGS = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
"""nosys.specs is left out on purpose: code that needs a heap or a file then fails to link, not in the field."""

INCLUDE_FOLDERS = ("core", "hal", "app", "generated")
"""The folders of `firmware/` that hold headers."""

LINKER_SCRIPT = "firmware/boards/cortexm.ld"


@dataclass(frozen=True)
class Memory:
    """A memory region: origin and size in bytes."""

    origin: int
    size: int


@dataclass(frozen=True)
class Uart:
    """The serial port that the firmware talks on; `driver` names `firmware/hal/hal_<driver>.c`.

    clock_hz: the clock that the baud rate is divided from. tx_pin, rx_pin: numbered as the driver does; None on a part
    with fixed pins.
    """

    driver: str
    base: int
    rx_irq: int
    baud: int
    clock_hz: int
    tx_pin: int | None
    rx_pin: int | None


@dataclass(frozen=True)
class Tick:
    """A free-running 32-bit up-counter. counter: the address of its register. hz: its rate."""

    counter: int
    hz: int


@dataclass(frozen=True)
class Slots:
    """Two places for pushed models: `size` bytes each, from `origin` on, erased in sectors of `sector` bytes.

    `driver` names `firmware/hal/hal_storage_<driver>.c`.
    """

    driver: str
    origin: int
    size: int
    sector: int


@dataclass(frozen=True)
class Watchdog:
    """A watchdog whose base address differs between boards of one driver. hz: its rate."""

    base: int
    hz: int


@dataclass(frozen=True)
class Pll:
    """A PLL that makes the core's clock, crystal_hz / m * n / p, and the register fields that this clock requires.

    bypass: another part gives the clock, and there is no crystal. apb1, apb2: the divisors of the two buses' clocks.
    wait_states: the flash's. voltage_scale: the regulator's field VOS. overdrive: the regulator's range above VOS.
    """

    crystal_hz: int
    bypass: bool
    m: int
    n: int
    p: int
    apb1: int
    apb2: int
    wait_states: int
    voltage_scale: int
    overdrive: bool


@dataclass(frozen=True)
class Clock:
    """The core's clock: `driver` names `firmware/hal/clock_<driver>.c`. pll: None on a part without one."""

    driver: str
    pll: Pll | None


@dataclass(frozen=True)
class Led:
    """A light. pin: numbered as the driver does. active_low: whether the light shines at 0."""

    pin: int
    active_low: bool


@dataclass(frozen=True)
class Upload:
    """A way to flash a real board: the command, and the text for its $PROBE where the user named a probe, $ID."""

    method: str
    command: str
    probe: str | None


@dataclass(frozen=True)
class Budget:
    """The default limits for a model together with the code around it.

    cpu: the share of the core's clock, with one cycle for each instruction; None for no limit. flash, ram: bytes.
    """

    cpu: float | None
    flash: int
    ram: int


DWT_CYCCNT = 0xE0001004
"""The address of the core's own cycle counter."""


@dataclass(frozen=True)
class Board:
    """One row of boards.toml. A virtual board has a `qemu_machine`, a real one at least one of `uploads`.

    proof_hz: the clock at which a virtual board must keep up with real time; None for the clock that it runs at.
    note: what the board is good for, for the docs. usb: vid:pid, in hexadecimal, of the probes and serial ports that
    the board may be behind.
    """

    name: str
    title: str
    note: str
    core: str
    fpu: str | None
    clock_hz: int
    clock: Clock | None
    stack_bytes: int
    ring_bytes: int
    flash: Memory
    ram: Memory
    uart: Uart
    watchdog: Watchdog | None
    tick: Tick
    led: Led | None
    budget: Budget
    usb: tuple[str, ...]
    qemu_machine: str | None
    proof_hz: int | None
    uploads: tuple[Upload, ...]
    slots: Slots | None = None

    @property
    def firmware_flash_bytes(self) -> int:
        """The bytes of flash below the slots, which firmware with slots may fill."""
        inside = self.slots is not None and 0 <= self.slots.origin - self.flash.origin < self.flash.size
        return self.slots.origin - self.flash.origin if self.slots is not None and inside else self.flash.size

    @property
    def cpu_flags(self) -> tuple[str, ...]:
        """The options that tell compiler and linker about the core."""
        floats = ("-mfloat-abi=soft",) if self.fpu is None else (f"-mfpu={self.fpu}", "-mfloat-abi=hard")
        return (f"-mcpu={self.core}", "-mthumb", *floats)

    @property
    def linker_symbols(self) -> dict[str, str]:
        """The memory map as symbols for the linker script."""
        return {
            "__flash_origin": f"{self.flash.origin:#010x}",
            "__flash_size": f"{self.flash.size:#010x}",
            "__ram_origin": f"{self.ram.origin:#010x}",
            "__ram_size": f"{self.ram.size:#010x}",
            "__stack_size": f"{self.stack_bytes:#010x}",
            "__firmware_end": f"{self.flash.origin + self.firmware_flash_bytes:#010x}",
        }

    def sources(self) -> tuple[str, ...]:
        """Return the files, relative to the project, between firmware and board: start-up, HAL, drivers."""
        storage: tuple[str, ...] = ()
        if self.slots is not None:
            storage = ("firmware/hal/hal_storage.c", f"firmware/hal/hal_storage_{self.slots.driver}.c")
        return (
            "firmware/boards/startup.c",
            "firmware/hal/hal_cortexm.c",
            f"firmware/hal/hal_{self.uart.driver}.c",
            f"firmware/hal/clock_{self.clock.driver if self.clock else 'fixed'}.c",
            *storage,
        )

    def compile_command(self, root: Path, output: Path, sources: list[Path]) -> list[str]:
        """Return the command that builds `sources` on top of the HAL without PlatformIO: same flags, same link."""
        folders = [f"firmware/{folder}" for folder in INCLUDE_FOLDERS] + [f"firmware/boards/{self.name}"]
        return [
            CROSS_COMPILER,
            *self.cpu_flags,
            *C_FLAGS,
            *(f"-I{root / folder}" for folder in folders),
            *LINK_FLAGS,
            *(f"-Wl,--defsym={symbol}={value}" for symbol, value in self.linker_symbols.items()),
            f"-T{root / LINKER_SCRIPT}",
            *(str(root / source) for source in self.sources()),
            *map(str, sources),
            "-o",
            str(output),
        ]

# SPDX-License-Identifier: Apache-2.0
"""List the devices attached to this machine: serial ports, debug probes, running emulators, and their users."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from serial.tools.list_ports import comports

from blsh_hil.boards.board import Board
from blsh_hil.link.board_lock import EMULATOR, Entry, entries, openers, port_key
from blsh_trainer.errors import BlshError

USB_DEVICES: Final = Path("/sys/bus/usb/devices")
PROBE: Final = "probe "
"""What the keys of probes' locks begin with; then comes the probe's number, or a board's name if none was given."""


@dataclass(frozen=True)
class Attached:
    """A port, probe or emulator that a board may be behind.

    kind: "port", "probe" or "virtual". boards: the boards of boards.toml that it may be. port: the port's name or URL.
    usb: vid:pid. serial: the USB serial number. product: the name that the device gives itself. held_by: the program
    that uses it, or "". stale: whether that program has ended without giving the lock back.
    """

    kind: str
    boards: tuple[str, ...] = ()
    port: str = ""
    usb: str = ""
    serial: str = ""
    product: str = ""
    held_by: str = ""
    stale: bool = False


def attached(boards: Mapping[str, Board], usb_devices: Path = USB_DEVICES) -> list[Attached]:
    """List serial ports, probes of known boards without a port, running emulators, and other locks, held or stale.

    usb_devices: the folder in which the kernel lists USB devices. Without it, probes without a port are not found.
    """
    locks = {entry.holder.key: entry for entry in entries()}
    found = [_port(boards, port, locks) for port in sorted(comports(), key=lambda port: str(port.device))]
    serials = {each.serial for each in found if each.serial}
    found += [probe for probe in _probes(boards, usb_devices, locks) if probe.serial not in serials]
    return found + [_locked_only(entry) for entry in locks.values()]  # locks that belong to no port or probe above


def ports_of(board: Board, serial: str | None = None) -> list[str]:
    """Return the serial ports that `board` may be behind, by its USB ids and, if given, the serial number."""
    return [
        each.port
        for each in attached({board.name: board})
        if each.kind == "port" and each.boards and (serial is None or each.serial.lower() == serial.lower())
    ]


def find_port(board: Board, serial: str | None = None) -> str:
    """Return the one serial port that `board` can be behind. Raises BlshError for none, or more than one."""
    found = ports_of(board, serial)
    if len(found) == 1:
        return found[0]
    what = f"{board.name} is a real board: give its serial port with --port, /dev/tty... or COM3"
    if found:
        raise BlshError(f"{what}; it may be {' or '.join(found)}")
    wanted = f" with the USB ids {' or '.join(board.usb)}" if board.usb else ""
    of_probe = f" and the serial number {serial}" if serial else ""
    raise BlshError(f"{what}; none{wanted}{of_probe} is attached (`blsh boards` lists what is)")


def _port(boards: Mapping[str, Board], port: Any, locks: dict[str, Entry]) -> Attached:
    usb = "" if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}"
    entry = locks.pop(port_key(port.device) or "", None)
    others = [] if entry is not None and not entry.stale else openers(Path(port.device))
    held_by = "; ".join(f"`{command}` (pid {pid})" for pid, command in others)
    return Attached(
        kind="port",
        boards=_candidates(boards, usb),
        port=port.device,
        usb=usb,
        serial=port.serial_number or "",
        product=port.product or port.description or "",
        held_by=held_by or (str(entry.holder) if entry else ""),
        stale=entry is not None and entry.stale and not held_by,
    )


def _probes(boards: Mapping[str, Board], usb_devices: Path, locks: dict[str, Entry]) -> list[Attached]:
    found = []
    for folder in sorted(usb_devices.glob("*")):
        usb = f"{_text(folder / 'idVendor')}:{_text(folder / 'idProduct')}"
        names = _candidates(boards, usb)
        if names:
            serial = _text(folder / "serial")
            entry = locks.pop(PROBE + serial, None)
            held_by, stale = (str(entry.holder), entry.stale) if entry else ("", False)
            found.append(Attached("probe", names, "", usb, serial, _text(folder / "product"), held_by, stale))
    return found


def _locked_only(entry: Entry) -> Attached:
    holder = entry.holder
    kind = "virtual" if holder.key.startswith(EMULATOR) else holder.key.split()[0]
    named = holder.key.removeprefix(PROBE) if kind == "probe" else ""
    names = (holder.board,) if holder.board else ()
    return Attached(kind, names, port=holder.url, serial=named, held_by=str(holder), stale=entry.stale)


def _candidates(boards: Mapping[str, Board], usb: str) -> tuple[str, ...]:
    return tuple(name for name, board in boards.items() if usb in board.usb)


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""

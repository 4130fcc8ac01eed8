# SPDX-License-Identifier: Apache-2.0
"""The errors of boards: one class for each fault that the user mends in another way."""

from blsh_hil.wire.codes import INTEGRITY_TEXT, ErrorCode, FaultReason, Integrity
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Error, Fault
from blsh_trainer.errors import BlshError


class BoardError(BlshError):
    """A fault of a board, or of the way to it."""


class PortError(BoardError):
    """The port cannot be opened."""


class BusyError(BoardError):
    """Another program talks to the board."""


class TransportError(BoardError):
    """A request or its answer did not get through. No other error is a reason to ask again."""

    counted_as = "damaged"  # the field of LinkCounts that counts it


class NoAnswerError(TransportError):
    """The board was silent for too long."""

    counted_as = "silent"


class GarbageError(BoardError):
    """Bytes come, but no frame: the rate is another, or the device is no board."""


class EchoError(BoardError):
    """Our own requests come back: the port is looped, and no board is behind it."""


class DamagedError(TransportError):
    """A frame was damaged on its way to the board or from it."""


class LostError(TransportError):
    """A hop or its answer did not arrive, though a later one did."""

    counted_as = "lost"


class ConnectionClosedError(TransportError):
    """The other end of the connection has gone."""

    counted_as = "closed"


class RestartedError(TransportError):
    """The board has started again: earlier requests and its stream are lost."""

    counted_as = "restarted"


class StreamLostError(BoardError):
    """The board no longer has the stream, and it cannot be played again."""


class IntegrityError(BoardError):
    """The board found its model, dictionary or stack damaged: its audio is not denoised."""

    def __init__(self, url: str, integrity: int) -> None:
        self.integrity = Integrity(integrity)
        reasons = "; ".join(INTEGRITY_TEXT[flag] for flag in self.integrity) or f"reason {integrity:#x}"
        super().__init__(
            f"{url}: the board passes audio through unprocessed: {reasons}. Flash its firmware again (`blsh flash`); "
            "if it comes back, the part's flash or RAM is bad, or stack_bytes in boards.toml is too small"
        )


class ProtocolVersionError(BoardError):
    """The board's firmware speaks another version of the protocol."""


class MismatchError(BoardError):
    """The board runs another firmware or model than the expected one."""


class RefusedError(BoardError):
    """The board answered ERROR."""

    def __init__(self, url: str, error: Error) -> None:
        request = Message.BY_TYPE.get(error.request_type)
        name = request.name() if request else f"request {error.request_type:#04x}"
        self.code = next((code for code in ErrorCode if code == error.code), None)
        self.detail = error.detail
        code = self.code.name if self.code else f"code {error.code}"
        text = error.text.decode("ascii", "replace")
        super().__init__(f"{url}: the board refuses {name}: {text} ({code}, detail {error.detail:#x})")


class FaultError(BoardError):
    """The processor took a fault. `fault` holds its registers."""

    def __init__(self, url: str, fault: Fault) -> None:
        self.fault = fault
        names = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
        registers = " ".join(f"{name}={value:08x}" for name, value in zip(names, fault.registers, strict=True))
        watchdog = fault.reason == FaultReason.WATCHDOG
        cause = "watchdog found it at work on one request for too long" if watchdog else "processor took a fault"
        super().__init__(
            f"{url}: the board's {cause} and starts again: {registers} "
            f"cfsr={fault.cfsr:08x} bfar={fault.bfar:08x}; "
            "find the line with: arm-none-eabi-addr2line -e firmware.elf "
            f"{fault.registers[6]:#x}"
        )

# SPDX-License-Identifier: Apache-2.0
"""Run a board in the emulator: QEMU runs the firmware, and its serial port can be opened like any other.

    with VirtualBoard(board, elf) as virtual:
        port = serial.serial_for_url(virtual.url)

Two kinds of port: a TCP socket (`socket://127.0.0.1:PORT`, the default) and a pseudo-terminal (`/dev/pts/N`),
which pyserial treats like a real `/dev/tty*`. As on a real board, what the firmware sends before the port
is opened is lost.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

from blsh_hil.boards.board import Board
from blsh_hil.link.child_process import STOP_TIMEOUT_S, ChildBoard, die_with_parent
from blsh_trainer.errors import BlshError

QEMU = "qemu-system-arm"
START_TIMEOUT_S = 20.0
_ELF32_LITTLE_ENDIAN = b"\x7fELF\x01\x01\x01"
_ARM_PROGRAM = (2, 40)  # e_type ET_EXEC, e_machine EM_ARM


class VirtualBoard(ChildBoard):
    """A virtual board. The emulator runs while the `with` block does, and is gone afterwards.

    board: a board of boards.toml with a QEMU machine. elf: its firmware.
    link: "socket" or "pty", the kind of serial port behind `url`.
    icount_shift: count instructions instead of following the host's clock. Each takes 2^shift ns of the board's time,
        so `hal_ticks` repeats exactly. Serial input is slow then: for measuring only.
    extra_args: more arguments for QEMU, for example `-plugin`.
    restarts: whether restart() is possible; the program that runs the board restarts it on SIGHUP.

    The emulator also dies with the thread that started it, if that ends without leaving the `with` block.
    Raises BlshError if the board is not virtual, QEMU is missing, or it ends before the firmware runs.
    """

    def __init__(
        self,
        board: Board,
        elf: Path,
        *,
        link: Literal["socket", "pty"] = "socket",
        icount_shift: int | None = None,
        extra_args: Sequence[str] = (),
        restarts: bool = False,
    ) -> None:
        super().__init__()
        self.name = board.name
        self.board = board
        self.elf = elf
        self.link = link
        self.icount_shift = icount_shift
        self.extra_args = tuple(extra_args)
        self.restarts = restarts
        self._uart: tuple[list[str], int] | None = None
        self._control: socket.socket | None = None
        self._monitor: _Control | None = None

    def restart(self) -> None:
        """Start the emulator anew, with the present ELF file, behind the same url. Needs `restarts`.

        Raises BlshError if the emulator does not come up.
        """
        assert self._uart is not None and self._stderr is not None, "made with restarts=True, and entered"
        self._stop()
        with ExitStack() as cleanup:
            self._process = self._spawned(*self._uart, self._stderr, cleanup)
            self._show()
            self._started()
            self._cleanup.push(cleanup.pop_all())

    def _start(self, output: IO[bytes], cleanup: ExitStack) -> tuple[str, subprocess.Popen[bytes]]:
        with ExitStack() as inherited:
            kept = cleanup if self.restarts else inherited
            uart, uart_handle, url = (self._pty if self.link == "pty" else self._listener)(cleanup, kept)
            self._uart = uart, uart_handle
            return url, self._spawned(uart, uart_handle, output, cleanup)

    def _spawned(
        self, uart: list[str], uart_handle: int, output: IO[bytes], cleanup: ExitStack
    ) -> subprocess.Popen[bytes]:
        command = self.command()
        ours, theirs = socket.socketpair()
        self._control = cleanup.enter_context(ours)
        with theirs:
            command += ["-chardev", f"socket,id=control,fd={theirs.fileno()}", "-mon", "control,mode=control"]
            command += [*uart, "-serial", "chardev:uart"]
            return _spawn(command, [theirs.fileno(), uart_handle], output)

    def _started(self) -> None:
        assert self._control is not None
        self._monitor = _Control(self._control, self._ended)
        self._monitor.execute("cont")
        self._monitor.execute("query-status")

    def press_reset(self) -> None:
        """Reset the board at once, as its button does, whatever the board is doing. RAM keeps its contents."""
        if self._monitor is None:
            raise RuntimeError("a VirtualBoard has a reset button inside its `with` block only")
        self._monitor.execute("system_reset")

    def _listener(self, _cleanup: ExitStack, kept: ExitStack) -> tuple[list[str], int, str]:
        """Open a TCP port before QEMU starts, so that no other program can take the port meanwhile."""
        listener = kept.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        # without nodelay, each answer waits 40 ms until the host has acknowledged its first byte
        options = f"socket,id=uart,fd={listener.fileno()},server=on,wait=off,nodelay=on"
        return ["-chardev", options], listener.fileno(), url

    def _pty(self, cleanup: ExitStack, kept: ExitStack) -> tuple[list[str], int, str]:
        """Open a pseudo-terminal, and keep the user's end open.

        QEMU's own pseudo-terminal (`-serial pty`) looks only once a second whether a program has opened it, and drops
        all bytes until then. This one is handed to QEMU as a plain serial device and has neither fault.
        """
        if sys.platform != "win32":  # where no virtual board runs
            import tty

            emulators_end, users_end = os.openpty()
            kept.callback(os.close, emulators_end)
            cleanup.callback(os.close, users_end)
            tty.setraw(users_end)
            options = ["-add-fd", f"fd={emulators_end},set=1", "-chardev", "serial,id=uart,path=/dev/fdset/1"]
            return options, emulators_end, os.ttyname(users_end)
        else:
            raise BlshError("Windows has no pseudo-terminals")

    def command(self) -> list[str]:
        """Return QEMU's command, without the serial port. Raises BlshError if the firmware cannot be run."""
        if self.board.qemu_machine is None:
            raise BlshError(f"board {self.board.name!r} is a real one; only a board with `qemu` can be emulated")
        if self.link not in ("socket", "pty"):
            raise BlshError(f"link is {self.link!r}; expected 'socket' or 'pty'")
        _check_firmware(self.elf)
        program = shutil.which(QEMU)
        if program is None:
            raise BlshError(f"{QEMU} is missing; install the Debian package qemu-system-arm (or `make setup`)")
        command = [program, "-machine", self.board.qemu_machine, "-kernel", str(self.elf)]
        # -S: the firmware waits for `cont`. Until then the emulator has shown that it can build the machine.
        command += ["-S", "-display", "none", "-nodefaults", "-no-user-config"]
        if self.icount_shift is not None:
            command += ["-icount", f"shift={self.icount_shift},align=off,sleep=off"]
        return command + list(self.extra_args)

    def _ended(self) -> BlshError:
        """Return the error for an emulator that closed its control channel."""
        process = self.process
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return BlshError(f"{QEMU} does not answer; it wrote: {self.stderr_tail() or '(nothing)'}")
        said = self.stderr_tail(60) or "(nothing)"  # 60 lines hold its whole dump of the registers
        return BlshError(
            f"{QEMU} ended with exit code {code}; expected it to run {self.elf} on machine "
            f"{self.board.qemu_machine!r}. It wrote: {said}"
        )


class _Control:
    """QEMU's control channel (QMP): JSON objects, one to a line. `ended` makes the error for a closed channel."""

    def __init__(self, connection: socket.socket, ended: Callable[[], BlshError]) -> None:
        connection.settimeout(START_TIMEOUT_S)
        self._stream = connection.makefile("rwb")
        self._ended = ended
        self._receive()  # the greeting: the machine is built and the firmware loaded
        self.execute("qmp_capabilities")

    def execute(self, command: str) -> Any:
        try:
            self._stream.write(json.dumps({"execute": command}).encode() + b"\n")
            self._stream.flush()
        except OSError as error:
            raise self._ended() from error
        while True:
            answer = self._receive()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"QEMU refuses {command}: {answer['error']}")

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._stream.readline()
        except OSError as error:  # a time-out too
            raise self._ended() from error
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer


def _spawn(command: list[str], handles: list[int], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=handles,
        start_new_session=True,  # Ctrl-C must reach this program alone, which then ends the emulator in order
        preexec_fn=die_with_parent(),
    )


def _check_firmware(elf: Path) -> None:
    """Raise BlshError for a file that is no ARM program: QEMU would run any file as a memory image."""
    try:
        with elf.open("rb") as stream:
            head = stream.read(20)
    except FileNotFoundError as error:
        raise BlshError(f"firmware {elf} does not exist; build it first: blsh build") from error
    except OSError as error:
        raise BlshError(f"cannot read firmware {elf}: {error.strerror or error}; build it again: blsh build") from error
    if len(head) < 20 or head[:7] != _ELF32_LITTLE_ENDIAN or struct.unpack_from("<HH", head, 16) != _ARM_PROGRAM:
        raise BlshError(f"firmware {elf} is not an ELF program for ARM; build it again: blsh build")

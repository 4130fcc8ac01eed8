# SPDX-License-Identifier: Apache-2.0
"""Put the built image on a board, and believe that it is there only when HELLO says so."""

import os
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from blsh_codegen.project import project_root
from blsh_firmware.build.images import Image, built_image, elf_path
from blsh_firmware.build.platformio import PLAIN_PATH, upload_firmware
from blsh_hil.boards.attached import PROBE, find_port
from blsh_hil.boards.board import Board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import BoardError, ConnectionClosedError, GarbageError, NoAnswerError, PortError
from blsh_hil.link.board_lock import EMULATOR, Entry, Lock, entries, port_key
from blsh_hil.link.client import BoardClient
from blsh_hil.link.port import Port
from blsh_hil.link.retry import Timeouts
from blsh_hil.wire.messages import HelloReply
from blsh_tools.boards.last_times import keep_time, last_time_s
from blsh_tools.boards.upload_command import UploadCommand, upload_command
from blsh_tools.console import say
from blsh_tools.options.flash import FlashOptions
from blsh_trainer.errors import BlshError

_AGAIN_S = 0.1
_NOT_YET = (PortError, ConnectionClosedError, NoAnswerError, GarbageError)
"""The errors of a port while its board, or the adapter in between, starts again."""


def planned_command(board: Board, options: FlashOptions) -> dict[str, Any]:
    """Return the command that flash_board would run, as JSON values, and run nothing.

    Raises BlshError for options that do not fit the board.
    """
    elf = elf_path(board)
    if board.qemu_machine is None:
        command = upload_command(board, _as_told(elf), options.method, options.probe)
        return {"board": board.name, "method": command.method, "command": str(command), "words": list(command.words)}
    _refuse_real_options(board, options)
    words = VirtualBoard(board, elf).command()
    return {"board": board.name, "method": "emulator", "command": shlex.join(words), "words": words}


def flash_board(board: Board, options: FlashOptions | None = None) -> dict[str, Any]:
    """Flash the image that `blsh build` made. Return what the board's HELLO says, as JSON values.

    A virtual board that `blsh emulate` runs is restarted with the image. If none runs, one is started to try the image.
    Raises BlshError if there is no current image, if the upload fails or takes too long, if no answer comes, and
    if the board that answers runs something else.
    """
    options = options or FlashOptions()
    if board.qemu_machine is None:
        upload_command(board, elf_path(board), options.method, options.probe)  # refuses unfit options first
    else:
        _refuse_real_options(board, options)
    image = built_image(board)
    return _flash_real(image, options) if board.qemu_machine is None else _flash_virtual(image, options)


def _refuse_real_options(board: Board, options: FlashOptions) -> None:
    for name, value in (("probe", options.probe), ("method", options.method)):
        if value is not None:
            raise BlshError(f"--{name} {value}: {board.name} is a virtual board, which needs neither probe nor method")


def _flash_real(image: Image, options: FlashOptions) -> dict[str, Any]:
    board = image.board
    command = upload_command(board, _as_told(image.elf), options.method, options.probe)
    command.require()
    port = options.port or find_port(board, options.probe)
    with ExitStack() as held:
        held.enter_context(Lock(PROBE + (options.probe or f"of {board.name}"), board=board.name))
        _lock_port(port, board, held)
        took_s = _upload(image, command, options.timeouts.flash)
        say(f"{board.name}: flashed by {command.method} in {took_s:.1f} s; waits for its answer")
        return _answer(port, image, options.timeouts.boot)


def _as_told(elf: Path) -> Path:
    """Return `elf` as a program that flashes takes it: relative to the project, if its path has unusual characters."""
    return elf if PLAIN_PATH.fullmatch(str(elf)) else elf.relative_to(project_root())


def _upload(image: Image, command: UploadCommand, timeout_s: float) -> float:
    """Run `command`, tell how long that took the last time, and return the seconds that it took now."""
    root, work = project_root(), f"flash {image.board.name} by {command.method}"
    last_s = last_time_s(root, work)
    known = "not timed here before" if last_s is None else f"{last_s:.1f} s the last time"
    say(f"{image.board.name}: {image.size.flash_bytes:,} bytes, {known}: {command}")
    begun = time.monotonic()
    upload_firmware(image.board, command.words, timeout_s=timeout_s, log=say, root=root)
    took_s = time.monotonic() - begun
    keep_time(root, work, took_s)
    return took_s


def _flash_virtual(image: Image, options: FlashOptions) -> dict[str, Any]:
    running = _running(image.board, options.port)
    if running is not None:
        with ExitStack() as held:
            url = running.holder.url
            _lock_port(url, image.board, held)
            _restart(running, time.monotonic() + options.timeouts.boot)
            say(f"{image.board.name}: the emulator at {url} was restarted")
            return _answer(url, image, options.timeouts.boot)
    if options.port is not None:  # the emulator belongs to another program
        with ExitStack() as held:
            _lock_port(options.port, image.board, held)
            return _ask(options.port, image, options.timeouts.boot)
    with VirtualBoard(image.board, image.elf) as virtual, ExitStack() as held:
        _lock_port(virtual.url, image.board, held)
        try:
            return _ask(virtual.url, image, options.timeouts.boot)
        except BoardError:
            virtual.check()
            raise


def _lock_port(port: str, board: Board, held: ExitStack) -> None:
    key = port_key(port)
    if key is not None:
        held.enter_context(Lock(key, board=board.name, url=port))


def _running(board: Board, port: str | None) -> Entry | None:
    """Return the emulator of `board` that `blsh emulate` runs, behind `port` if given; None if there is none."""
    found = [
        entry
        for entry in entries()
        if entry.holder.restarts and not entry.stale and entry.holder.board == board.name
        if port is None or port_key(port) == port_key(entry.holder.url)
    ]
    if len(found) > 1:
        urls = " or ".join(entry.holder.url for entry in found)
        raise BlshError(f"{len(found)} emulators of {board.name} run; say which with --port {urls}")
    return found[0] if found else None


def _restart(running: Entry, deadline: float) -> None:
    """Ask the program that runs the emulator to restart it, and wait until the new one is there."""
    if sys.platform != "win32":  # no emulator runs there
        os.kill(running.holder.pid, signal.SIGHUP)
    while time.monotonic() < deadline:
        for entry in entries():
            ours = entry.holder.pid == running.holder.pid and entry.holder.key.startswith(EMULATOR)
            if ours and not entry.stale and entry.holder.key != running.holder.key:
                return
        time.sleep(_AGAIN_S)
    raise BlshError(f"{running.holder} did not restart its emulator; read what it prints, or end it")


def _answer(port: str, image: Image, boot_s: float) -> dict[str, Any]:
    """Return the board's HELLO once it has started again. The caller holds the port's lock."""
    deadline = time.monotonic() + boot_s
    while True:
        try:
            return _ask(port, image, max(deadline - time.monotonic(), _AGAIN_S))
        except _NOT_YET as error:
            if time.monotonic() + _AGAIN_S >= deadline:
                raise type(error)(f"{error}; the board did not say within {boot_s:g} s what it runs") from error
            time.sleep(_AGAIN_S)


def _ask(port: str, image: Image, left_s: float) -> dict[str, Any]:
    """Return the board's HELLO. The caller holds the port's lock."""
    with BoardClient(Port(port, baud=image.board.uart.baud, locked=True), Timeouts(boot=left_s)) as client:
        hello = image.expected.require(client)
        trouble = _clock_trouble(client, image.board, hello)
    if trouble:
        say(f"{port}: the core runs at {hello.core_hz / 1e6:g} MHz, not {image.board.clock_hz / 1e6:g}: {trouble}")
    return {
        "board": hello.board,
        "core": hello.core,
        "core_hz": hello.core_hz,
        "clock": trouble or "as in boards.toml",
        "firmware": hello.version,
        "build_id": f"{hello.build_id:08x}",
        "model": hello.model,
        "model_sha256": hello.model_sha256.hex(),
        "dictionary_entries": hello.entries,
        "dictionary_crc32": f"{hello.dictionary_crc32_now:08x}",
    }


def _clock_trouble(client: BoardClient, board: Board, hello: HelloReply) -> str:
    """Return why the core's clock is not that of boards.toml, in the words of its start-up; "" if it is."""
    if hello.core_hz == board.clock_hz or hello.board != board.name:
        return ""
    client.logs.clear()
    client.reset()
    client.hello()
    said = [line for line in client.logs if line.startswith("clock: ")]
    return said[-1].removeprefix("clock: ") if said else "it does not say why"

# SPDX-License-Identifier: Apache-2.0
"""Check that the search gives the same answers on every kind of core: plain Thumb, Thumb-2 and Helium, emulated."""

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from blsh_codegen.host_core import FLAGS
from blsh_codegen.project import project_root
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import QEMU

from .marks import needs_emulator

DICTIONARIES = 400
SOURCES = ("core/blsh_search.c", "bench/search_check.c", "bench/plain_scan.c")

M0 = replace(find_board("mps2-an385"), core="cortex-m0")  # on a machine with more RAM than the micro:bit's
CORES = [
    pytest.param(M0, (), id="cortex-m0"),
    pytest.param(find_board("mps2-an385"), (), id="cortex-m3"),
    pytest.param(find_board("mps2-an386"), (), id="cortex-m4"),
    pytest.param(find_board("mps3-an547"), (), id="cortex-m55"),
    pytest.param(find_board("mps2-an386"), ("-DBLSH_NO_ASM",), id="cortex-m4 without assembler"),
    pytest.param(find_board("mps3-an547"), ("-DBLSH_NO_ASM",), id="cortex-m55 without assembler"),
    pytest.param(find_board("mps3-an547"), ("-O0",), id="cortex-m55 without optimisation"),
    pytest.param(find_board("mps3-an547"), ("-fno-omit-frame-pointer",), id="cortex-m55 with frame pointers"),
]

pytestmark = [pytest.mark.heavy, needs_emulator]


@pytest.fixture(scope="module")
def on_the_host(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return the checksum of all answers on this machine, where tests compare the same search with numpy."""
    library = tmp_path_factory.mktemp("host") / "check.so"
    firmware = project_root() / "firmware"
    folders = [f"-I{firmware / folder}" for folder in ("core", "bench")]
    sources = [str(firmware / source) for source in SOURCES]
    subprocess.run(["gcc", *FLAGS, *folders, *sources, "-o", str(library)], check=True)
    check = ctypes.CDLL(str(library)).search_check
    check.restype = ctypes.c_uint32
    return int(check(1, DICTIONARIES))


@pytest.mark.parametrize(("board", "flags"), CORES)
def test_search_is_the_plain_scan_s_on_this_core(
    board: Board, flags: tuple[str, ...], on_the_host: int, tmp_path: Path
) -> None:
    firmware = project_root() / "firmware"
    image = tmp_path / "check.elf"
    sources = [firmware / source for source in (*SOURCES, "bench/search_check_main.c")]
    command = board.compile_command(project_root(), image, sources)
    command += [
        *flags,
        f"-I{firmware / 'bench'}",
        "-UBLSH_MODEL_LIMITS",
        f"-DSEARCH_CHECK_DICTIONARIES={DICTIONARIES}u",
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    assert board.qemu_machine is not None
    silent = ["-display", "none", "-monitor", "none", "-serial", "none"]
    emulator = [QEMU, "-machine", board.qemu_machine, *silent, "-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        [*emulator, "-kernel", str(image)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout + done.stderr == f"ok {on_the_host:08x}\n"

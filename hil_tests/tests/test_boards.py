# SPDX-License-Identifier: Apache-2.0
"""Check what boards.toml must hold, and that the committed files are those written from it."""

import re
from pathlib import Path

import pytest

from blsh_codegen.project import project_root
from blsh_hil.boards import docs_tables
from blsh_hil.boards.build_files import render_board_header, render_platformio_ini, rendered_files
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.written_files import write_generated_files, written_files
from blsh_hil.wire import spec_tables
from blsh_hil.wire.markdown import BEGIN, END
from blsh_trainer.errors import BlshError

ROW = """\
[nucleo]
title = "A board"
note = "A note"
core = "cortex-m0"
clock_hz = 16_000_000
stack_bytes = 0x1000
ring_bytes = 1024
flash = { origin = 0x08000000, size = 0x10000 }
ram = { origin = 0x20000000, size = 0x4000 }
uart = { driver = "stm32", base = 0x40011000, rx_irq = 37, baud = 115_200 }
tick = { counter = 0x40000024, hz = 1_000_000 }
upload = [{ method = "openocd", command = "openocd $SOURCE" }]
"""
UPLOAD = ROW.splitlines()[-1]
QEMU = 'qemu = { machine = "part", proof_hz = 16_000_001 }'


def load(tmp_path: Path, text: str) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(text, encoding="utf-8")
    load_boards(table)


def test_committed_files_equal_what_the_table_gives() -> None:
    root, files = project_root(), written_files(project_root())
    assert {docs_tables.DOCUMENT, spec_tables.DOCUMENT, "platformio.ini"} <= set(files)
    stale = [
        name
        for name, text in files.items()
        if not name.startswith("firmware/generated/")  # git ignores it, and the next generate or build renews it
        and (not (root / name).is_file() or (root / name).read_bytes() != text.encode())
    ]
    assert not stale, f"{stale} differ from boards.toml or the protocol; run blsh boards --write"


def test_only_stale_files_are_written(tmp_path: Path) -> None:
    """A project without documents has the files of its boards alone; the written part of a document is renewed."""
    (tmp_path / "boards.toml").write_text(ROW, encoding="utf-8")
    board_files = {"platformio.ini", "firmware/boards/nucleo/board.h", "firmware/platform/boards/nucleo.json"}
    assert {path.as_posix() for path in write_generated_files(tmp_path)} == board_files
    assert write_generated_files(tmp_path) == []
    document = tmp_path / docs_tables.DOCUMENT
    document.parent.mkdir()
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n", encoding="utf-8")
    assert write_generated_files(tmp_path) == [Path(docs_tables.DOCUMENT)]
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("behind\n")
    assert "old" not in text and "`nucleo`: A board" in text


def test_no_board_file_is_left_of_a_board_that_is_gone() -> None:
    root = project_root()
    written = {path.relative_to(root).as_posix() for path in root.glob("firmware/platform/boards/*.json")}
    written |= {path.relative_to(root).as_posix() for path in root.glob("firmware/boards/*/board.h")}
    assert written <= set(rendered_files(load_boards()))


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BlshError, match=r"'arduino' is unknown; known boards: .*mps2-an386"):
        find_board("arduino")


def test_cpu_flags_follow_the_fpu(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(ROW, encoding="utf-8")
    assert load_boards(table)["nucleo"].cpu_flags == ("-mcpu=cortex-m0", "-mthumb", "-mfloat-abi=soft")
    assert "-mfloat-abi=hard" in find_board("mps2-an386").cpu_flags


def test_a_virtual_board_may_be_proven_at_a_faster_clock(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(ROW.replace(UPLOAD, QEMU), encoding="utf-8")
    assert load_boards(table)["nucleo"].proof_hz == 16_000_001
    table.write_text(ROW.replace(UPLOAD, 'qemu = { machine = "part" }'), encoding="utf-8")
    assert load_boards(table)["nucleo"].proof_hz is None
    assert all(board.proof_hz is None for board in load_boards().values() if board.uploads)


def test_uart_divides_its_own_clock_or_the_cores(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(ROW, encoding="utf-8")
    board = load_boards(table)["nucleo"]
    assert board.uart.clock_hz == board.clock_hz
    assert "BOARD_UART_TX_PIN" not in render_board_header(board)
    table.write_text(ROW.replace("baud = 115_200", "baud = 115_200, clock_hz = 8_000_000, tx_pin = 2, rx_pin = 3"))
    header = render_board_header(load_boards(table)["nucleo"])
    for name, value in {"CLOCK_HZ": "8000000u", "TX_PIN": "0x2u", "RX_PIN": "0x3u"}.items():
        assert re.search(rf"#define BOARD_UART_{name} +{value}\n", header)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('core = "cortex-m0"\n', "", r"\[nucleo\]: field 'core' is missing"),
        ("clock_hz = 16_000_000", 'clock_hz = "fast"', r"clock_hz = 'fast'; expected an integer from"),
        ("rx_irq = 37", "rx_irq = 96", r"uart rx_irq = 96; expected an integer from 0x0 to 0x5f"),
        ("rx_irq = 37", "rx_irq = true", r"rx_irq = True; expected an integer"),
        ('title = "A board"', 'title = "A\\nboard"', "expected one line of text"),
        ('title = "A board"', 'title = "A board"\ncolour = "red"', "unknown field 'colour'"),
        ("size = 0x10000 }", "size = 0x10000, wait = 2 }", r"flash: unknown field 'wait'"),
        ("flash = {", "flash = 5 # {", r"flash is 5; expected a table"),
        (UPLOAD, "", "expected either `qemu` or `upload`"),
        ("stack_bytes = 0x1000", "stack_bytes = 0x1004", "expected a multiple of 8"),
        ("stack_bytes = 0x1000", "stack_bytes = 0x8000", "at most the RAM of 0x4000"),
        ("ring_bytes = 1024", "ring_bytes = 512", r"ring_bytes = 512; expected an integer from 0x400"),
        ("ring_bytes = 1024", "ring_bytes = 3000", r"ring_bytes = 3000; expected a power of two"),
        ("baud = 115_200", "baud = 115_200, tx_pin = 256", r"uart tx_pin = 256; expected an integer from 0x0 to 0xff"),
        (
            UPLOAD,
            QEMU.replace("16_000_001", "15_999_999"),
            r"qemu proof_hz = 15999999; expected an integer from 0xf42400",
        ),
        (UPLOAD, QEMU.replace("proof_hz", "proof"), r"qemu: unknown field 'proof'"),
        ("[nucleo]", "[Nucleo_F4]", "expected a name of small letters"),
        ("[nucleo]", "[nucleo", "not a TOML file"),
    ],
)
def test_a_bad_row_is_refused_by_name(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in ROW
    with pytest.raises(BlshError, match=expected):
        load(tmp_path, ROW.replace(old, new))


REAL_ROW = """\
[disco]
title = "A board"
note = "A note"
core = "cortex-m4"
clock_hz = 168_000_000
clock = { driver = "stm32f4", crystal_hz = 8_000_000, m = 8, n = 336, p = 2, apb1 = 4, apb2 = 2, wait_states = 5, voltage_scale = 1 }
stack_bytes = 0x1000
ring_bytes = 1024
flash = { origin = 0x08000000, size = 0x10000 }
ram = { origin = 0x20000000, size = 0x4000 }
uart = { driver = "stm32f4", base = 0x40004400, rx_irq = 38, baud = 115_200, clock_hz = 42_000_000, tx_pin = 0xa2, rx_pin = 0xa3 }
tick = { counter = 0xe0001004, hz = 168_000_000 }
led = { pin = 0xdc }
budget = { cpu = 0.5, flash = 0x8000 }
usb = ["0483:3748"]
upload = [
    { method = "openocd", command = "openocd $PROBE $SOURCE", probe = "--serial $ID" },
    { method = "st-flash", command = "st-flash $BIN" },
]
"""  # noqa: E501


def test_real_row_is_read_in_full(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(REAL_ROW, encoding="utf-8")
    board = load_boards(table)["disco"]
    assert board.clock is not None and board.clock.pll is not None and board.led is not None
    assert (board.clock.pll.apb1, board.clock.pll.bypass, board.led.active_low) == (4, False, False)
    assert (board.budget.cpu, board.budget.flash, board.budget.ram) == (0.5, 0x8000, board.ram.size)
    assert [upload.probe for upload in board.uploads] == ["--serial $ID", None]
    assert board.sources()[-2:] == ("firmware/hal/hal_stm32f4.c", "firmware/hal/clock_stm32f4.c")
    header = render_board_header(board)
    for name, value in {"PLL_N": "336u", "CRYSTAL_BYPASS": "0u", "LED_PIN": "0xdcu", "TICK_IS_DWT": "1"}.items():
        assert re.search(rf"#define BOARD_{name} +{value}\n", header)


def test_platformio_flashes_by_the_first_way_and_any_probe(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(REAL_ROW, encoding="utf-8")
    assert "upload_command = openocd $SOURCE\n" in render_platformio_ini(load_boards(table))
    table.write_text(REAL_ROW.replace("openocd $PROBE $SOURCE", "$PYTHON -m x $PROBE $HEX"), encoding="utf-8")
    assert "upload_command = $PYTHONEXE -m x $BUILD_DIR/firmware.hex\n" in render_platformio_ini(load_boards(table))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("m = 8", "m = 2", r"clock crystal_hz / m = 4000000; expected 1000000 to 2000000"),
        ("n = 336", "n = 432", r"clock crystal_hz / m \* n / p = 216000000; expected 168000000 to 168000000"),
        ("m = 8, n = 336", "m = 4, n = 336", r"clock crystal_hz / m \* n = 672000000; expected 100000000 to 432000000"),
        ("p = 2", "p = 3", r"clock p = 3; expected 2, 4, 6 or 8"),
        ("apb1 = 4", "apb1 = 3", r"clock apb1 = 3; expected 1, 2, 4, 8 or 16"),
        ("apb1 = 4", "apb1 = 8", r"uart clock_hz = 42000000; expected clock_hz / 8"),
        ("voltage_scale = 1", "voltage_scale = 1, overdrive = 1", r"overdrive = 1; expected true or false"),
        ("counter = 0xe0001004", "counter = 0x40000024", r"tick = .*expected the core's cycle counter, 0xe0001004"),
        ("cpu = 0.5", "cpu = 1.5", r"budget cpu = 1.5; expected a share above 0.0, at most 1.0"),
        ("flash = 0x8000 }", "flash = 0x20000 }", r"budget flash = 131072; expected an integer from 0x1000 to 0x10000"),
        ('"0483:3748"', '"0483-3748"', r"usb = '0483-3748'; expected vendor and product, such as"),
        ('["0483:3748"]', "[]", r"usb = \[\]; expected a list that is not empty"),
        (
            "$PROBE $SOURCE",
            "$SOURCE",
            r"upload probe = '--serial \$ID'; expected \$ID in it, and \$PROBE in the command",
        ),
        ("--serial $ID", "--serial", r"upload probe = '--serial'; expected \$ID in it"),
        ('"st-flash", command', '"openocd", command', r"upload = 'openocd, openocd'; expected each method once"),
        ("led = { pin = 0xdc }", "led = { pin = 0x100 }", r"led pin = 256; expected an integer"),
    ],
)
def test_a_bad_real_row_is_refused_by_name(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in REAL_ROW
    with pytest.raises(BlshError, match=expected):
        load(tmp_path, REAL_ROW.replace(old, new))


def test_missing_table_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match="cannot read"):
        load_boards(tmp_path / "boards.toml")

"""boards.toml: what it must hold, and that the files written from it are the committed ones."""

import re
from pathlib import Path

import pytest

from blsh_hil import boards_docs
from blsh_hil.boards import find_board, load_boards, project_root
from blsh_hil.boards_render import render_board_header, rendered_files
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


def load(tmp_path: Path, text: str) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(text, encoding="utf-8")
    load_boards(table)


def test_committed_files_equal_what_the_table_gives() -> None:
    root = project_root()
    stale = [
        name
        for name, text in rendered_files(load_boards()).items()
        if not (root / name).is_file() or (root / name).read_bytes() != text.encode()
    ]
    assert not stale, f"{stale} differ from boards.toml; run python -m blsh_hil.boards"


def test_tables_of_the_docs_are_those_of_the_table() -> None:
    text = (project_root() / boards_docs.DOCUMENT).read_text(encoding="utf-8")
    assert boards_docs.rewritten(text, load_boards()) == text, "run python -m blsh_hil.boards"


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
        ('upload = [{ method = "openocd", command = "openocd $SOURCE" }]', "", "expected either `qemu` or `upload`"),
        ("stack_bytes = 0x1000", "stack_bytes = 0x1004", "expected a multiple of 8"),
        ("stack_bytes = 0x1000", "stack_bytes = 0x8000", "at most the RAM of 0x4000"),
        ("ring_bytes = 1024", "ring_bytes = 512", r"ring_bytes = 512; expected an integer from 0x400"),
        ("ring_bytes = 1024", "ring_bytes = 3000", r"ring_bytes = 3000; expected a power of two"),
        ("baud = 115_200", "baud = 115_200, tx_pin = 256", r"uart tx_pin = 256; expected an integer from 0x0 to 0xff"),
        ("[nucleo]", "[Nucleo_F4]", "expected a name of small letters"),
        ("[nucleo]", "[nucleo", "not a TOML file"),
    ],
)
def test_a_bad_row_is_refused_by_name(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in ROW
    with pytest.raises(BlshError, match=expected):
        load(tmp_path, ROW.replace(old, new))


def test_missing_table_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match="cannot read"):
        load_boards(tmp_path / "boards.toml")

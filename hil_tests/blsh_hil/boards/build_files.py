# SPDX-License-Identifier: Apache-2.0
"""Render the files that builds need from the table of boards: platformio.ini, PlatformIO's board files, board.h."""

import json

from blsh_hil.boards.board import C_FLAGS, DWT_CYCCNT, INCLUDE_FOLDERS, LINK_FLAGS, LINKER_SCRIPT, Board, Pll, Upload

_NOTE = "GENERATED from boards.toml - do not edit; rewrite with: blsh boards --write"


def render_platformio_ini(boards: dict[str, Board]) -> str:
    """Return the text of platformio.ini: one environment for each board."""
    lines = [
        f"; {_NOTE}",
        "",
        "[platformio]",
        "src_dir = firmware",
        "; PlatformIO's own files stay inside the checkout",
        "core_dir = .pio/core",
        f"default_envs = {', '.join(name for name, board in boards.items() if board.qemu_machine)}",
        "",
        "[env]",
        "platform = symlink://${PROJECT_DIR}/firmware/platform",
        "; otherwise a test folder would make PlatformIO fetch a test framework",
        "test_framework = custom",
        "lib_ldf_mode = off",
        "build_flags =",
        *(f"    {flag}" for flag in C_FLAGS),
        *(f"    -Ifirmware/{folder}" for folder in INCLUDE_FOLDERS),
    ]
    for board in boards.values():
        lines += ["", f"[env:{board.name}]", f"board = {board.name}", f"monitor_speed = {board.uart.baud}"]
        lines += ["build_src_filter ="]
        lines += ["    -<*>", *(f"    +<{folder}/*.c>" for folder in ("core", "app", "generated"))]
        lines += [f"    +<{source.removeprefix('firmware/')}>" for source in board.sources()]
        lines += [f"build_flags =\n    ${{env.build_flags}}\n    -Ifirmware/boards/{board.name}"]
        if board.uploads:
            lines += ["upload_protocol = custom", f"upload_command = {_by_hand(board.uploads[0])}"]
    return "\n".join(lines) + "\n"


def render_board_json(board: Board) -> str:
    """Return the text of `firmware/platform/boards/<name>.json`, which tells PlatformIO about the board."""
    description = {
        "name": board.title,
        "vendor": "blsh-mcu",
        "url": "boards.toml",
        "frameworks": [],
        "build": {
            "mcu": board.core,
            "f_cpu": f"{board.clock_hz}L",
            "cpu_flags": list(board.cpu_flags),
            "link_flags": list(LINK_FLAGS),
            "linker_script": LINKER_SCRIPT,
            "linker_symbols": board.linker_symbols,
        },
        "upload": {
            "maximum_size": board.flash.size,
            "maximum_ram_size": board.ram.size - board.stack_bytes,
            "protocol": "custom" if board.uploads else "none",
            "protocols": ["custom", "none"],
        },
    }
    return json.dumps(description, indent=1) + "\n"


def render_board_header(board: Board) -> str:
    """Return the text of `firmware/boards/<name>/board.h`: the facts that the HAL needs of the board."""
    uart = board.uart
    values = {
        "NAME": f'"{board.name}"',
        "CORE": f'"{board.core}"',
        "CORE_HZ": f"{board.clock_hz}u",
        "RECEIVE_RING_BYTES": f"{board.ring_bytes}u",
        "UART_BASE": f"{uart.base:#010x}u",
        "UART_RX_IRQ": f"{uart.rx_irq}u",
        "UART_BAUD": f"{uart.baud}u",
        "UART_CLOCK_HZ": f"{uart.clock_hz}u",
        "TICK_COUNTER": f"{board.tick.counter:#010x}u /* address of a 32-bit up-counter */",
        "TICK_HZ": f"{board.tick.hz}u",
    }
    pins = {"UART_TX_PIN": uart.tx_pin, "UART_RX_PIN": uart.rx_pin, "LED_PIN": board.led.pin if board.led else None}
    if board.watchdog is not None:
        values |= {"WATCHDOG_BASE": f"{board.watchdog.base:#010x}u", "WATCHDOG_HZ": f"{board.watchdog.hz}u"}
    values |= {name: f"{pin:#x}u" for name, pin in pins.items() if pin is not None}
    if board.slots is not None:
        values |= {
            "SLOT_ORIGIN": f"{board.slots.origin:#010x}u /* of two places for models */",
            "SLOT_BYTES": f"{board.slots.size:#x}u",
            "SECTOR_BYTES": f"{board.slots.sector:#x}u",
        }
    if board.led is not None:
        values["LED_ACTIVE_LOW"] = f"{int(board.led.active_low)}u"
    if board.tick.counter == DWT_CYCCNT:
        values["TICK_IS_DWT"] = "1"
    if board.clock is not None and board.clock.pll is not None:
        values |= _pll_values(board.clock.pll)
    guard = "BLSH_BOARD_" + board.name.upper().replace("-", "_") + "_H"
    lines = ["// SPDX-License-Identifier: Apache-2.0", f"/* {_NOTE} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#define {'BOARD_' + name:<24} {value}" for name, value in values.items()]
    return "\n".join([*lines, "", "#endif", ""])


def _pll_values(pll: Pll) -> dict[str, str]:
    fields = {
        "CRYSTAL_HZ": pll.crystal_hz,
        "CRYSTAL_BYPASS": pll.bypass,
        "PLL_M": pll.m,
        "PLL_N": pll.n,
        "PLL_P": pll.p,
        "APB1_DIVIDER": pll.apb1,
        "APB2_DIVIDER": pll.apb2,
        "FLASH_WAIT_STATES": pll.wait_states,
        "VOLTAGE_SCALE": pll.voltage_scale,
        "OVERDRIVE": pll.overdrive,
    }
    return {name: f"{int(value)}u" for name, value in fields.items()}


def _by_hand(upload: Upload) -> str:
    """Return the command for `pio run -t upload`: it names no probe, and SCons fills in the files."""
    words = {"$PROBE ": "", "$BIN": "$BUILD_DIR/firmware.bin", "$HEX": "$BUILD_DIR/firmware.hex"}
    command = upload.command
    for name, value in words.items():
        command = command.replace(name, value)
    return command.replace("$PYTHON ", "$PYTHONEXE ")


def rendered_files(boards: dict[str, Board]) -> dict[str, str]:
    """Return the text of every file by its path under the project folder."""
    files = {"platformio.ini": render_platformio_ini(boards)}
    for board in boards.values():
        files[f"firmware/platform/boards/{board.name}.json"] = render_board_json(board)
        files[f"firmware/boards/{board.name}/board.h"] = render_board_header(board)
    return files

"""The files that are written from the table of boards: platformio.ini, PlatformIO's board files and board.h."""

import json

from blsh_hil.boards_model import C_FLAGS, INCLUDE_FOLDERS, LINK_FLAGS, LINKER_SCRIPT, Board

_NOTE = "GENERATED from boards.toml - do not edit; rewrite with: python -m blsh_hil.boards"


def render_platformio_ini(boards: dict[str, Board]) -> str:
    """The text of platformio.ini: one environment for each board."""
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
        "monitor_speed = 115200",
        "build_flags =",
        *(f"    {flag}" for flag in C_FLAGS),
        *(f"    -Ifirmware/{folder}" for folder in INCLUDE_FOLDERS),
    ]
    for board in boards.values():
        lines += ["", f"[env:{board.name}]", f"board = {board.name}", "build_src_filter ="]
        lines += ["    -<*>", *(f"    +<{folder}/*.c>" for folder in ("core", "app", "generated"))]
        lines += [f"    +<{source.removeprefix('firmware/')}>" for source in board.sources()]
        lines += [f"build_flags =\n    ${{env.build_flags}}\n    -Ifirmware/boards/{board.name}"]
        if board.upload_command:
            lines += ["upload_protocol = custom", f"upload_command = {board.upload_command}"]
    return "\n".join(lines) + "\n"


def render_board_json(board: Board) -> str:
    """The text of `firmware/platform/boards/<name>.json`, which tells PlatformIO about the board."""
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
            "protocol": "custom" if board.upload_command else "none",
            "protocols": ["custom", "none"],
        },
    }
    return json.dumps(description, indent=1) + "\n"


def render_board_header(board: Board) -> str:
    """The text of `firmware/boards/<name>/board.h`: what the HAL must know of the board."""
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
    pins = {"UART_TX_PIN": uart.tx_pin, "UART_RX_PIN": uart.rx_pin}
    values |= {name: f"{pin:#x}u" for name, pin in pins.items() if pin is not None}
    guard = "BLSH_BOARD_" + board.name.upper().replace("-", "_") + "_H"
    lines = [f"/* {_NOTE} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#define {'BOARD_' + name:<24} {value}" for name, value in values.items()]
    return "\n".join([*lines, "", "#endif", ""])


def rendered_files(boards: dict[str, Board]) -> dict[str, str]:
    """Every file that is written from the table: path under the root -> text."""
    files = {"platformio.ini": render_platformio_ini(boards)}
    for board in boards.values():
        files[f"firmware/platform/boards/{board.name}.json"] = render_board_json(board)
        files[f"firmware/boards/{board.name}/board.h"] = render_board_header(board)
    return files

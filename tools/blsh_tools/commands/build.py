# SPDX-License-Identifier: Apache-2.0
"""`blsh build`: the firmware of the generated model, for one board."""

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, AsJson, BoardName


def build(board: BoardName = DEFAULT_BOARD, as_json: AsJson = False) -> None:
    """Build the firmware of the generated model with PlatformIO."""
    from blsh_firmware.build.images import build_image
    from blsh_hil.boards.table import find_board

    with progress() as advance:
        image = build_image(find_board(board), lambda line: say(line) if line else None, progress=advance)
    rows = [
        ("image", str(image.elf)),
        ("build id", f"{image.build_id:08x}"),
        ("model", f"{image.record.model_name}, {image.record.dictionary_entries:,} entries"),
        ("flash", f"{image.size.flash_bytes:,} bytes"),
        ("RAM", f"{image.size.ram_bytes:,} bytes, stack not counted"),
    ]
    show(image.to_dict(), as_json, rows, f"Built for {board}")

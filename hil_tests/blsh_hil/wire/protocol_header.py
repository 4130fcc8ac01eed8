"""protocol.py as a C header, the same bytes for the same declarations."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from blsh_codegen.emit.c_code import c_environment
from blsh_hil.ending import exit_code
from blsh_hil.wire import protocol
from blsh_trainer.files import write_text_if_changed

HEADER_NAME: Final = "blsh_protocol.h"


def render() -> str:
    """The text of blsh_protocol.h."""
    environment = c_environment("blsh_hil")
    number = version("blsh-mcu")
    return environment.get_template(f"{HEADER_NAME}.j2").render(
        protocol=protocol,
        version=number,
        version_numbers=[int(part) for part in number.split(".")[:3]],
        all_flags=sum(protocol.HopFlag),
        messages=protocol.MESSAGES,
    )


def write(folder: Path) -> Path:
    """Write blsh_protocol.h into `folder` unless it stands there as it should. Returns its path."""
    return write_text_if_changed(folder / HEADER_NAME, render())


def main() -> None:
    """Write the header into the folder that is the argument."""
    print(write(Path(sys.argv[1] if len(sys.argv) > 1 else "firmware/generated")))


if __name__ == "__main__":
    sys.exit(exit_code(main))

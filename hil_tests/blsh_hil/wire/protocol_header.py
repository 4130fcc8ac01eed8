# SPDX-License-Identifier: Apache-2.0
"""Write the protocol as a C header: the same bytes for the same declarations."""

from importlib.metadata import version
from pathlib import Path
from typing import Final

from blsh_codegen.emit.c_code import text_environment
from blsh_hil.wire import codes, protocol
from blsh_hil.wire.messages import MAX_REQUEST_PAYLOAD, MESSAGES
from blsh_trainer.files import write_text_if_changed

HEADER_NAME: Final = "blsh_protocol.h"


def render() -> str:
    """Return the text of blsh_protocol.h."""
    environment = text_environment("blsh_hil")
    number = version("blsh-mcu")
    return environment.get_template(f"{HEADER_NAME}.j2").render(
        protocol=protocol,
        codes=codes,
        version=number,
        all_flags=sum(codes.HopFlag),
        messages=MESSAGES,
        max_request_payload=MAX_REQUEST_PAYLOAD,
    )


def write(folder: Path) -> Path:
    """Write blsh_protocol.h into `folder`, unless it holds that text already; return its path."""
    return write_text_if_changed(folder / HEADER_NAME, render())

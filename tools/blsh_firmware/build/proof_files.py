# SPDX-License-Identifier: Apache-2.0
"""Find the files of the serial server that an exported library carries, so that its users can prove their boards."""

from typing import Final

from blsh_codegen.project import project_data
from blsh_hil.wire import protocol_header

_FROM_APP: Final = (
    *("count_loop.c", "count_loop.h", "frame.c", "frame.h", "models.h", "server.c", "server.h", "server_parts.h"),
    *("server_stream.c", "sha256.h"),
)
"""The server of the firmware without models in slots, which no export takes."""


def proof_server() -> dict[str, bytes]:
    """Return the files of the server by name: the firmware's own, and the protocol's header."""
    firmware = project_data() / "firmware"
    files = {name: (firmware / "app" / name).read_bytes() for name in _FROM_APP}
    files["hal.h"] = (firmware / "hal" / "hal.h").read_bytes()
    return {**files, protocol_header.HEADER_NAME: protocol_header.render().encode()}

# SPDX-License-Identifier: Apache-2.0
"""Describe the protocol for the page, from the declarations of blsh_hil.wire."""

from typing import Any

from blsh_hil.wire.codes import ErrorCode, ImageFault
from blsh_hil.wire.layout import FieldLayout
from blsh_hil.wire.messages import MESSAGES
from blsh_hil.wire.protocol import MAX_PAYLOAD, VERSION


def wire_data() -> dict[str, Any]:
    """Return version, limit, messages by their names in C, and texts of errors by their numbers, as JSON values."""
    messages = {}
    for message in MESSAGES:
        layout = message.layout()
        messages[message.name()] = {
            "name": message.name(),
            "type": message.TYPE,
            "bytes": layout.bytes,
            "tail": layout.tail,
            "tailLimit": layout.tail_limit,
            "fields": [_field(each) for each in layout.fields],
        }
    errors = {int(code): code.text for code in ErrorCode}
    return {"version": VERSION, "maxPayload": MAX_PAYLOAD, "messages": messages, "errors": errors}


def image_faults() -> dict[int, str]:
    """Return why an image is refused, in words, by the number of the fault."""
    return {int(fault): fault.text for fault in ImageFault}


def _field(field: FieldLayout) -> dict[str, Any]:
    return {"name": field.name, "code": field.wire.code, "count": field.wire.count, "offset": field.offset}

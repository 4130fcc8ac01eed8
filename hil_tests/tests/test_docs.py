"""SPEC.md says what the code declares."""

import re

from blsh_codegen.spec import constants as fixed
from blsh_codegen.spec.stages import STAGES
from blsh_hil.boards.protocol_docs import rewritten, spec_path
from blsh_hil.wire.protocol import VERSION


def test_message_tables_are_those_of_the_protocol() -> None:
    text = spec_path().read_text(encoding="utf-8")
    assert rewritten(text) == text, "run python -m blsh_hil.boards.protocol_docs"


def test_stages_are_those_of_the_code() -> None:
    text = spec_path().read_text(encoding="utf-8")
    assert re.findall(r"^\| \d \| `([a-z]+)` \|", text, re.MULTILINE) == list(STAGES)


def test_formats_are_those_of_the_code() -> None:
    text = spec_path().read_text(encoding="utf-8")
    assert f"Runtime format {fixed.RUNTIME_FORMAT}, protocol {VERSION}." in text
    for constant in (fixed.THIRD_Q16, fixed.HISTORY, fixed.WINDOW, fixed.HOP):
        assert str(constant) in text

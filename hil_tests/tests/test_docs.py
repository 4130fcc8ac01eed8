# SPDX-License-Identifier: Apache-2.0
"""SPEC.md says what the code declares, and its lines can be read."""

import re

import pytest

from blsh_codegen.project import project_root
from blsh_codegen.spec import constants as fixed
from blsh_codegen.spec.stages import STAGES
from blsh_hil.wire.protocol import KEPT_REPLIES, VERSION
from blsh_hil.wire.spec_tables import DOCUMENT, rewritten
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.masks import MASK_KINDS

LINE = 120


@pytest.fixture(scope="module")
def spec() -> str:
    return (project_root() / DOCUMENT).read_text(encoding="utf-8")


def section(spec: str, number: int) -> str:
    """Return the text of a section, from its heading to the next one."""
    return spec.split(f"\n## {number}. ")[1].split("\n## ")[0]


def test_message_tables_are_those_of_the_protocol(spec: str) -> None:
    assert rewritten(spec) == spec, "run blsh boards --write"


def test_stages_are_those_of_the_code(spec: str) -> None:
    assert re.findall(r"^\| \d \| `([a-z]+)` \|", section(spec, 8), re.MULTILINE) == list(STAGES)


def test_formats_are_those_of_the_code(spec: str) -> None:
    assert f"Runtime format {fixed.RUNTIME_FORMAT}, protocol {VERSION}." in spec
    assert f"`hops_in_flight` ({KEPT_REPLIES})" in section(spec, 9)


def test_constants_are_those_of_the_code(spec: str) -> None:
    magnitude = ", ".join(f"{c} a + {d} b" for c, d in fixed.MAGNITUDE_Q14)
    expected = {
        1: (
            f"A *hop* is {fixed.HOP} samples",
            f"the last {fixed.WINDOW} input samples",
            f"lags by {fixed.HISTORY} samples",
            f"the {fixed.TRACKED_BANDS} noise floors",
        ),
        3: (
            f"L outside 1 … {fixed.MAX_BITS};",
            f"K outside 1 … {fixed.MAX_NEIGHBOURS};",
            f"more than {fixed.MAX_MEL_BANDS} mel bands",
        ),
        5: (f"max({magnitude})",),
        6: (f"mul(S[n], {fixed.THIRD_Q16})",),
    }
    missing = [
        words for number, all_words in expected.items() for words in all_words if words not in section(spec, number)
    ]
    assert missing == []


def test_masks_are_those_of_the_code(spec: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \|", section(spec, 3), re.MULTILINE)
    words = {name: -(-kind.width * kind.level_bits // 32) for name, kind in MASK_KINDS.items()}
    expected = {(name, kind.width, kind.level_bits, words[name]) for name, kind in MASK_KINDS.items()}
    assert {(name, int(w), int(g), int(count)) for name, w, g, count in rows} == expected
    options = section(spec, 1)
    assert [name for name in (*FEATURE_KINDS, *MASK_KINDS) if f"`{name}`" not in options] == []


def test_no_line_is_longer_than_a_window_is_wide(spec: str) -> None:
    assert [(number, line) for number, line in enumerate(spec.splitlines(), start=1) if len(line) > LINE] == []

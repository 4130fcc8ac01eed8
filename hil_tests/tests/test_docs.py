# SPDX-License-Identifier: Apache-2.0
"""SPEC.md says what the code declares, and its lines can be read."""

import re

import numpy as np
import pytest

from blsh_codegen.model.mel_bands import log_origin_of
from blsh_codegen.project import project_root
from blsh_codegen.spec import constants as fixed
from blsh_codegen.spec.stages import STAGES
from blsh_hil.wire.protocol import KEPT_REPLIES, VERSION
from blsh_hil.wire.spec_tables import DOCUMENT, rewritten
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.geometry import RATES_HZ, RECORDER, WINDOWS, Geometry
from blsh_trainer.signals.masks import MASK_KINDS, band_edges, find_mask_kind

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
            f"*recorder* has 16 000, {RECORDER.window}, {RECORDER.hop} and {RECORDER.synthesis};",
            f"lags by M − H samples (recorder: {RECORDER.lag})",
            f"counted to {fixed.MEMORY_START}",
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


def rows_of(spec: str, number: int, head: str) -> list[list[str]]:
    """Return the cells of the table of a section whose first line begins with `head`, without its two first lines."""
    table = section(spec, number).split(f"\n| {head}")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def of_window(window: int, rate_hz: int = RECORDER.rate_hz) -> Geometry:
    """Return a geometry with this window; what the tables below hold is the same for all that have it."""
    return Geometry(rate_hz, window, hop=64, synthesis=128)


def test_masks_are_those_of_the_code(spec: str) -> None:
    expected = []
    for name in MASK_KINDS:
        kinds = [find_mask_kind(name, of_window(window)) for window in reversed(WINDOWS)]
        sizes = [f"{kind.width}, {-(-kind.width * kind.level_bits // 32)}" for kind in kinds]
        expected.append([name, str(kinds[0].level_bits), *sizes])
    found = [[row[0].strip("`"), *row[1:5]] for row in rows_of(spec, 3, "masks |")]
    assert sorted(found) == sorted(expected)
    options = section(spec, 1)
    assert [name for name in (*FEATURE_KINDS, *MASK_KINDS) if f"`{name}`" not in options] == []


def test_edges_of_bands_are_those_of_the_code(spec: str) -> None:
    words = section(spec, 3)
    assert "e = max(16, 500 Hz · N / rate, floored)" in words
    for rate_hz in RATES_HZ:
        for window in WINDOWS:
            geometry = of_window(window, rate_hz)
            single = max(16, 500 * window // rate_hz)
            steps = geometry.bands - single
            exact = [single * (geometry.bins / single) ** (i / steps) for i in range(1, steps)]
            edges = band_edges(geometry)
            assert edges[: single + 1] == tuple(range(single + 1)) and edges[-1] == geometry.bins
            assert np.abs(np.array(edges[single + 1 : -1]) - exact).max() < 0.5


def test_origins_are_those_of_the_code(spec: str) -> None:
    kind = FEATURE_KINDS["memory"]
    expected = [
        [str(log_origin_of(kind, of_window(window, rate_hz))) for window in reversed(WINDOWS)]
        for rate_hz in reversed(RATES_HZ)
    ]
    assert [row[1:] for row in rows_of(spec, 3, "rate |")] == expected


def test_transforms_are_those_of_the_code(spec: str) -> None:
    found = rows_of(spec, 4, "P |")
    assert [[int(points), radices] for points, radices, _ in found] == [
        [points, ", ".join(map(str, radices))] for points, radices in fixed.RADICES.items()
    ]
    forward = [fixed.spectrum_shift(window) for window in reversed(WINDOWS)]
    both = [fixed.round_trip_shift(window) for window in reversed(WINDOWS)]
    assert "f = {}, {} and {} for N = 1024, 512 and 256".format(*forward) in section(spec, 4)
    assert "r = {}, {} and {} for N = 1024, 512 and 256".format(*both) in section(spec, 6)
    raised = [fixed.mask_shift(window) for window in reversed(WINDOWS)]
    assert "c = {}, {} and {} for N = 1024, 512 and 256".format(*raised) in section(spec, 6)
    tracked = [fixed.tracked_fraction_bits(window) for window in reversed(WINDOWS)]
    assert "φ fraction bits: {}, {} and {} for N = 1024, 512 and 256".format(*tracked) in section(spec, 5)


def test_no_line_is_longer_than_a_window_is_wide(spec: str) -> None:
    assert [(number, line) for number, line in enumerate(spec.splitlines(), start=1) if len(line) > LINE] == []

# SPDX-License-Identifier: Apache-2.0
"""The line that repeats a command: with what was given, and nothing else."""

from pathlib import Path

import pytest

from blsh_tools.options.repeatable import repeatable


def test_the_line_has_what_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"--model": tmp_path / "a b.npz", "--bits": 0, "--snr": -2.5, "--fast": True, "--noise": None}
    line = repeatable("experiment", {**options, "--board": ["one", "two"], "--jobs": []}, "fig3", tmp_path / "in")
    expected = "blsh experiment fig3 in --model 'a b.npz' --bits 0 --snr -2.5 --fast --board one --board two"
    assert line == expected

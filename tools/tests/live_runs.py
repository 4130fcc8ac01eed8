# SPDX-License-Identifier: Apache-2.0
"""Start `blsh live`, and read what it leaves."""

import re
from pathlib import Path
from typing import Any

import soundfile

from .blsh_command import Blsh, Outcome
from .tiny_corpus import Samples


def wav(path: Path) -> Any:
    samples, rate = soundfile.read(path, dtype="int16")
    assert (rate, soundfile.info(path).subtype, samples.ndim) == (16_000, "PCM_16", 1)
    return samples


def lay(blsh: Blsh, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000)


def live(model: Path) -> tuple[object, ...]:
    return ("live", "--board", "host", "--model", model)


def hops_said(outcome: Outcome) -> int:
    """Return the hops that it had printed when Ctrl-C was pressed."""
    said = re.search(r"live: ([\d,]+) hops", outcome.stderr)
    assert said, outcome
    return int(said[1].replace(",", ""))

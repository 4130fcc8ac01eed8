# SPDX-License-Identifier: Apache-2.0
"""A model of each class, as a user types it: pushed to a board, heard live and from files."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.model.artifact import save_model
from blsh_trainer.signals.geometry import CLASSES, RECORDER

from .blsh_command import Blsh
from .live_runs import lay
from .tiny_corpus import Samples

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("geometries")]  # one worker starts the board, once

OTHERS = [name for name, geometry in CLASSES.items() if geometry != RECORDER]


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory, slots_project: Path) -> Iterator[tuple[Path, str]]:
    """Return a project whose firmware takes pushed models, and the port of a board that runs it on this machine."""
    image = build_host(slots_project / "firmware" / "generated", root=slots_project)
    with HostBoard(image, tmp_path_factory.mktemp("storage") / "slots.bin") as board:
        yield slots_project, board.url
        board.check()


@pytest.mark.parametrize("name", OTHERS)
def test_a_class_is_pushed_and_heard_live(blsh: Blsh, taker: tuple[Path, str], noisy: Samples, name: str) -> None:
    geometry, (project, port) = CLASSES[name], taker
    board = Blsh(blsh.cwd, project)
    at = ("--board", "host", "--port", port)
    save_model(blsh.cwd / "model.npz", random_voting_model(geometry=geometry))
    pushed = board.json("push", "model.npz", *at)
    assert (pushed["mismatches"], pushed["hops_compared"]) == (0, 80 * geometry.hops_per_tick)
    lay(board, noisy)
    result = board.json("live", "--model", "model.npz", *at, "--input", "in.wav", "--output", "live.wav")
    latency = result["latency_ms"]
    assert latency["algorithm"] == 1000 * geometry.latency_s == {"headset": 16, "hearing": 8}.get(name, 32)
    waits = [latency[part]["mean"] for part in ("waiting_to_send", "link_and_board", "waiting_to_play")]
    assert latency["end_to_end"]["mean"] == pytest.approx(1000 * geometry.latency_s + sum(waits), abs=0.01)
    assert result["geometry"] == list(geometry.numbers)
    device = ("--engine", "device", "--model", "model.npz", *at)
    board.succeed("denoise", "in.wav", "device.wav", *device)
    fixed = board.json("denoise", "in.wav", "fixed.wav", "--engine", "fixed", "--model", "model.npz")
    assert (fixed["sample_rate_hz"], fixed["resampled_from_hz"]) == (
        (8_000, 16_000) if name == "phone" else (16_000, None)
    )
    samples, rate_hz = soundfile.read(blsh.cwd / "fixed.wav", dtype="int16")
    late, _ = soundfile.read(blsh.cwd / "live.wav", dtype="int16")
    assert (rate_hz, len(samples)) == (geometry.rate_hz, int(len(noisy) * geometry.rate_hz / 16_000 + 0.5))
    assert np.array_equal(late[geometry.lag : geometry.lag + len(samples)], samples) and samples.any()
    assert (blsh.cwd / "device.wav").read_bytes() == (blsh.cwd / "fixed.wav").read_bytes()

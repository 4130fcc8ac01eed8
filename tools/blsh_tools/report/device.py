# SPDX-License-Identifier: Apache-2.0
"""The firmware that the page lets people hear: on this machine, in its integers, or on a board."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from blsh_codegen.host_core import HostCore
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import padded_to_hops
from blsh_firmware.build.images import reach
from blsh_hil.boards.session import connect
from blsh_tools.audio.engines import DeviceEngine, Engine, FixedEngine
from blsh_tools.bench.estimate_model import BoardEstimate
from blsh_tools.console import say
from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import from_int16, to_int16
from blsh_trainer.suggestions import unknown

CORE, FIXED, BOARD = "core", "fixed", "board"
DEVICES: Final = (CORE, FIXED, BOARD)


class CoreEngine:
    """The firmware's C, compiled for this machine."""

    def __init__(self, integers: IntegerModel) -> None:
        self._core = HostCore(integers)

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Return samples (n,) in [-1, 1) denoised: (n,), aligned in time, and rounded to int16 on both ends."""
        pcm, geometry = to_int16(samples), self._core.model.geometry
        self._core.reset()
        output = self._core.hops(padded_to_hops(pcm, geometry))
        return from_int16(np.ascontiguousarray(output[geometry.lag : geometry.lag + len(pcm)]))


def chosen_device(device: str | None, port: str | None) -> str:
    """Return which of DEVICES to hear. None: a board where a port is given, else the C core where a compiler is.

    BlshError for an unknown one, and for a port without a board.
    """
    if device is None:
        compiler = shutil.which(os.environ.get("CC", "gcc"))
        return BOARD if port is not None else CORE if compiler else FIXED
    if device not in DEVICES:
        raise BlshError(f"--device {device!r} {unknown(device, DEVICES)}")
    if port is not None and device != BOARD:
        raise BlshError(f"--port {port} with --device {device}; a port is for --device {BOARD}")
    return device


@contextmanager
def device_engine(
    device: str, found: BoardEstimate, integers: IntegerModel, port: str | None
) -> Iterator[tuple[Engine, str]]:
    """Yield the engine of one of DEVICES, and words for it. found: the model, its size, and the board.

    BlshError where the core cannot be compiled or the board's firmware is of another model.
    """
    if device == CORE:
        yield CoreEngine(integers), "the firmware's C core, compiled for this machine"
    elif device == FIXED:
        yield FixedEngine(found.model, found.options), "the firmware's integers, in NumPy"
    else:
        with connect(*reach(found.board.name, port, found.model, say, pushed=True)) as client:
            kind = "a virtual board" if port is None and found.board.qemu_machine else "a board"
            yield DeviceEngine(client), f"the firmware on {found.board.name}, {kind}, over its serial port"

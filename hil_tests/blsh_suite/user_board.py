# SPDX-License-Identifier: Apache-2.0
"""The board of a user's own tests, and its comparison with the reference; pytest_plugin.py makes fixtures of both."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.generate import integer_model
from blsh_codegen.emit.generated_record import read_record
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.images import generated_folder, reach
from blsh_hil.boards.session import connect
from blsh_hil.link.board_errors import BoardError
from blsh_hil.link.child_process import ChildBoard
from blsh_hil.link.client import BAUD, BoardClient
from blsh_hil.prove.compare import Comparison, HopSource, compare
from blsh_hil.prove.unlisted import recognise
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress

from .proven_firmware import ProvenFirmware
from .user_recordings import Recording


@dataclass(frozen=True)
class UserBoard(ProvenFirmware):
    """A board that runs. url: its serial port. child: its process, for a virtual board and for the host."""

    name: str
    url: str
    child: ChildBoard | None = None

    @contextmanager
    def connected(self) -> Iterator[BoardClient]:
        """Yield a client of the board, with its HELLO checked. Raises BlshError as `connect`."""
        try:
            with connect(self.url, self.expected) as client:
                yield client
        except BoardError:
            if self.child is not None:
                self.child.check()
            raise


@contextmanager
def running_board(name: str, port: str | None, model: AnyModel) -> Iterator[UserBoard]:
    """Build the firmware that was generated of `model` for the board `name`, start the board, and yield it.

    port: where the board runs already, which is then neither built for anew nor started, if its build is up to date.
    Raises BlshError where the firmware was generated of another model, cannot be built, or cannot be started.
    """
    target, expected = reach(name, port, model, print)
    integers = integer_model(model, read_record(generated_folder(), model).options)
    if isinstance(target, str):
        yield UserBoard(integers, expected.of(integers), name, target)
        return
    with target:
        yield UserBoard(integers, expected.of(integers), name, target.url, target)


def answering_board(port: str, model: AnyModel, baud: int | None, library: Path | None) -> UserBoard:
    """Return the board that answers at `port`, outside boards.toml; library and errors as of `recognise`.

    baud: of the serial line; None: the usual one.
    """
    found = recognise(port, model, baud or BAUD, library)
    return UserBoard(found.model, found.expected, found.hello.board, port)


@dataclass
class Proof:
    """Compares a board with the reference for one test. counts: how much was compared so far, for JUnit and report.

    progress: told of each hop.
    """

    client: HopSource
    reference: VectorisedDenoiser
    progress: Progress | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"hops": 0, "values": 0, "mismatches": 0})

    def __call__(
        self,
        recording: Recording | npt.NDArray[np.int16],
        stages: Sequence[str] = STAGES,
        limits: Sequence[int] | None = None,
    ) -> Comparison:
        """Return the comparison of each stage of each hop of a recording, filled up to whole hops by zeros.

        recording: of blsh_recordings, or int16 (n,) at the model's rate. stages, limits: as of `compare`.
        """
        samples = recording.samples if isinstance(recording, Recording) else recording
        hops = padded_to_hops(samples, self.reference.model.geometry)
        comparison = compare(self.client, self.reference, hops, self.progress, stages, limits)
        self.counts["hops"] += comparison.hops
        self.counts["values"] += comparison.values
        self.counts["mismatches"] += comparison.differences
        return comparison

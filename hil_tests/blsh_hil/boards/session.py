# SPDX-License-Identifier: Apache-2.0
"""Start or open a board, and check that it runs the firmware that was meant."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.link.board_errors import BoardError
from blsh_hil.link.child_process import ChildBoard
from blsh_hil.link.client import BAUD, BoardClient
from blsh_hil.link.retry import Retries, Timeouts
from blsh_hil.wire.messages import HelloReply
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.signals.geometry import Geometry

_log = logging.getLogger(__name__)

Target = str | ChildBoard
"""The port of a board that runs already, or a board that connect() starts."""


@dataclass(frozen=True)
class Expected:
    """The required content of HELLO before a board is used. None: not compared. baud: the rate of the serial line."""

    model_sha256: str | None = None
    dictionary_crc32: int | None = None
    build_id: int | None = None
    baud: int = BAUD
    neighbours: int | None = None
    geometry: Geometry | None = None

    def of(self, model: AnyModel | IntegerModel) -> "Expected":
        """Return the same expectations, with the neighbours, the geometry and the dictionary's CRC of `model` itself.

        A record of the build may be stale; the model is not. An artifact has no CRC, so then the recorded one stays.
        """
        crc32 = model.dictionary_crc32 if isinstance(model, IntegerModel) else self.dictionary_crc32
        return replace(self, dictionary_crc32=crc32, neighbours=model.neighbours, geometry=model.geometry)

    def require(self, client: BoardClient) -> HelloReply:
        """Ask `client` for its HELLO, and return it. Raises MismatchError unless it is as expected."""
        return client.require(
            model_sha256=self.model_sha256,
            dictionary_crc32=self.dictionary_crc32,
            build_id=self.build_id,
            neighbours=self.neighbours,
            geometry=self.geometry,
        )


@contextmanager
def connect(
    target: Target, expected: Expected, timeouts: Timeouts | None = None, *, retries: Retries | None = None
) -> Iterator[BoardClient]:
    """Yield a client of `target` whose HELLO is as `expected`; close port and board on leaving.

    Raises BlshError if the board cannot be started, does not answer, or is another one. If an emulator or process has
    ended meanwhile, the error has its own words. Repeats on the line are logged at the end.
    """
    with ExitStack() as cleanup:
        if not isinstance(target, str):
            cleanup.enter_context(target)
        url = target if isinstance(target, str) else target.url
        client = cleanup.enter_context(BoardClient.open(url, timeouts, baud=expected.baud, retries=retries))
        try:
            expected.require(client)
            yield client
            if client.counts.retries:
                _log.warning("%s: %s", url, client.counts)
        except BoardError:
            if not isinstance(target, str):
                target.check()
            raise

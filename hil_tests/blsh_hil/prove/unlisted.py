# SPDX-License-Identifier: Apache-2.0
"""Recognise a board that is none of boards.toml: its users exported a model and run the server in a program of theirs.

Nothing is known of such a board but what HELLO says. The artifact is the user's; what the board holds of it follows
from HELLO, or from the record of the export.
"""

from dataclasses import dataclass
from pathlib import Path

from blsh_codegen.emit.export import exported_options
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.boards.session import Expected
from blsh_hil.link.board_errors import GarbageError, NoAnswerError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.retry import Timeouts
from blsh_hil.wire.messages import HelloReply
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel


@dataclass(frozen=True)
class UnlistedBoard:
    """A board that has answered. model: the integers that it must hold. expected: the required content of HELLO."""

    hello: HelloReply
    model: IntegerModel
    expected: Expected


def recognise(
    url: str, artifact: AnyModel, baud: int, library: Path | None = None, timeouts: Timeouts | None = None
) -> UnlistedBoard:
    """Ask the board at `url` who it is, and find the integers of `artifact` that it must hold.

    baud: of the serial line. library: the exported folder, for a model that was reduced by more than entries, bits and
    neighbours. Raises BlshError if nothing answers, if the board holds another artifact, or if it was reduced in a way
    that is not known.
    """
    with BoardClient.open(url, timeouts, baud=baud) as client:
        try:
            hello = client.hello()
        except (NoAnswerError, GarbageError) as error:
            raise BlshError(
                f"{error}; a program that calls blsh_prove (`blsh export --with-proof`) must run there, at {baud} baud "
                "(--baud)"
            ) from error
    if hello.model_sha256.hex() != artifact.sha256:
        raise BlshError(
            f"{url}: the board {hello.board!r} holds the model {hello.model!r} (SHA-256 "
            f"{hello.model_sha256.hex()[:12]}), --model is {artifact.name!r} ({artifact.sha256[:12]}); name the "
            "artifact that was exported, or export this one --with-proof and put it on the board"
        )
    model = _held(url, artifact, hello, library)
    expected = Expected(artifact.sha256, model.dictionary_crc32, baud=baud)
    return UnlistedBoard(hello, model, expected.of(model))


def _held(url: str, artifact: AnyModel, hello: HelloReply, library: Path | None) -> IntegerModel:
    told = [_told_options(artifact, hello)]
    choices = told if library is None else exported_options(library, artifact.sha256)
    for options in choices:
        model = integer_model(artifact, options)
        if (model.dictionary_crc32, model.neighbours) == (hello.dictionary_crc32, hello.neighbours):
            return model
    known = "of that size in the default layout" if library is None else f"in {library}"
    raise BlshError(
        f"{url}: the board {hello.board!r} holds a dictionary with CRC-32 {hello.dictionary_crc32:08x}, "
        f"{hello.entries} entries of {hello.bits} bits, K = {hello.neighbours}; the one {known} is another. Name the "
        "folder that was exported by --library DIR"
    )


def _told_options(artifact: AnyModel, hello: HelloReply) -> GenerateOptions:
    """Return the options that HELLO tells of; None stands for what is as in the artifact."""
    return GenerateOptions(
        entries=None if hello.entries == artifact.entries else hello.entries,
        bits=None if hello.bits == artifact.bits else hello.bits,
        neighbours=None if hello.neighbours == artifact.neighbours else hello.neighbours,
    )

# SPDX-License-Identifier: Apache-2.0
"""Run the whole firmware on every virtual board: memory map, HELLO, bits of a few hops, and the instruction counter."""

import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import project_root
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import BoardError
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_instructions, exact_count, ticks_per_instruction
from blsh_hil.wire import protocol_header
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.features import find_feature_kind

from .elf_map import check_memory_map
from .marks import needs_emulator

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.xdist_group("every board"),  # one worker builds its fixtures, once
    needs_emulator,
]

HOP_REQUEST_LINE_BYTES = 533  # with both delimiters and all code bytes
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Firmware:
    board: Board
    elf: Path
    model: IntegerModel


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    """Return a small model with random contents."""
    rng = np.random.default_rng(4)
    projections = rng.normal(size=(50, find_feature_kind("mel").count()))
    artifact = Model(
        name="every board",
        feature_kind="mel",
        neighbours=10,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(50),
        code_bits=rng.random((128, 50)) < 0.5,
        mask_levels=(rng.random((128, 513)) < 0.5).astype(np.uint8),
        card={},
    )
    return integer_model(artifact, GenerateOptions())


@pytest.fixture(scope="module")
def project(model: IntegerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the firmware with this model, in a scratch folder."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(project_root() / "firmware", root / "firmware", ignore=shutil.ignore_patterns("generated"))
    folder = root / "firmware" / "generated"
    generate(model, GenerateOptions(), folder)
    protocol_header.write(folder)
    return root


@pytest.fixture(scope="module", params=[name for name, board in load_boards().items() if board.qemu_machine])
def firmware(project: Path, model: IntegerModel, request: pytest.FixtureRequest) -> Firmware:
    """Return the firmware of one board, built by the compiler alone."""
    board = find_board(request.param)
    folders = ("core", "app", "generated")
    sources = [source for folder in folders for source in sorted((project / "firmware" / folder).glob("*.c"))]
    elf = project / f"{board.name}.elf"
    command = board.compile_command(project, elf, sources)
    built = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return Firmware(board, elf, model)


@pytest.fixture(scope="module")
def samples(model: IntegerModel) -> Samples:
    return edge_signal("speech_like", 6 * model.geometry.hop, np.random.default_rng(4))


def test_memory_map_and_vectors(firmware: Firmware) -> None:
    check_memory_map(firmware.elf, firmware.board)


def test_board_says_who_it_is_and_hops_are_bit_exact(firmware: Firmware, samples: Samples) -> None:
    board = firmware.board
    reference = VectorisedDenoiser(firmware.model)
    with VirtualBoard(board, firmware.elf) as virtual, BoardClient.open(virtual.url) as client:
        hello = client.require(dictionary_crc32=firmware.model.dictionary_crc32)
        assert (hello.board, hello.core) == (board.name, board.core)
        assert (hello.core_hz, hello.tick_hz, hello.receive_ring) == (board.clock_hz, board.tick.hz, board.ring_bytes)
        assert hello.hops_in_flight >= 1
        waiting = hello.hops_in_flight - 1  # the first is out of the ring while it is worked on
        assert waiting * HOP_REQUEST_LINE_BYTES <= board.ring_bytes
        comparison = compare(client, reference, samples)
        assert comparison.exact, str(comparison.first)
        client.reset_stream()
        ahead = np.tile(samples, 3)
        assert np.array_equal(client.stream(ahead), VectorisedDenoiser(firmware.model).hops(ahead))
        assert client.hello().stack_bytes_used < board.stack_bytes
        assert client.hello().overruns == 0


def test_ticks_that_are_no_whole_number_of_instructions_are_refused() -> None:
    ratio = Fraction(64, 10)
    assert [exact_count(ticks, ratio) for ticks in (0, 6, 7, 63, 64, 65, 6400)] == [0, 1, 1, 10, 10, 10, 1000]
    with pytest.raises(BoardError, match=r"67 ticks at 6\.4 an instruction are no whole number"):
        exact_count(67, ratio)


@pytest.mark.parametrize("firmware", ["mps2-an386"], indirect=True)
def test_board_that_does_not_count_instructions_is_refused(firmware: Firmware) -> None:
    with (
        VirtualBoard(firmware.board, firmware.elf, icount_shift=ICOUNT_SHIFT - 1) as virtual,
        BoardClient.open(virtual.url) as client,
        pytest.raises(BoardError, match=rf"start the virtual board with an icount shift of {ICOUNT_SHIFT}"),
    ):
        ticks_per_instruction(client)


def test_instructions_are_counted_to_the_last_one(firmware: Firmware, samples: Samples) -> None:
    counts = []
    for _ in range(2):
        with (
            VirtualBoard(firmware.board, firmware.elf, icount_shift=ICOUNT_SHIFT) as virtual,
            BoardClient.open(virtual.url) as client,
        ):
            ratio = ticks_per_instruction(client)
            assert ratio > 4, "a tick is a small part of an instruction"
            for iterations in (1, 2, 777, 100_000):
                loop = client.count_loop(iterations)
                assert 0 < exact_count(loop.ticks, ratio) - 2 * iterations < 25
            counts.append(count_instructions(client, samples[: 2 * firmware.model.geometry.hop]))
    assert counts[0] == counts[1]
    assert counts[0].mean > 10_000
    assert ratio == Fraction(firmware.board.tick.hz << ICOUNT_SHIFT, 10**9)

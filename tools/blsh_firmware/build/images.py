# SPDX-License-Identifier: Apache-2.0
"""Make an image of a model: generate the C, build it, and record the sources of each build."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model, reduced_model
from blsh_codegen.emit.generated_record import GeneratedRecord, read_generated, read_record, write_record
from blsh_codegen.project import project_root
from blsh_codegen.source_snapshot import Snapshot
from blsh_firmware.build.platformio import Footprint, build_firmware, compiler_version, measure
from blsh_firmware.build.project_files import GENERATED, project_sources
from blsh_hil.boards.attached import find_port
from blsh_hil.boards.board import Board
from blsh_hil.boards.host import HOST, HostBoard, HostImage, build_host
from blsh_hil.boards.project_lock import project_lock
from blsh_hil.boards.session import Expected, Target
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.port import require_there
from blsh_hil.wire import protocol_header
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, write_text_if_changed
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attribution import ATTRIBUTION_FILE, attribution_text
from blsh_trainer.progress import Progress

STAMP_NAME = "blsh_build.json"


@dataclass(frozen=True)
class Image:
    """An image that was built for a board. record: the record of its C; size: its needs on the part."""

    board: Board
    elf: Path
    build_id: int
    size: Footprint
    record: GeneratedRecord

    @property
    def expected(self) -> Expected:
        """The required content of HELLO from a board with this image."""
        return replace(_expected(self.record, self.build_id), baud=self.board.uart.baud)

    def target(self, port: str | None, icount_shift: int | None = None) -> Target:
        """Return what to connect to: `port` if given, else the port of the real board, or a virtual board to start.

        icount_shift: of the virtual board, so that instructions can be counted.
        """
        if port is not None:
            return port
        if self.board.qemu_machine is None:
            return find_port(self.board)
        return VirtualBoard(self.board, self.elf, icount_shift=icount_shift)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "board": self.board.name,
            "elf": str(self.elf),
            "build_id": f"{self.build_id:08x}",
            "flash_bytes": self.size.flash_bytes,
            "ram_bytes": self.size.ram_bytes,
            "sections": self.size.sections,
            "model": self.record.model_name,
            "model_sha256": self.record.model_sha256,
            "dictionary_entries": self.record.dictionary_entries,
            "bits": self.record.bits,
        }


@dataclass(frozen=True)
class HostFirmware:
    """The firmware built for this machine. record: the record of its C."""

    program: HostImage
    record: GeneratedRecord

    @property
    def expected(self) -> Expected:
        """The required content of HELLO from this program."""
        return _expected(self.record, self.program.build_id)


def generated_folder(root: Path | None = None) -> Path:
    """Return the folder of the generated C in the project `root`."""
    return (root or project_root()) / "firmware" / GENERATED


def generate_firmware(model: AnyModel, options: GenerateOptions, folder: Path) -> GeneratedRecord:
    """Write all generated C of `model` to `folder`: the model, the tables, the protocol, and their record.

    ATTRIBUTION.txt goes beside them. The record does not name it: no build depends on who made the recordings.
    """
    integers = integer_model(model, options)
    with _lock_of(folder):
        write_text_if_changed(folder / ATTRIBUTION_FILE, attribution_text(model))
        paths = generate(integers, options, folder)
        return write_record(integers, options, [*paths, protocol_header.write(folder)], folder)


def build_image(
    board: Board,
    log: Callable[[str], None],
    root: Path | None = None,
    model: AnyModel | None = None,
    progress: Progress | None = None,
) -> Image:
    """Build the generated model for `board`, if anything has changed since it was last built.

    log: takes each line of the build's output. model: the artifact that the code must have been generated from; None:
    any. progress: as of build_firmware. The image is made of the sources as they were when the build id was computed:
    no later change gets into it.
    Raises BlshError where nothing was generated, or from another model, where a generated file was changed, and where
    the build fails.
    """
    root = root or project_root()
    with project_lock(root):
        inputs = _read_inputs(root, board, model)
        if inputs.record.options.slots and board.slots is None:
            raise BlshError(f"{board.name} has no slots for models in boards.toml; run blsh generate without --slots")
        stamp = _stamp_path(root, board)
        elf = stamp.with_name("firmware.elf")
        if _read_stamp(stamp) == inputs.stamp(elf):
            log(f"{board.name}: up to date")
            return Image(board, elf, inputs.build_id, measure(elf), inputs.record)
        result = build_firmware(board, inputs.build_id, log=log, root=root, sources=inputs.sources, progress=progress)
        with replacing(stamp) as temporary:
            temporary.write_text(json.dumps(inputs.stamp(result.elf)))
        return Image(board, result.elf, inputs.build_id, measure(result.elf), inputs.record)


def build_host_image(
    model: AnyModel | None = None, root: Path | None = None, coverage: Path | None = None
) -> HostFirmware:
    """Build the generated model for this machine, as build_image. coverage: as of build_host."""
    root = root or project_root()
    with project_lock(root):
        folder = generated_folder(root)
        record = read_record(folder, model)
        return HostFirmware(build_host(folder, root=root, coverage=coverage), record)


def reach(
    board_name: str, port: str | None, model: AnyModel, log: Callable[[str], None], pushed: bool = False
) -> tuple[Target, Expected]:
    """Build the firmware of `model` if need be; return what to connect to, and what it must say in HELLO.

    board_name: a name of boards.toml, or HOST. port: where the board runs already; None: start or find it. pushed:
    whether `model`, reduced in any way, may have been pushed to a board at `port` with the firmware of another model.
    Raises BlshError if the port is missing or in use, before anything is built, and if the code was generated from
    another model.
    """
    if port is not None:
        require_there(port)
    any_model = port is not None and pushed and read_record(generated_folder()).options.slots
    wanted = None if any_model else model
    if board_name == HOST:
        host = build_host_image(wanted)
        target: Target = HostBoard(host.program) if port is None else port
        record, expected = host.record, host.expected
    else:
        image = build_image(find_board(board_name), log, model=wanted)
        target, record, expected = image.target(port), image.record, image.expected
    if any_model:
        return target, Expected(model.sha256, None, expected.build_id, expected.baud, geometry=model.geometry)
    return target, expected.of(reduced_model(model, record.options))


def built_image(board: Board, root: Path | None = None) -> Image:
    """Return the image that build_image made for `board`.

    Raises BlshError if there is none, or if the sources or the generated C have changed since.
    """
    root = root or project_root()
    with project_lock(root):
        inputs = _read_inputs(root, board)
        stamp = _stamp_path(root, board)
        elf = stamp.with_name("firmware.elf")
        built = _read_stamp(stamp)
        if built is None or not elf.is_file():
            raise BlshError(f"there is no firmware for {board.name}; run: blsh build --board {board.name}")
        if built != inputs.stamp(elf):
            raise BlshError(
                f"the firmware of {board.name} is out of date: built as {built['build_id']:08x}, its sources and "
                f"model are now {inputs.build_id:08x}; run: blsh build --board {board.name}"
            )
        return Image(board, elf, inputs.build_id, measure(elf), inputs.record)


@dataclass(frozen=True)
class _Inputs:
    """The inputs of an image. build_id: the first 32 bits of its digest, which a board reports in HELLO."""

    sources: Snapshot
    record: GeneratedRecord
    build_id: int

    def stamp(self, elf: Path) -> dict[str, Any]:
        """Return the stamp that lies beside `elf` if it was built from these inputs and not changed since."""
        return {"build_id": self.build_id, "elf_sha256": _digest(elf)}


def _read_inputs(root: Path, board: Board, model: AnyModel | None = None) -> _Inputs:
    record, generated = read_generated(generated_folder(root), model)
    sources = project_sources(root) | generated.below(f"firmware/{GENERATED}")
    told = json.dumps([record.to_json(), asdict(board), sources.sha256, compiler_version()], sort_keys=True)
    digest = hashlib.sha256(told.encode()).digest()
    return _Inputs(sources, record, int.from_bytes(digest[:4], "little"))


def _lock_of(folder: Path) -> AbstractContextManager[None]:
    """Return the lock of the project whose generated C lies in `folder`; any other folder needs none."""
    folder = folder.absolute()
    root = folder.parent.parent
    ours = folder == generated_folder(root) and (root / "boards.toml").is_file()
    return project_lock(root) if ours else nullcontext()


def elf_path(board: Board, root: Path | None = None) -> Path:
    """Return where the image of `board` is built."""
    return _stamp_path(root or project_root(), board).with_name("firmware.elf")


def _expected(record: GeneratedRecord, build_id: int) -> Expected:
    neighbours = record.options.neighbours  # None: the model's own number, which is not in the record
    return Expected(record.model_sha256, record.dictionary_crc32, build_id, neighbours=neighbours)


def _stamp_path(root: Path, board: Board) -> Path:
    return root / ".pio" / "build" / board.name / STAMP_NAME


def _read_stamp(path: Path) -> dict[str, Any] | None:
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) and isinstance(stamp.get("build_id"), int) else None


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

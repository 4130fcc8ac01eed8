"""From a model to an image: generate the C, build it, and know later what was built from what."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.generate import GenerateOptions, generate, integer_model
from blsh_codegen.record import GeneratedRecord, read_record, write_record
from blsh_hil import protocol_header
from blsh_hil.attached import find_port
from blsh_hil.boards import Board, find_board, project_root
from blsh_hil.host_board import HOST, HostBoard, build_host
from blsh_hil.session import Expected, Target
from blsh_hil.virtual_board import VirtualBoard
from blsh_tools.build import BuildResult, Footprint, build_firmware, compiler_version, measure
from blsh_trainer.artifact import Model
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

STAMP_NAME = "blsh_build.json"
_SOURCE_FOLDERS = ("core", "hal", "app", "boards", "platform")


@dataclass(frozen=True)
class Image:
    """A built firmware and what it holds."""

    board: Board
    elf: Path
    build_id: int
    size: Footprint
    record: GeneratedRecord

    @property
    def expected(self) -> Expected:
        """What a board with this image says in HELLO."""
        record = self.record
        return Expected(record.model_sha256, record.dictionary_crc32, self.build_id, self.board.uart.baud)

    def target(self, port: str | None, icount_shift: int | None = None) -> Target:
        """What to connect to: `port`, where the board runs already, a real board's own, or a virtual board."""
        if port is not None:
            return port
        if self.board.qemu_machine is None:
            return find_port(self.board)
        return VirtualBoard(self.board, self.elf, icount_shift=icount_shift)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
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


def generated_folder(root: Path | None = None) -> Path:
    """Where the generated C of a checkout lies."""
    return (root or project_root()) / "firmware" / "generated"


def generate_firmware(model: Model, options: GenerateOptions, folder: Path) -> GeneratedRecord:
    """Write all generated C of `model` into `folder`: model, tables, protocol, and the record of them."""
    integers = integer_model(model, options)
    paths = generate(integers, options, folder)
    return write_record(integers, options, [*paths, protocol_header.write(folder)], folder)


def build_image(board: Board, log: Callable[[str], None], root: Path | None = None) -> Image:
    """Build the generated model for `board`; compiles nothing when nothing has changed.

    Raises BlshError where nothing was generated, a generated file was changed, or the build fails.
    """
    root = root or project_root()
    record = read_record(generated_folder(root))
    if record.options.slots and board.slots is None:
        raise BlshError(f"{board.name} has no slots for models in boards.toml; run blsh generate without --slots")
    build_id = _build_id(root, board, record)
    stamp = _stamp_path(root, board)
    elf = stamp.with_name("firmware.elf")
    if _read_stamp(stamp) == {"build_id": build_id, "elf_sha256": _digest(elf)}:
        log(f"{board.name}: up to date")
        return Image(board, elf, build_id, measure(elf), record)
    result: BuildResult = build_firmware(board, build_id, log=log, root=root)
    with replacing(stamp) as temporary:
        temporary.write_text(json.dumps({"build_id": build_id, "elf_sha256": _digest(result.elf)}))
    return Image(board, result.elf, build_id, Footprint(**_footprint(result)), record)


def fresh_image(board: Board, log: Callable[[str], None], model: Model, root: Path | None = None) -> Image:
    """build_image, for generated code that must be of `model`: BlshError if it was generated from another."""
    read_record(generated_folder(root or project_root()), model)
    return build_image(board, log, root)


def reach(
    board_name: str, port: str | None, model: Model, log: Callable[[str], None], pushed: bool = False
) -> tuple[Target, Expected]:
    """How to connect to a board with the firmware of `model`, built if need be, and what it must say in HELLO.

    board_name: of boards.toml, or HOST. pushed: at `port`, `model` may have been pushed to firmware of another one,
    reduced in any way. Raises BlshError if the generated code is of another model.
    """
    if port is not None and pushed and read_record(generated_folder()).options.slots:
        if board_name == HOST:
            return port, Expected(model.sha256, None, build_host(generated_folder()).build_id)
        board = find_board(board_name)
        return port, Expected(model.sha256, None, build_image(board, log).build_id, board.uart.baud)
    if board_name != HOST:
        image = fresh_image(find_board(board_name), log, model)
        return image.target(port), image.expected
    record = read_record(generated_folder(), model)
    program = build_host(generated_folder())
    expected = Expected(record.model_sha256, record.dictionary_crc32, program.build_id)
    return HostBoard(program) if port is None else port, expected


def built_image(board: Board, root: Path | None = None) -> Image:
    """The image that build_image made, if it still is what the sources and the generated C say.

    Raises BlshError if there is none, or if either has changed since.
    """
    root = root or project_root()
    record = read_record(generated_folder(root))
    stamp = _stamp_path(root, board)
    elf = stamp.with_name("firmware.elf")
    built = _read_stamp(stamp)
    if built is None or not elf.is_file():
        raise BlshError(f"there is no firmware for {board.name}; run: blsh build --board {board.name}")
    build_id = _build_id(root, board, record)
    if built != {"build_id": build_id, "elf_sha256": _digest(elf)}:
        raise BlshError(
            f"the firmware of {board.name} is out of date: built as {built['build_id']:08x}, its sources and "
            f"model are now {build_id:08x}; run: blsh build --board {board.name}"
        )
    return Image(board, elf, build_id, measure(elf), record)


def _build_id(root: Path, board: Board, record: GeneratedRecord) -> int:
    """32 bits of a digest over everything that is compiled: HELLO reports it, so a stale image is noticed."""
    digest = hashlib.sha256(record.to_json().encode())
    digest.update(json.dumps(asdict(board), sort_keys=True).encode())
    for folder in _SOURCE_FOLDERS:
        for path in sorted((root / "firmware" / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update((root / "platformio.ini").read_bytes() + compiler_version().encode())
    return int.from_bytes(digest.digest()[:4], "little")


def elf_path(board: Board, root: Path | None = None) -> Path:
    """Where the image of `board` is built."""
    return _stamp_path(root or project_root(), board).with_name("firmware.elf")


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


def _footprint(result: BuildResult) -> dict[str, Any]:
    return {"flash_bytes": result.flash_bytes, "ram_bytes": result.ram_bytes, "sections": result.sections}

"""What `blsh bench-firmware` measures: a model of the budgets' kind, noisy speech, and images to run it in."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from blsh_codegen.cost.measured_costs import COSTS_FILE
from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_codegen.spec.constants import HISTORY, HOP
from blsh_firmware.build.images import build_image, generate_firmware, generated_folder
from blsh_firmware.build.platformio import Footprint, compiler_version, measure
from blsh_hil.boards.catalogue import Board, find_board
from blsh_hil.boards.project_lock import project_lock
from blsh_trainer.arrays import Progress
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.signals.audio import to_int16

BUDGET_ENTRIES = 4096
PIECE_HOPS = 8
M0_HOST = "mps2-an385"
"""A machine with the RAM and flash that a micro:bit lacks; its core executes all that a Cortex-M0 does."""

M0_ROW = f"cortex-m0 on {M0_HOST}"
_SOURCES = ("core", "hal", "app", "boards", "bench")
_CORE = ("firmware/core/",)

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class BenchImage:
    """An image that was built for the bench: the board that runs it, its files, and the bytes it takes.

    row: the name of its row: the board's, or M0_ROW.
    """

    row: str
    board: Board
    core: str
    elf: Path
    su_files: tuple[Path, ...]
    size: Footprint
    model: IntegerModel

    @property
    def entries(self) -> int:
        """Of the dictionary."""
        return self.model.entries


def budget_model(corpus: Corpus, folder: Path, progress: Progress) -> Model:
    """The paper's system with our learner, L = 50, `mel`, K = 10, trained on `corpus`; kept in `folder`."""
    from blsh_trainer.learning.train import PAPER, train_model

    options = replace(PAPER, name="budget")
    told = json.dumps([asdict(options), corpus.sha256], sort_keys=True)
    path = folder / f"budget-{hashlib.sha256(told.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        save_model(path, train_model(corpus, options, progress))
    return load_model(path)


def noisy_speech(corpus: Corpus, hops: int) -> Samples:
    """At least `hops` hops of real work: PIECE_HOPS hops from somewhere in each of many test mixtures at 0 dB.

    What the search does differs much from one recording to the next, so there are many short pieces.
    """
    from blsh_trainer.evaluation.protocols import DrawnMixtures

    rng = np.random.default_rng(0)
    length = PIECE_HOPS * HOP
    pieces = []
    for mixture in DrawnMixtures(corpus, "test", (0.0,), -(-hops // PIECE_HOPS), 0):
        samples = to_int16(mixture.signals.mixture)
        if len(samples) < length:
            samples = np.resize(samples, length)
        start = int(rng.integers(len(samples) - length + 1))
        pieces.append(samples[start : start + length])
    return np.concatenate(pieces)


def counted_hops(hops: int) -> npt.NDArray[np.bool_]:
    """Which of the hops of noisy_speech are counted: those whose window lies within one piece."""
    counted: npt.NDArray[np.bool_] = np.arange(hops) % PIECE_HOPS >= HISTORY // HOP
    return counted


def copied_project(folder: Path) -> Path:
    """The checkout's firmware project in `folder`, without what was generated; what was built before stays there."""
    root, folder = project_root(), folder.resolve()  # PlatformIO goes there
    folder.mkdir(parents=True, exist_ok=True)
    with project_lock(folder):
        for name in ("boards.toml", "platformio.ini"):
            with replacing(folder / name) as temporary:
                shutil.copyfile(root / name, temporary)
        for path in (folder / "firmware").glob("*"):
            if path.name != "generated":
                shutil.rmtree(path)
        shutil.copytree(
            root / "firmware",
            folder / "firmware",
            ignore=shutil.ignore_patterns("__pycache__", "generated"),
            dirs_exist_ok=True,
        )
    return folder


def firmware_digest(root: Path | None = None) -> str:
    """A digest of the C and of the boards: figures measured with another one are not of this firmware."""
    root = root or project_root()
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((root / "firmware" / folder).rglob("*")):
            if path.is_file():
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    digest.update((root / "boards.toml").read_bytes())
    return digest.hexdigest()


def costs_digest() -> str | None:
    """A digest of the costs that estimates are made of; None where there are none."""
    return hashlib.sha256(COSTS_FILE.read_bytes()).hexdigest() if COSTS_FILE.is_file() else None


def build_for(row: str, model: Model, entries: int, project: Path, log: Callable[[str], None]) -> BenchImage:
    """The image of `model` with `entries` of its entries, or as many as the flash holds, for a board or for M0_ROW.

    It is generated and built in the project folder.
    """
    compiler_version()  # tells where to get it, if it is missing
    board = m0_board() if row == M0_ROW else find_board(row)
    kept = _fitting(board, model, entries)
    with project_lock(project):  # nobody generates another model in between
        generate_firmware(model, GenerateOptions(entries=kept.entries), generated_folder(project))
        if row == M0_ROW:
            elf, su_files = _compile(board, project)
            return BenchImage(row, board, board.core, elf, su_files, measure(elf), kept)
        image = build_image(board, log, project, model)
        su_files = tuple(sorted(image.elf.parent.rglob("*.su")))
        return BenchImage(row, board, board.core, image.elf, su_files, image.size, kept)


def m0_board() -> Board:
    """M0_HOST with the code of a Cortex-M0."""
    return replace(find_board(M0_HOST), core="cortex-m0", fpu=None)


def symbol_sizes(elf: Path) -> dict[str, int]:
    """Bytes of each named object and function of an image; of several with one name, the sum."""
    sizes: dict[str, int] = {}
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            raise BlshError(f"{elf} has no symbols; build it with -g")
        for symbol in table.iter_symbols():
            if symbol["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC"):
                sizes[symbol.name] = sizes.get(symbol.name, 0) + symbol["st_size"]
    return sizes


def core_functions(su_files: tuple[Path, ...]) -> set[str]:
    """The functions that were compiled from firmware/core."""
    names = set()
    for file in su_files:
        for line in file.read_text(encoding="utf-8").splitlines():
            place, name = line.split("\t")[0].rsplit(":", 1)
            if any(folder in place for folder in _CORE):
                names.add(name)
    return names


def _fitting(board: Board, model: Model, entries: int) -> IntegerModel:
    """With the most entries, at most `entries`, whose tables leave 24 KiB of the flash to code and shared tables."""
    room = board.flash.size - (24 << 10)
    while True:
        integers = integer_model(model, GenerateOptions(entries=entries))
        taken = sum(flash_table_bytes(integers).values())
        if taken <= room:
            return integers
        fewer = (entries * room // taken) // 32 * 32
        entries = min(fewer, entries - 32)
        if entries <= model.neighbours:
            raise BlshError(f"{board.name}: {board.flash.size} bytes of flash hold no dictionary of {model.name}")


def _compile(board: Board, project: Path) -> tuple[Path, tuple[Path, ...]]:
    """An image without PlatformIO, whose environments are those of boards.toml."""
    folder = project / "bench-m0"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.su"):
        stale.unlink()
    # the core last: its blsh_model.c has functions, and the generated one's .su file would take the place of theirs
    folders = [project / "firmware" / name for name in ("generated", "app", "core")]
    sources = [path for each in folders for path in sorted(each.glob("*.c"))]
    elf = folder / "firmware.elf"
    try:
        subprocess.run(board.compile_command(project, elf, sources), check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise BlshError(f"the build for {M0_ROW} failed: {error.stderr.strip()[-2000:]}") from error
    return elf, tuple(sorted(folder.glob("*.su")))


def describe_model(model: Model) -> dict[str, Any]:
    """What identifies a model in a result."""
    return {
        "name": model.name,
        "sha256": model.sha256,
        "feature_kind": model.feature_kind,
        "bits": model.bits,
        "neighbours": model.neighbours,
        "entries": model.entries,
        "masks": model.mask_kind,
    }

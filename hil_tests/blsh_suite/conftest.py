# SPDX-License-Identifier: Apache-2.0
"""Fixtures and options of the suite: its board, its models and its recordings.

With --model, the firmware is the one that `blsh generate` and `blsh build` made. Without, a small model is trained and
built in a scratch folder: plain `pytest` needs no files of the user and changes none. Generated models are always built
in scratch folders.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import project_root
from blsh_firmware.build.compiler_alone import build_where_it_fits
from blsh_firmware.build.images import build_host_image, build_image, generate_firmware, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.board import Board
from blsh_hil.boards.host import HOST, HostBoard, HostImage, build_host
from blsh_hil.boards.session import Expected, Target, connect
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.recipes import DEFAULT_RECIPES, AnyRecipe, recipes
from blsh_hil.prove.regression_vectors import COMMITTED_FOLDER
from blsh_hil.prove.unlisted import recognise
from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.options import PAPER
from blsh_trainer.learning.train import train_model
from blsh_trainer.model.artifact import AnyModel, load_model

from .exactness import Exactness, checked_stages
from .proven_firmware import ProvenFirmware
from .recordings import noisy_recording

SMALL_TRAINING = PAPER.with_(name="suite", fit_frames=2000, max_frames=20_000, steps=100)
SMALL_DICTIONARY = GenerateOptions(entries=1500)
_CLIP_SECONDS = 10.0


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hardware in the loop")
    group.addoption("--board", default="mps2-an386", help="a board of boards.toml, or host")
    group.addoption("--port", default=None, help="serial port of a board that runs already")
    group.addoption("--unlisted", type=int, default=None, help="--port is a board outside boards.toml, at this rate")
    group.addoption("--library", default=None, help="with --unlisted: the exported folder that its firmware is of")
    group.addoption("--model", default=None, help="artifact that the firmware was generated from")
    group.addoption("--corpus", default=None, help="folder with manifest.csv, for the recordings")
    group.addoption("--minutes", type=float, default=0.2, help="minutes of recordings to compare, over all SNRs")
    group.addoption("--stage", default=None, help="compare this stage only, by the tests that compare stages")
    group.addoption("--generated", type=int, default=DEFAULT_RECIPES, help="models to generate and build for the board")
    group.addoption("--vector", action="append", default=None, help="replay this file, and run nothing else")
    group.addoption("--any-speed", action="store_true", help="prove the bits of a board that is too slow, too")
    group.addoption("--coverage", default=None, help="folder: build for the host with gcov's counters, kept there")


def pytest_configure(config: pytest.Config) -> None:
    checked_stages(config.getoption("stage", None))  # once, before any test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    if "recipe" in metafunc.fixturenames:
        made = recipes(config.getoption("generated"))
        metafunc.parametrize("recipe", made, ids=[recipe.name for recipe in made])
    if "vector_path" in metafunc.fixturenames:
        named = config.getoption("vector")
        paths = [Path(each) for each in named] if named else sorted(COMMITTED_FOLDER.glob("*.json"))
        metafunc.parametrize("vector_path", paths, ids=[path.stem for path in paths])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what --vector and --stage do not ask for, for a board the tests of the host, and what it cannot do.

    The tests of `unlisted_board` are for a board that boards.toml does not describe.
    """
    wanted = "vector_path" if config.getoption("vector") else "exact" if config.getoption("stage") else None
    for_a_board = config.getoption("model") and config.getoption("board") != HOST
    absent = {name for name, gone in (("library", for_a_board), ("unlisted_board", not _is_unlisted(config))) if gone}

    def left_out(item: pytest.Item) -> bool:
        fixtures = set(getattr(item, "fixturenames", ()))
        missing = wanted is not None and wanted not in fixtures
        return item.path.parent == Path(__file__).parent and (missing or bool(absent & fixtures))

    config.hook.pytest_deselected(items=[item for item in items if left_out(item)])
    items[:] = [item for item in items if not left_out(item)]


def _is_unlisted(config: pytest.Config) -> bool:
    return config.getoption("unlisted") is not None


# ---- firmware -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Firmware(ProvenFirmware):
    """The firmware on the board under test, and how to reach it.

    start: makes a target (see `target`). elf: the program that an emulator runs. recipe: the recipe of the model, if it
    has one. listed: whether boards.toml describes the board, or it is the host.
    """

    board: str
    start: Callable[[int | None, Sequence[str]], Target]
    port: str | None = None
    elf: Path | None = None
    recipe: AnyRecipe | None = None
    listed: bool = True

    @property
    def counts_instructions(self) -> bool:
        """Whether the board counts instructions: a virtual board that we start ourselves does."""
        return self.port is None and self.board != HOST and find_board(self.board).qemu_machine is not None

    def target(self, icount_shift: int | None = None, arguments: Sequence[str] = ()) -> Target:
        """Return a new target to connect to.

        icount_shift: makes a virtual board count instructions. arguments: more arguments for QEMU.
        """
        return self.start(icount_shift, arguments)

    @contextmanager
    def connected(self, icount_shift: int | None = None, arguments: Sequence[str] = ()) -> Iterator[BoardClient]:
        """Yield a client of a new target, with its HELLO checked."""
        with connect(self.target(icount_shift, arguments), self.expected) as client:
            yield client


@pytest.fixture(scope="session")
def recordings_corpus(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Corpus:
    """Return the corpus of --corpus, else of the recordings that there are."""
    named = pytestconfig.getoption("corpus")
    return load_corpus(named) if named else request.getfixturevalue("any_corpus")


@pytest.fixture(scope="session")
def coverage_folder(pytestconfig: pytest.Config) -> Path | None:
    """Return the folder for gcov's counters of the host's builds; None if they are not wanted."""
    named = pytestconfig.getoption("coverage")
    return Path(named).resolve() if named else None


@pytest.fixture(scope="session")
def firmware(
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    coverage_folder: Path | None,
) -> Firmware:
    """Return the firmware under test, generated and built."""
    board, port = pytestconfig.getoption("board"), pytestconfig.getoption("port")
    if not pytestconfig.getoption("model"):
        artifact = train_model(request.getfixturevalue("recordings_corpus"), SMALL_TRAINING)
        root = copy_project(project_root(), tmp_path_factory.mktemp("project"))
        generate_firmware(artifact, SMALL_DICTIONARY, generated_folder(root))
        return _built(artifact, root, board, port, coverage_folder)
    artifact = load_model(pytestconfig.getoption("model"))
    if _is_unlisted(pytestconfig):
        return _unlisted_firmware(artifact, port, pytestconfig.getoption("unlisted"), pytestconfig.getoption("library"))
    return _built(artifact, project_root(), board, port, coverage_folder)


def _built(artifact: AnyModel, root: Path, board: str, port: str | None, coverage: Path | None) -> Firmware:
    if board == HOST:
        host = build_host_image(artifact, root, coverage)
        model = integer_model(artifact, host.record.options)
        return _host_firmware(model, host.expected.of(model), host.program, port)
    image = build_image(find_board(board), print, root, artifact)
    model = integer_model(artifact, image.record.options)
    return _board_firmware(model, image.expected.of(model), image.board, image.elf, port)


def _unlisted_firmware(artifact: AnyModel, port: str, baud: int, library: str | None) -> Firmware:
    found = recognise(port, artifact, baud, None if library is None else Path(library))
    return Firmware(found.model, found.expected, found.hello.board, lambda *_: port, port, listed=False)


def _host_firmware(
    model: IntegerModel,
    expected: Expected,
    program: HostImage,
    port: str | None = None,
    recipe: AnyRecipe | None = None,
) -> Firmware:
    def start(_shift: int | None, _arguments: Sequence[str]) -> Target:
        return HostBoard(program) if port is None else port

    return Firmware(model, expected, HOST, start, port, recipe=recipe)


def _board_firmware(
    model: IntegerModel,
    expected: Expected,
    board: Board,
    elf: Path,
    port: str | None = None,
    recipe: AnyRecipe | None = None,
) -> Firmware:
    def start(shift: int | None, arguments: Sequence[str]) -> Target:
        if port is not None:
            return port
        if board.qemu_machine is None:
            raise BlshError(f"{board.name} is a real board: give its serial port with --port, /dev/tty... or COM3")
        return VirtualBoard(board, elf, icount_shift=shift, extra_args=arguments)

    return Firmware(model, expected, board.name, start, port, elf, recipe)


@pytest.fixture(scope="session")
def recipe_firmware(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, coverage_folder: Path | None
) -> Callable[[AnyRecipe], Firmware]:
    """Return a function that gives the firmware of a recipe. Each is built once, in seconds."""
    board = pytestconfig.getoption("board")
    made: dict[AnyRecipe, Firmware] = {}

    def firmware_of(recipe: AnyRecipe) -> Firmware:
        if pytestconfig.getoption("port"):
            pytest.skip("--port: the board there holds another model, and is not ours to flash")
        if board != HOST and find_board(board).qemu_machine is None:
            pytest.skip("a real board would have to be flashed for each generated model")
        if recipe not in made:
            made[recipe] = _recipe_firmware(recipe, board, tmp_path_factory.mktemp("generated"), coverage_folder)
        return made[recipe]

    return firmware_of


def _recipe_firmware(recipe: AnyRecipe, board: str, folder: Path, coverage: Path | None) -> Firmware:
    model = recipe.model()
    expected = Expected(model.model_sha256, model.dictionary_crc32)
    if board == HOST:
        generate(model, GenerateOptions(), folder)
        return _host_firmware(model, expected, build_host(folder, coverage=coverage), recipe=recipe)
    build = build_where_it_fits(find_board(board), model, folder)
    return _board_firmware(model, expected, build.board, build.elf, recipe=recipe)


# ---- the board, and what it is sent --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def client(firmware: Firmware, pytestconfig: pytest.Config) -> Iterator[BoardClient]:
    """Yield a client of the board, with its HELLO checked. The board is started and stopped once for the whole suite.

    Where the user named board and model, a wrong one ends the run here, once, instead of failing every test.
    """
    with connect_or_leave(firmware, bool(pytestconfig.getoption("model"))) as board:
        yield board


@contextmanager
def connect_or_leave(firmware: Firmware, leave: bool) -> Iterator[BoardClient]:
    """Yield a client of the firmware. With `leave`, a board with a wrong HELLO ends pytest."""
    connection = firmware.connected()
    try:
        board = connection.__enter__()
    except BlshError as error:
        if leave:
            pytest.exit(f"refused before any test: {error}", returncode=2)
        raise
    try:
        yield board
    finally:
        connection.__exit__(None, None, None)


@pytest.fixture(scope="session")
def reference(firmware: Firmware) -> VectorisedDenoiser:
    """Return the integer reference of the model on the board."""
    return firmware.reference


@pytest.fixture
def exact(request: pytest.FixtureRequest, test_seed: int, record_property: Callable[[str, object], None]) -> Exactness:
    """Return what compares the board with the reference for one test."""
    config = request.config
    stages = checked_stages(config.getoption("stage"))
    return Exactness(request, test_seed, stages, config.getoption("model") is not None, record_property)


@pytest.fixture(scope="session")
def noisy_speech(recordings_corpus: Corpus, firmware: Firmware) -> npt.NDArray[np.int16]:
    """Return ten seconds of a test mixture at 0 dB, at the rate of the board's model: int16 (n,)."""
    return noisy_recording(recordings_corpus, _CLIP_SECONDS, 0.0, 7, firmware.geometry.rate_hz)

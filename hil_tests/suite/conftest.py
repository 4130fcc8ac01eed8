"""The suite's board, model and recordings.

With --model, the firmware is what `blsh generate` and `blsh build` made of it. Without, a small model is trained and
built in a scratch folder, so that plain `pytest` needs nothing and touches nothing of the user's.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.generate import GenerateOptions, integer_model
from blsh_codegen.quantise import IntegerModel
from blsh_codegen.record import read_record
from blsh_codegen.vectorised import VectorisedDenoiser
from blsh_hil.boards import find_board, project_root
from blsh_hil.client import BoardClient
from blsh_hil.host_board import HOST, HostBoard, build_host
from blsh_hil.session import Expected, Target, connect
from blsh_tools.firmware import build_image, fresh_image, generate_firmware, generated_folder
from blsh_tools.listening import make_listening
from blsh_trainer.artifact import Model, load_model
from blsh_trainer.audio import to_int16
from blsh_trainer.corpus import Corpus, load_corpus
from blsh_trainer.masks import MASK_KINDS
from blsh_trainer.spectra import feature_count
from blsh_trainer.train import TrainOptions, train_model

SMALL_TRAINING = TrainOptions(name="suite", fit_frames=2000, max_frames=20_000, steps=100)
SMALL_DICTIONARY = GenerateOptions(entries=1500)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hardware in the loop")
    group.addoption("--board", default="mps2-an386", help="a board of boards.toml, or host")
    group.addoption("--port", default=None, help="serial port of a board that runs already")
    group.addoption("--model", default=None, help="artifact that the firmware was generated from")
    group.addoption("--corpus", default=None, help="folder with manifest.csv, for the recordings")
    group.addoption("--seconds", type=float, default=30.0, help="noisy speech to compare")


@dataclass(frozen=True)
class Firmware:
    """What runs on the board: the reference's integers, what HELLO must say, and how to reach it."""

    model: IntegerModel
    expected: Expected
    board: str
    port: str | None
    root: Path

    def target(self, icount_shift: int | None = None) -> Target:
        """A new target to connect to."""
        if self.port is not None:
            return self.port
        if self.board == HOST:
            return HostBoard(build_host(generated_folder(self.root)))
        image = build_image(find_board(self.board), print, self.root)
        return image.target(None, icount_shift)


@pytest.fixture(scope="session")
def recordings_corpus(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Corpus:
    """--corpus, else what recordings there are."""
    named = pytestconfig.getoption("corpus")
    return load_corpus(named) if named else request.getfixturevalue("any_corpus")


@pytest.fixture(scope="session")
def firmware(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Firmware:
    """The firmware under test, generated and built."""
    board, port = pytestconfig.getoption("board"), pytestconfig.getoption("port")
    if not pytestconfig.getoption("model"):
        artifact = train_model(request.getfixturevalue("recordings_corpus"), SMALL_TRAINING)
        return _scratch_firmware(artifact, SMALL_DICTIONARY, tmp_path_factory.mktemp("project"), board, port)
    artifact = load_model(pytestconfig.getoption("model"))
    options = read_record(generated_folder(), artifact).options
    if board != HOST:
        fresh_image(find_board(board), print, artifact)
    return _built(artifact, options, project_root(), board, port)


@pytest.fixture(scope="session")
def extended_firmware(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """Firmware of a model with every option, random in all it holds."""
    if pytestconfig.getoption("model") or pytestconfig.getoption("port"):
        pytest.skip("the board holds another model")
    board = pytestconfig.getoption("board")
    return _scratch_firmware(_extended_model(), GenerateOptions(), tmp_path_factory.mktemp("extended"), board, None)


def _extended_model() -> Model:
    rng = np.random.default_rng(6)
    masks = MASK_KINDS["bands"]
    projections = rng.normal(size=(64, feature_count("tracked")))
    return Model(
        name="extended",
        feature_kind="tracked",
        neighbours=8,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(64),
        code_bits=rng.random((400, 64)) < 0.5,
        mask_levels=rng.integers(0, masks.top + 1, (400, masks.width)).astype(np.uint8),
        card={},
        mask_kind=masks.name,
        smoothing=9,
        floor=20,
    )


def _scratch_firmware(model: Model, options: GenerateOptions, folder: Path, board: str, port: str | None) -> Firmware:
    """Firmware generated and built in `folder`, which is empty."""
    root = _scratch_project(folder)
    generate_firmware(model, options, generated_folder(root))
    return _built(model, options, root, board, port)


def _built(artifact: Model, options: GenerateOptions, root: Path, board: str, port: str | None) -> Firmware:
    model = integer_model(artifact, options)
    if board == HOST:
        build_id = build_host(generated_folder(root)).build_id
    else:
        build_id = build_image(find_board(board), print, root).build_id
    return Firmware(model, Expected(artifact.sha256, model.dictionary_crc32, build_id), board, port, root)


def _scratch_project(folder: Path) -> Path:
    """The checkout's firmware project without what is generated, to build another model in."""
    source = project_root()
    shutil.copytree(source / "firmware", folder / "firmware", ignore=shutil.ignore_patterns("generated"))
    for name in ("boards.toml", "platformio.ini"):
        shutil.copy(source / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def client(firmware: Firmware) -> Iterator[BoardClient]:
    """The board, its HELLO checked; started and stopped once for the whole suite."""
    with connect(firmware.target(), firmware.expected) as board:
        yield board


@pytest.fixture(scope="session")
def extended_client(extended_firmware: Firmware) -> Iterator[BoardClient]:
    """A board with the model of every option."""
    with connect(extended_firmware.target(), extended_firmware.expected) as board:
        yield board


@pytest.fixture(scope="session")
def reference(firmware: Firmware) -> VectorisedDenoiser:
    """The integer reference of the model on the board."""
    return VectorisedDenoiser(firmware.model)


@pytest.fixture(scope="session")
def noisy_speech(pytestconfig: pytest.Config, recordings_corpus: Corpus) -> npt.NDArray[np.int16]:
    """--seconds of test mixtures at 0 dB."""
    return to_int16(make_listening(recordings_corpus, pytestconfig.getoption("seconds"), 0.0, seed=7).noisy)

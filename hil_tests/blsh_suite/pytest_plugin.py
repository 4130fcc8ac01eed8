# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests of a user's own project: a board, its client, its model, recordings, and the comparison.

    def test_my_board(blsh_proof, blsh_recording):
        assert blsh_proof(blsh_recording).differences == 0

pytest loads this plugin in every run where blsh-mcu is installed, so it imports nothing but pytest: what a fixture
needs is imported when a test asks for it. `-p no:blsh-hil` leaves the plugin out. docs/howto/own-ci.md shows its use.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from blsh_hil.link.client import BoardClient
    from blsh_suite.user_board import Proof, UserBoard
    from blsh_suite.user_pace import Pace
    from blsh_suite.user_recordings import Recording
    from blsh_trainer.model.artifact import AnyModel

_VIRTUAL = "mps2-an386"
_MOST_SECONDS = 3600.0
_ON_BOARD = frozenset(("blsh_board", "blsh_client", "blsh_proof"))
_FIXTURES = _ON_BOARD | {"blsh_model", "blsh_recordings", "blsh_recording"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say which board, model and recordings the fixtures give."""
    group = parser.getgroup("blsh-hil", "a denoiser of blsh-mcu on a board, by the fixtures blsh_...")
    group.addoption(
        "--blsh-board",
        metavar="NAME",
        default=None,
        help="board of boards.toml, or host; a virtual one is built and started "
        f"[default: {_VIRTUAL}; with --blsh-port, whatever board answers there]",
    )
    group.addoption(
        "--blsh-port", metavar="URL", default=None, help="serial port of the board, if it runs already, as /dev/ttyACM0"
    )
    group.addoption(
        "--blsh-baud",
        metavar="N",
        type=int,
        default=None,
        help="rate of --blsh-port, without --blsh-board [default: 115200]",
    )
    group.addoption(
        "--blsh-library",
        metavar="DIR",
        default=None,
        help="exported folder of the firmware at --blsh-port, if it was exported with --masks, --seed or --layout",
    )
    group.addoption(
        "--blsh-model",
        metavar="NAME|FILE",
        default="intercom",
        help="model that the firmware was generated of, a name of `blsh models` or a file [default: %(default)s]",
    )
    group.addoption(
        "--blsh-recordings",
        metavar="DIR",
        default=None,
        help="folder of audio files, or a corpus, whose mixtures are sent [default: synthetic signals]",
    )
    group.addoption(
        "--blsh-seconds",
        metavar="N",
        type=float,
        default=None,
        help="seconds of each recording [default: 1, or what a slow board does in ten seconds]",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each recording, where a test asks for one."""
    if "blsh_recording" in metafunc.fixturenames:
        from blsh_suite.user_recordings import recording_names
        from blsh_trainer.errors import BlshError

        try:
            names = recording_names(_folder(metafunc.config))
        except BlshError as error:
            raise pytest.Collector.CollectError(f"--blsh-recordings: {error}") from error
        metafunc.parametrize("blsh_recording", names, ids=names, indirect=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Raise UsageError for an option that cannot be used, once and before any test, if a test needs it.

    A worker of pytest-xdist has no way to tell of a wrong option but by its tests, whose fixtures fail.
    """
    config = session.config
    if config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    if any(not _FIXTURES.isdisjoint(_fixtures_of(item)) for item in session.items):
        _check_options(config)


def _check_options(config: pytest.Config) -> None:
    from blsh_hil.boards.host import HOST
    from blsh_hil.boards.table import find_board
    from blsh_hil.link.port import check_url
    from blsh_trainer.errors import BlshError
    from blsh_trainer.files import require_folder
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.boxed_models import model_file

    board, port, folder = config.getoption("--blsh-board"), config.getoption("--blsh-port"), _folder(config)
    checks: dict[str, Callable[[], object]] = {
        "--blsh-board": lambda: board in (None, HOST) or find_board(board),
        "--blsh-port": lambda: port is None or check_url(port),
        "--blsh-model": lambda: load_model(model_file(Path(config.getoption("--blsh-model")))),
        "--blsh-recordings": lambda: folder is None or require_folder(folder, f"there is no folder {folder}"),
    }
    for option, check in checks.items():
        try:
            check()
        except BlshError as error:
            raise pytest.UsageError(f"{option}: {error}") from error
    seconds = config.getoption("--blsh-seconds")
    if seconds is not None and not (math.isfinite(seconds) and 0 < seconds <= _MOST_SECONDS):
        raise pytest.UsageError(f"--blsh-seconds {seconds}; choose above 0 to {_MOST_SECONDS:,.0f}")


def _folder(config: pytest.Config) -> Path | None:
    named = config.getoption("--blsh-recordings")
    return None if named is None else Path(named)


def _fixtures_of(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _tell(config: pytest.Config, line: str) -> None:
    """Write a line among those of pytest, past its capture; a worker of pytest-xdist has no place for one."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None:
        with nullcontext() if capture is None else capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"blsh-hil: {line}")
            reporter.flush()


def _pace(request: pytest.FixtureRequest) -> "Pace | None":
    """Return the pace of the board that tests of this run ask for; None where none does, or it does not answer.

    The tests that ask for a board that does not answer fail by themselves.
    """
    from blsh_suite.user_pace import measured_pace

    if all(_ON_BOARD.isdisjoint(_fixtures_of(item)) for item in request.session.items):
        return None
    try:
        board, client = request.getfixturevalue("blsh_board"), request.getfixturevalue("blsh_client")
    except pytest.fail.Exception:
        return None
    with _plain_failure():
        return measured_pace(client, board.name, board.geometry)


@contextmanager
def _plain_failure() -> Iterator[None]:
    """Fail with the message alone, and no traceback, where blsh-mcu refuses what it is given."""
    from blsh_trainer.errors import BlshError

    try:
        yield
    except BlshError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


# ---- fixtures ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def blsh_model(pytestconfig: pytest.Config) -> "AnyModel":
    """Return the model of --blsh-model, as `blsh train` made it: its card, its geometry, its SHA-256."""
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.boxed_models import model_file

    with _plain_failure():
        return load_model(model_file(Path(pytestconfig.getoption("--blsh-model"))))


@pytest.fixture(scope="session")
def blsh_board(pytestconfig: pytest.Config, blsh_model: "AnyModel") -> Iterator["UserBoard"]:
    """Yield the board of --blsh-board or --blsh-port, running: its `name`, `url`, `model` and `geometry`.

    With --blsh-port alone it is any board that runs an export with a proof (docs/howto/prove-your-board.md). Without
    --blsh-port the firmware that `blsh generate` made is built first, and a virtual board started, once for the whole
    run. One program at a time can be connected to `url`.
    """
    from blsh_suite.user_board import answering_board, running_board

    name, port = pytestconfig.getoption("--blsh-board"), pytestconfig.getoption("--blsh-port")
    library = pytestconfig.getoption("--blsh-library")
    with ExitStack() as cleanup:
        with _plain_failure():
            if port is not None and name is None:
                folder = None if library is None else Path(library)
                board = answering_board(port, blsh_model, pytestconfig.getoption("--blsh-baud"), folder)
            else:
                board = cleanup.enter_context(running_board(name or _VIRTUAL, port, blsh_model))
        yield board


@pytest.fixture(scope="session")
def blsh_client(blsh_board: "UserBoard") -> Iterator["BoardClient"]:
    """Yield a client that is connected to the board, which has said that it runs this build and this model."""
    with ExitStack() as cleanup:
        with _plain_failure():
            client = cleanup.enter_context(blsh_board.connected())
        yield client


@pytest.fixture(scope="session")
def blsh_recordings(request: pytest.FixtureRequest, blsh_model: "AnyModel") -> "list[Recording]":
    """Return the recordings of --blsh-recordings at the model's rate, or synthetic signals: `name` and `samples`.

    Where tests of the run ask for a board, too, its hops are timed first, and the run tells how long the recordings
    take. Without --blsh-seconds, a board that would need more than ten seconds for one gets shorter recordings.
    """
    from blsh_suite.user_pace import LONGEST_S
    from blsh_suite.user_recordings import recordings_of

    config = request.config
    named, seconds = config.getoption("--blsh-seconds"), LONGEST_S
    if (pace := _pace(request)) is not None:
        seconds = pace.default_seconds if named is None else named
        tests = sum({"blsh_recording", "blsh_proof"} <= _fixtures_of(item) for item in request.session.items)
        _tell(config, pace.told(tests, seconds, named is not None))
    with _plain_failure():
        return recordings_of(_folder(config), blsh_model.geometry, seconds if named is None else named)


@pytest.fixture
def blsh_recording(request: pytest.FixtureRequest, blsh_recordings: "list[Recording]") -> "Recording":
    """Return one of blsh_recordings: the test runs once for each."""
    return next(recording for recording in blsh_recordings if recording.name == request.param)


@pytest.fixture
def blsh_proof(request: pytest.FixtureRequest, blsh_board: "UserBoard", blsh_client: "BoardClient") -> "Proof":
    """Return what compares the board with the reference, bit for bit: blsh_proof(recording).differences is 0."""
    from blsh_suite.user_board import Proof
    from blsh_suite.user_pace import Teller

    config = request.config
    proof = Proof(blsh_client, blsh_board.reference, Teller(lambda line: _tell(config, line), request.node.name))
    request.node.user_properties.append(("counts", proof.counts))  # record_property warns where --junitxml is given
    return proof

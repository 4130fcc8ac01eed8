# SPDX-License-Identifier: Apache-2.0
"""What several modules of tests share: a board with slots, and runs of suites with a report."""

from collections.abc import Iterator

import pytest

from blsh_codegen.emit.generate import GenerateOptions, generate
from blsh_hil.boards.host import HostBoard, HostImage, build_host
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.push import restore_factory

from .report_runs import FAILING, SUITE, Run, run
from .slot_models import FACTORY


@pytest.fixture(scope="session")
def factory_image(tmp_path_factory: pytest.TempPathFactory) -> HostImage:
    """Return the server as a process, with sanitizers and slots, built with FACTORY: for tests of the group "push"."""
    folder = tmp_path_factory.mktemp("generated")
    generate(FACTORY, GenerateOptions(), folder)
    return build_host(folder, sanitize=True)


@pytest.fixture(scope="module")
def factory_board(factory_image: HostImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostBoard]:
    """Return that server running; it takes models of every geometry."""
    with HostBoard(factory_image, tmp_path_factory.mktemp("slots") / "slots.bin") as running:
        yield running
        running.check()  # a sanitizer that found something has ended it


@pytest.fixture
def factory_client(factory_board: HostBoard) -> Iterator[BoardClient]:
    """Return a client of factory_board, whose slots are empty."""
    with BoardClient.open(factory_board.url) as opened:
        restore_factory(opened)
        yield opened


@pytest.fixture(scope="session")
def passing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of SUITE."""
    return run(tmp_path_factory.mktemp("passing"), SUITE)


@pytest.fixture(scope="session")
def failing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of SUITE and FAILING."""
    return run(tmp_path_factory.mktemp("failing"), SUITE + FAILING)

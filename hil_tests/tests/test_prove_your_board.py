# SPDX-License-Identifier: Apache-2.0
"""A board outside boards.toml, written from docs/howto/prove-your-board.md alone: on the host, and in an emulator."""

import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from blsh_codegen.emit.export import ExportedModel, export_models
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.project import project_root
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.proof_files import proof_server
from blsh_hil.boards.fake import QUICK, FakeBoard, good_board
from blsh_hil.boards.session import connect
from blsh_hil.link.child_process import die_with_parent
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.prove.unlisted import UnlistedBoard, recognise
from blsh_hil.wire.messages import CountLoopDone
from blsh_suite import test_unlisted as suite
from blsh_suite.user_board import Proof, answering_board
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.masks import find_mask_kind

from .marks import needs_compiler, needs_emulator

PAGE = project_root() / "docs" / "howto" / "prove-your-board.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"/\* ([\w.]+): ")
TCP_PORTS = ("4444", "4445")  # of the page; a test takes free ones
BAUD = 115_200


def files() -> dict[str, str]:
    """Return the page's files by name: each says it in its first line."""
    found = {}
    for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language != "sh":
            name = FILE_NAME.match(text)
            assert name, f"a block of the page has no file name: {text[:60]}"
            found[name[1]] = text
    return found


def commands() -> list[str]:
    """Return the page's command lines, in their order."""
    texts = [text for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if language == "sh"]
    return [line for text in texts for line in re.sub(r"\\\n\s*", "", text).splitlines()]


def command_with(words: str) -> str:
    (command,) = [each for each in commands() if words in each]
    return command


def run(command: str, folder: Path) -> str:
    """Run a command line of the page; return what it writes to stdout."""
    blsh = f"{shlex.quote(sys.executable)} -m blsh_tools.cli "
    line = re.sub(r"^blsh ", lambda _: blsh, command)
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def running(command: list[str], folder: Path, tcp_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; enter the block when it listens at `tcp_port`."""
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent()
    ) as process:
        try:
            for _ in range(1000):
                assert process.poll() is None, f"{command} ended with {process.returncode}"
                with suppress(OSError), socket.create_connection(("127.0.0.1", tcp_port)):
                    break
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_page_has_the_files_that_its_commands_name() -> None:
    assert set(files()) == {"host_port.c", "port.c", "startup.c", "lm3s6965.ld"}
    assert [name for name in files() if name not in " ".join(commands())] == []
    for name in ("host_port.c", "port.c"):
        defined = re.findall(r"^(?:int|void|uint32_t) (blsh_port_\w+)\(.*\{", files()[name], re.MULTILINE)
        assert sorted(defined) == [f"blsh_port_{each}" for each in ("counter", "read", "reset", "write")]


# ---- as a process of this machine -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def artifact() -> AnyModel:
    return random_voting_model(projections=13, entries=40, seed=8)


@pytest.fixture(scope="module")
def built(artifact: AnyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the page's files and an export of a small model."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    export_models([ExportedModel(artifact, GenerateOptions())], folder / "lib" / "blsh", server=proof_server())
    return folder


@pytest.fixture(scope="module")
def url(built: Path) -> Iterator[str]:
    """Return the port of the page's process, built by the page's command."""
    run(command_with("-o host_proof"), built)
    number = free_port()
    with running(["./host_proof", str(number)], built, number):
        yield f"socket://127.0.0.1:{number}"


@pytest.fixture
def found(url: str, artifact: AnyModel) -> UnlistedBoard:
    return recognise(url, artifact, BAUD)


@pytest.mark.heavy
@pytest.mark.xdist_group("proof")
def test_the_process_of_the_page_is_proven_bit_for_bit(
    url: str, found: UnlistedBoard, rng: np.random.Generator
) -> None:
    reference = suite.Firmware(found.model, found.expected, "process", lambda *_: url, url, listed=False).reference
    samples = edge_signal("speech_like", 6 * found.model.geometry.tick, rng)
    with connect(url, found.expected) as client:
        comparison = compare(client, reference, samples)
        assert comparison.exact and comparison.values > 1000
        assert (found.hello.board, found.hello.core, found.hello.tick_hz) == ("my process", "host", 10**9)
        before = client.board.boot_nonce
        client.reset()
        assert client.board.boot_nonce != before
        assert compare(client, reference, samples).exact, "after a reset"
        ticks = client.hop(samples[: found.model.geometry.hop], ticks=True).stage_ticks
        assert ticks is not None and min(ticks) > 0


def test_the_fixtures_of_a_users_own_tests_take_the_board(
    url: str, artifact: AnyModel, rng: np.random.Generator
) -> None:
    board = answering_board(url, artifact, BAUD, None)
    samples = edge_signal("speech_like", 2 * board.geometry.tick, rng)
    with board.connected() as client:
        proof = Proof(client, board.reference)
        assert (board.name, proof(samples).differences) == ("my process", 0)
    assert proof.counts["values"] > 1000


class FramesOnTheWay:
    """A port around pyserial's that counts frames: those that were sent and are not answered yet, at most."""

    def __init__(self, line: Any) -> None:
        self._line, self._sent, self._answered, self.most = line, 0, 0, 0

    def write(self, data: bytes) -> int:
        written = int(self._line.write(data))
        self._sent += bytes(data[:written]).count(0)
        self.most = max(self.most, (self._sent - self._answered) // 2)
        return written

    def read(self, size: int) -> bytes:
        data = bytes(self._line.read(size))
        self._answered += data.count(0)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)


@pytest.mark.heavy
@pytest.mark.xdist_group("proof")
@pytest.mark.parametrize(("receive_ring", "ahead"), [(0, 1), (16, 1), (4096, 2)])
def test_no_hop_is_sent_ahead_to_a_board_that_cannot_hold_it(receive_ring: int, ahead: int) -> None:
    lines: list[FramesOnTheWay] = []

    def wrap(line: Any) -> FramesOnTheWay:
        lines.append(FramesOnTheWay(line))
        return lines[-1]

    board = FakeBoard(lambda request: good_board(request, receive_ring=receive_ring))
    try:
        with BoardClient.open(board.url, QUICK, wrap=wrap) as client:
            client.reset_stream()
            client.stream(np.zeros(20 * 256, np.int16))
    finally:
        board.close()
    assert lines[0].most == ahead


@pytest.mark.heavy
@pytest.mark.xdist_group("proof")
def test_a_board_with_another_model_is_refused_by_both_names(url: str, artifact: AnyModel) -> None:
    other = random_voting_model(projections=13, entries=40, seed=9)
    told = (
        rf"^{url}: the board 'my process' holds the model '.*' \(SHA-256 {artifact.sha256[:12]}\), --model is '.*' \("
    )
    with pytest.raises(BlshError, match=f"{told}{other.sha256[:12]}\\); name the artifact that was exported"):
        recognise(url, other, BAUD)


def test_a_port_without_a_board_is_refused_with_what_must_run_there(artifact: AnyModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BlshError, match=r"nothing was received.*calls blsh_prove .* must run there, at 9600 baud"):
            recognise(url, artifact, 9600, timeouts=replace(QUICK, boot=0.3))


# ---- a model that was reduced ---------------------------------------------------------------------------------------


@contextmanager
def board_with(model: Model, options: GenerateOptions) -> Iterator[str]:
    """Yield the port of a board that says it holds `model` with these options."""
    held = integer_model(model, options)
    told = {
        "model_sha256": bytes.fromhex(model.sha256), "dictionary_crc32": held.dictionary_crc32,
        "entries": held.entries, "bits": held.bits, "neighbours": held.neighbours,
    }  # fmt: skip
    board = FakeBoard(lambda request: good_board(request, **told))
    try:
        yield board.url
    finally:
        board.close()


@pytest.fixture(scope="module")
def masks() -> Model:
    rng = np.random.default_rng(3)
    kind = find_mask_kind("bands", RECORDER)
    return Model(
        name="tiny",
        feature_kind="tracked",
        neighbours=7,
        projections=rng.normal(size=(40, find_feature_kind("tracked").count(RECORDER))),
        biases=np.zeros(40),
        betas=np.linspace(1, 0.1, 40),
        code_bits=rng.random((90, 40)) < 0.5,
        mask_kind="bands",
        mask_levels=rng.integers(0, kind.top + 1, (90, kind.width)).astype(np.uint8),
        card={"seed": 1},
        geometry=RECORDER,
    )


def test_hello_tells_of_entries_bits_and_neighbours(masks: Model) -> None:
    options = GenerateOptions(entries=60, bits=33, neighbours=5)
    with board_with(masks, options) as url:
        found = recognise(url, masks, BAUD)
    held = integer_model(masks, options)
    assert (found.model.entries, found.model.bits, found.model.neighbours) == (60, 33, 5)
    assert found.model.dictionary_crc32 == held.dictionary_crc32 == found.expected.dictionary_crc32


def test_the_export_tells_what_hello_does_not(masks: Model, tmp_path: Path) -> None:
    options = GenerateOptions(entries=60, seed=2)
    export_models([ExportedModel(masks, options)], tmp_path / "library")
    export_models([ExportedModel(masks, GenerateOptions(entries=60))], tmp_path / "other")
    with board_with(masks, options) as url:
        held = recognise(url, masks, BAUD, tmp_path / "library").model
        assert held.dictionary_crc32 == integer_model(masks, options).dictionary_crc32
        for library in (None, tmp_path / "other"):
            with pytest.raises(BlshError, match=r"60 entries of 40 bits, K = 7; the one .* by --library DIR"):
                recognise(url, masks, BAUD, library)


# ---- what a wrong counter is told -----------------------------------------------------------------------------------


class Looping:
    """A board whose loop takes a microsecond a round, and whose counter has another rate than it says."""

    def __init__(self, share: float) -> None:
        self._share = share

    def count_loop(self, iterations: int) -> CountLoopDone:
        began = time.monotonic()
        time.sleep(1e-6 * iterations)
        return CountLoopDone(int(self._share * 1e6 * (time.monotonic() - began)), 2 * iterations)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, ""),
        (0.25, "is counter_hz = 1000000 the rate"),
        (4.0, "is counter_hz = 1000000 the rate"),
        (0.0, "stands still"),
    ],
)
def test_a_counter_of_another_rate_is_noticed(share: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "COUNT_LOOP_MAX", 500_000)
    board = cast(BoardClient, Looping(share))
    hello = FakeHello(1_000_000)
    with pytest.raises(AssertionError, match=words) if words else ExitStack():
        suite.test_the_counter_runs_at_the_rate_that_the_board_says(board, cast(Any, hello))


class FakeHello:
    """What the test of the counter reads of HELLO."""

    def __init__(self, tick_hz: int) -> None:
        self.tick_hz = tick_hz


# ---- the Cortex-M3 that boards.toml does not have -------------------------------------------------------------------


@pytest.mark.heavy
@needs_compiler
@pytest.mark.xdist_group("proof")
def test_the_files_of_the_board_compile_without_a_warning(built: Path) -> None:
    """Compile what the page adds to the library; the slow test below links and runs it."""
    flags, sources, _ = re.split("(port.c startup.c)", command_with("-o proof.elf"))
    run(f"{flags} -c {sources}", built)


@pytest.mark.slow
@needs_emulator
def test_the_page_leads_from_an_export_to_a_proven_board(tmp_path: Path) -> None:
    """Do what the page says, line by line, in an empty folder: both boards are proven. It takes minutes."""
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    numbers = {each: str(free_port()) for each in TCP_PORTS}
    proofs = []
    with ExitStack() as programs:
        for command in commands():
            line = re.sub("|".join(TCP_PORTS), lambda port: numbers[port[0]], command)
            if line.endswith("&"):
                started = [each for each in numbers.values() if each in line]
                programs.enter_context(running(shlex.split(line[:-1]), tmp_path, int(started[0])))
                continue
            output = run(line, tmp_path)
            proofs += [output] if " hil " in line else []
    assert len(proofs) == 2
    for output, name, unit in zip(proofs, ("my-process", "lm3s6965evb"), ("ticks", "cycles"), strict=True):
        rows = re.findall(r"^(\S.*?) {2,}(.*?) *$", output, re.MULTILINE)
        table = dict(rows)
        assert (table["board"], table["passed"], table["failures"], table["mismatches"]) == (name, "True", "0", "0")
        assert int(table["values"]) > 1_000_000 and f"{unit} of neighbours" in table
        assert any(key == "not run" and "stack" in value for key, value in rows)
        assert (tmp_path / "out" / "hil" / name / "report.json").is_file()

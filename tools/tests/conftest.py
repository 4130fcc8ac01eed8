"""The real `blsh`, run in scratch folders: a tiny corpus, a model of it, a project to build firmware in.

Nothing here touches the checkout: every run gets BLSH_PROJECT, a copy of the firmware project.
"""

import csv
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from blsh_codegen.project import project_root
from blsh_tools import cli
from blsh_trainer.model.artifact import load_model, save_model

BOARD = "mps2-an386"
SEED = 20_24
TRAINING = (
    "--system",
    "paper",
    "--features",
    "stft",
    "--bits",
    "20",
    "--neighbours",
    "5",
    "--steps",
    "40",
    "--name",
    "tiny",
)
TIMEOUT_S = 600
# Two test processes with two threads of BLAS each are many times slower than with one.
ENVIRONMENT = {"COLUMNS": "160", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

Samples = npt.NDArray[np.float64]


# ---- the command --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How a run of `blsh` ended."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


@dataclass(frozen=True)
class Blsh:
    """`blsh` as a user types it: in the folder `cwd`, with the firmware project `project`.

    alone: as a process of its own, which takes half a second to start. Refusals are run within the process of the
    tests; test_cli.py shows that this is the same.
    """

    cwd: Path
    project: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = True

    def within(self) -> "Blsh":
        """The same, but within the process of the tests: where many runs differ in little."""
        return replace(self, alone=False)

    def start(self, *arguments: object, stdout: int | IO[bytes] = subprocess.PIPE) -> subprocess.Popen[str]:
        """The process, its output piped unless `stdout` says where to.

        In a session of its own, and not deaf to Ctrl-C as background jobs are.
        """
        script = Path(sys.executable).with_name("blsh")
        command = [str(script)] if script.is_file() else [sys.executable, "-m", "blsh_tools.cli"]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=self.cwd,
            env=self._variables(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )

    def __call__(self, *arguments: object) -> Outcome:
        """Run it to its end."""
        if not self.alone:
            return self._run_here(*arguments)
        with self.start(*arguments) as process:
            try:
                stdout, stderr = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return Outcome(process.returncode, stdout, stderr)

    def _run_here(self, *arguments: object) -> Outcome:
        """Not for what starts pytest, which writes past Python's sys.stdout."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            chdir(self.cwd),
            patch.dict(os.environ, self._variables(), clear=True),
            patch.object(sys, "argv", ["blsh", *map(str, arguments)]),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            warnings.catch_warnings(record=True) as caught,
            pytest.raises(SystemExit) as ended,
        ):
            warnings.simplefilter("default")
            for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)  # as Python does
            cli.main()
        said = (warnings.formatwarning(each.message, each.category, each.filename, each.lineno) for each in caught)
        return Outcome(int(ended.value.code or 0), stdout.getvalue(), "".join(said) + stderr.getvalue())

    def _variables(self) -> dict[str, str]:
        unwanted = ("FORCE_COLOR", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "BLSH_PROJECT")
        inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
        return {**inherited, **ENVIRONMENT, "BLSH_PROJECT": str(self.project), **self.environment}

    def succeed(self, *arguments: object) -> Outcome:
        """Run it; it must succeed."""
        outcome = self(*arguments)
        assert outcome.code == 0, str(outcome)
        assert "Traceback" not in outcome.stderr, str(outcome)
        return outcome

    def json(self, *arguments: object) -> Any:
        """Run it with --json; stdout must be one JSON document and nothing else."""
        outcome = self.succeed(*arguments, "--json")
        result = json.loads(outcome.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert outcome.stdout == json.dumps(result, indent=2, sort_keys=True) + "\n"
        return result

    def refuse(self, expected: str, *arguments: object, alone: bool = False) -> str:
        """Run it; it must refuse with one message that matches `expected`, and change no file. Returns the message.

        alone: as a process of its own.
        """
        before = self._files()
        outcome = self(*arguments) if alone else self.within()(*arguments)
        assert outcome.code == 2, str(outcome)
        assert outcome.stdout == "", str(outcome)
        assert "Traceback" not in outcome.stderr and "Warning" not in outcome.stderr, str(outcome)
        assert len(re.findall("^error: ", outcome.stderr, re.MULTILINE)) == 1, str(outcome)
        message = outcome.stderr[re.search("^error: ", outcome.stderr, re.MULTILINE).end() :]  # type: ignore[union-attr]
        assert re.search(expected, message), f"expected {expected!r}\n{outcome}"
        assert self._files() == before, "it changed files"
        return message

    def interrupt(self, when: str, *arguments: object, numbers: Sequence[int] = (signal.SIGINT,)) -> Outcome:
        """Run it and press Ctrl-C, or send the signals `numbers` to all its group, once `when` is on its stderr."""
        said = ""
        with self.start(*arguments) as process:
            assert process.stderr is not None
            try:
                while when not in said:
                    line = process.stderr.readline()
                    assert line, f"ended before it said {when!r}:\n{said}"
                    said += line
                for number in numbers:
                    os.killpg(process.pid, number)
                stdout, rest = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return Outcome(process.returncode, stdout, said + rest)

    def _files(self) -> dict[str, str]:
        return {**tree(self.cwd), **tree(self.project / "firmware")}


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder under `folder`, with a digest of its contents."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


# ---- recordings ---------------------------------------------------------------------------------------------


def speech(samples: int, rng: np.random.Generator, rate: int = 16_000) -> Samples:
    """A stand-in for speech: harmonics of gliding pitch, in syllables."""
    time = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 240) * (1 + 0.2 * np.sin(2 * np.pi * time))) / rate
    voice = sum(np.sin(h * phase) * rng.uniform(0.1, 1) / h for h in range(1, 20))
    return 0.1 * np.asarray(voice) * np.maximum(0, np.sin(2 * np.pi * 3 * time)) + 1e-4 * rng.standard_normal(samples)


def noise(samples: int, rng: np.random.Generator) -> Samples:
    """A stand-in for noise: coloured, coming and going."""
    coloured = np.convolve(rng.standard_normal(samples), rng.standard_normal(8), mode="same")
    return 0.05 * coloured * (0.3 + np.sin(np.arange(samples) / 9000) ** 2)


def corpus_rows() -> list[dict[str, str]]:
    """Six speakers to train on, two to test with, and two types of noise in each split."""
    rows = []
    for split, speakers in (("train", 6), ("valid", 1), ("test", 2)):
        for number in range(2 * speakers):
            speaker = f"{split}{number // 2}"
            rows.append((f"speech/{speaker}/{number}.flac", "speech", split, speaker))
        rows += [(f"noise/{split}{number}.flac", "noise", split, f"kind{number}") for number in range(2)]
    return [dict(zip(("path", "kind", "split", "speaker_or_type"), row, strict=True)) for row in rows]


def write_manifest(root: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with (root / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder by name, filled by the first of pytest's processes that asks; read only for all of them."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        done = shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(shared / name, ignore_errors=True)  # of a process that failed to fill it
                (shared / name).mkdir()
                fill(shared / name)
                done.touch()
        return shared / name

    return folder


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def corpus(made_once: MadeOnce) -> Path:
    """A corpus of a few seconds; read only."""
    return made_once("corpus", write_corpus)


def write_corpus(root: Path) -> None:
    rng = np.random.default_rng(SEED)
    for row in corpus_rows():
        file = root / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, speech(16_000, rng) if row["kind"] == "speech" else noise(20_000, rng), 16_000)
    write_manifest(root, corpus_rows())


@pytest.fixture(scope="session")
def noisy() -> Samples:
    """Speech in noise, 12,345 samples at 16 kHz: no whole number of hops."""
    rng = np.random.default_rng(SEED + 1)
    return np.round((speech(12_345, rng) + 0.5 * noise(12_345, rng)) * 32768) / 32768


# ---- models and projects ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def empty_project(made_once: MadeOnce) -> Path:
    """The checkout's firmware project with nothing generated; read only."""
    return made_once("empty-project", lambda folder: copy_project(project_root(), folder))


@pytest.fixture(scope="session")
def model(made_once: MadeOnce, corpus: Path, empty_project: Path) -> Path:
    """An artifact that `blsh train` wrote; read only."""

    def train(folder: Path) -> None:
        Blsh(folder, empty_project).succeed("train", corpus, "-o", "model.npz", *TRAINING)

    return made_once("model", train) / "model.npz"


@pytest.fixture(scope="session")
def other_model(made_once: MadeOnce, model: Path) -> Path:
    """The same model with another card: it works alike and is another."""
    other = load_model(model).with_metrics({"other": True})
    return made_once("other", lambda folder: save_model(folder / "model.npz", other)) / "model.npz"


@pytest.fixture(scope="session")
def generated_project(made_once: MadeOnce, model: Path) -> Path:
    """A project whose firmware was generated from `model`, not built; read only."""

    def generate(folder: Path) -> None:
        Blsh(folder, copy_project(project_root(), folder)).succeed("generate", model)

    return made_once("generated-project", generate)


@pytest.fixture(scope="session")
def built_project(made_once: MadeOnce, generated_project: Path) -> Path:
    """A project whose firmware was generated from `model` and built; read only."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")

    def build(folder: Path) -> None:
        Blsh(folder, copy_project(generated_project, folder, generated=True)).succeed("build")

    return made_once("built-project", build)


def copy_project(source: Path, target: Path, generated: bool = False) -> Path:
    """A firmware project like `source`; without what was generated and built, unless `generated`."""
    left_out = ("__pycache__",) if generated else ("__pycache__", "generated")
    target.mkdir(exist_ok=True)
    shutil.copytree(source / "firmware", target / "firmware", ignore=shutil.ignore_patterns(*left_out))
    for name in ("boards.toml", "platformio.ini"):
        shutil.copy(source / name, target / name)
    return target


def copy_built(source: Path, target: Path) -> Path:
    """A project like `source`, its image included."""
    copy_project(source, target, generated=True)
    folder = Path(".pio") / "build" / BOARD
    (target / folder).mkdir(parents=True)
    for name in ("firmware.elf", "firmware.bin", "blsh_build.json"):
        shutil.copy(source / folder / name, target / folder / name)
    return target


@pytest.fixture
def blsh(tmp_path: Path, empty_project: Path) -> Blsh:
    """`blsh` in an empty folder; nothing is generated."""
    folder = tmp_path / "here"
    folder.mkdir()
    return Blsh(folder, empty_project)


@pytest.fixture
def built(blsh: Blsh, built_project: Path) -> Blsh:
    """`blsh` in an empty folder, with firmware generated and built."""
    return Blsh(blsh.cwd, built_project)


@pytest.fixture(scope="session")
def emulator() -> None:
    """Skips a test where there is no emulator."""
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")


@pytest.fixture
def generated(tmp_path: Path, blsh: Blsh, generated_project: Path) -> Blsh:
    """`blsh` with a project of its own, generated but not built."""
    return Blsh(blsh.cwd, copy_project(generated_project, tmp_path / "project", generated=True))


# ---- what a case lays out ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """Where a case lays out its files, and good ones to spoil or to go with bad ones."""

    folder: Path  # where `blsh` runs
    corpus: Path
    model: Path
    noisy: Samples

    def audio(self, name: str, samples: Any, rate: int = 16_000, **options: Any) -> str:
        """Write a recording; returns its name."""
        soundfile.write(self.folder / name, samples, rate, **options)
        return name

    def file(self, name: str, content: bytes = b"of yesterday") -> str:
        (self.folder / name).write_bytes(content)
        return name

    def own_corpus(self, rows: Sequence[dict[str, str]] | None = None) -> Path:
        """A copy of the corpus, to be spoilt."""
        root = self.folder / "recordings"
        shutil.copytree(self.corpus, root)
        if rows is not None:
            write_manifest(root, rows)
        return root

    def arrays(self, **changes: Any) -> str:
        """The model's arrays with some changed (None: left out), as a file that nobody signed."""
        with np.load(self.model) as loaded:
            arrays = {name: loaded[name] for name in loaded.files} | changes
        np.savez(self.folder / "spoilt.npz", **{name: value for name, value in arrays.items() if value is not None})
        return "spoilt.npz"


@pytest.fixture
def bench(blsh: Blsh, corpus: Path, model: Path, noisy: Samples) -> Bench:
    return Bench(blsh.cwd, corpus, model, noisy)


FIRMWARE_COMMANDS = {
    "build": "build",
    "flash": "flash",
    "bench": "bench --model MODEL",
    "hil": "hil --model MODEL",
    "hil host": "hil --board host --model MODEL",
    "denoise": "denoise in.wav out.wav --engine device --model MODEL",
}
"""The commands that have to do with firmware."""


def firmware_command(bench: Bench, name: str, model: Path | None = None) -> list[object]:
    """The command line; an output of yesterday lies in its way."""
    bench.audio("in.wav", bench.noisy)
    bench.file("out.wav")
    return [model or bench.model if word == "MODEL" else word for word in FIRMWARE_COMMANDS[name].split()]

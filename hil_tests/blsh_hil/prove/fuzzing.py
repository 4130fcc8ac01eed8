# SPDX-License-Identifier: Apache-2.0
"""Fuzz the board's side of the link on this machine: decoder and server under libFuzzer and the sanitizers.

    make fuzz MINUTES=30
    .venv/bin/python -m blsh_hil.prove.fuzzing --runs 10000000 --json

Inputs that reach new code are kept in build/fuzz/found. --keep puts the fewest inputs that reach all known edges into
firmware/fuzz/corpus, which a test replays. An input that crashes is kept in build/fuzz/crashes, and printed.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.model_image import HEAD, encode_image
from blsh_codegen.project import project_root
from blsh_hil.boards.host import SANITIZERS
from blsh_hil.ending import exit_code
from blsh_hil.prove.random_model import generate_into, random_model
from blsh_hil.wire.codes import HopFlag
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import (
    Check,
    CountLoop,
    Hello,
    Hop,
    ModelFactory,
    ModelTry,
    PushBegin,
    PushData,
    Reset,
    ResetStream,
    Slots,
)
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, Geometry

RAW: Final = 0xFF
IMAGE: Final = 0xFE
PROVE: Final = b"\xfd\0\0"
START: Final = b"\xfc\0\0"
_LONGEST_INPUT: Final = 8000
SMALLEST: Final = Geometry(8_000, 256, 64, 128)
"""The geometry of models that are pushed: two of their images fit an input."""

_MOST_MINUTES: Final = 10_000
_MOST_RUNS: Final = 2**31 - 1  # libFuzzer's int
_STATUS: Final = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)/")
_EXECUTIONS: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True)
class FuzzResult:
    """The result of a search: inputs tried, edges and features of the code reached, inputs kept, files that crash."""

    executions: int
    edges: int
    features: int
    corpus: int
    crashes: list[str]


def corpus_folder() -> Path:
    """Return the folder of the committed inputs."""
    return project_root() / "firmware" / "fuzz" / "corpus"


def build_target(folder: Path, *, libfuzzer: bool, firmware: Path | None = None) -> Path:
    """Compile the fuzz target with a small model into `folder`; return the program.

    libfuzzer: compile with clang, to search; otherwise with gcc, to replay files. firmware: another firmware/ than the
    checkout's. Raises BlshError if the compiler is missing or refuses.
    """
    compiler = "clang" if libfuzzer else "gcc"
    if shutil.which(compiler) is None:
        packages = "clang libclang-rt-dev (`tools/setup.sh --with-test-tools`)" if libfuzzer else "gcc"
        raise BlshError(f"{compiler} is missing; install the Debian packages {packages}")
    firmware = firmware or project_root() / "firmware"
    own = random_model(bits=20, entries=40, neighbours=3)
    generated = generate_into(folder / "generated", own, GenerateOptions(slots=True))
    app = [path for path in sorted((firmware / "app").glob("*.c")) if path.name not in ("main.c", "count_loop.c")]
    sources = [*sorted((firmware / "core").glob("*.c")), *app, *sorted(generated.glob("*.c"))]
    sources += [firmware / "fuzz" / "fuzz_server.c"]
    sources += [] if libfuzzer else [firmware / "fuzz" / "replay_main.c"]
    # clang has warnings that gcc does not have, and the firmware is written for gcc
    options = ["-std=gnu11", "-O2", "-DBLSH_MODEL_LIMITS", "-DBLSH_SLOTS", *(["-w"] if libfuzzer else C_WARNINGS)]
    options += [f"-I{path}" for path in (firmware / "core", firmware / "app", firmware / "hal", generated)]
    options += [SANITIZERS[0] + ",fuzzer" * libfuzzer, *SANITIZERS[1:]]
    program = folder / ("fuzz" if libfuzzer else "replay")
    _compile([compiler, *options, *map(str, sources), "-o", str(program)], folder)
    return program


def _compile(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BlshError(f"the fuzz target does not build with {command[0]}:\n{done.stderr[-4000:]}")


def record(message: Message) -> bytes:
    """Return a message as a record of an input."""
    return bytes([message.TYPE]) + len(message.pack()).to_bytes(2, "little") + message.pack()


def image_record(image: bytes) -> bytes:
    """Return a record of an input: a model image that is pushed and tried."""
    return bytes([IMAGE]) + len(image).to_bytes(2, "little") + image


def raw(data: bytes) -> bytes:
    """Return a record of an input: bytes that stand on the line as they are."""
    return bytes([RAW]) + len(data).to_bytes(2, "little") + data


def first_inputs() -> list[bytes]:
    """Return the inputs that the search starts from: a session of each kind."""
    loud = b"\x00\x40\x00\xc0"

    def hop(number: int, flags: int = 0, stage: int = 0, stream: int = 0, length: int = RECORDER.hop) -> bytes:
        return record(Hop(number, stream, flags, stage, samples=loud * (length // 2)))

    start = record(ResetStream(0))
    model = random_model(5, bits=6, entries=3, neighbours=2, geometry=SMALLEST)
    image = encode_image(model)
    assert model.mel is not None
    loudest = replace(model.mel, weights_q16=np.full_like(model.mel.weights_q16, -(1 << 15)))  # the core's sums wrap
    push = image_record(image)
    return [
        push + start + hop(0, length=SMALLEST.hop) + PROVE + START + record(Slots()) + start + hop(0),
        push + start + hop(0, length=SMALLEST.hop) + hop(1, length=SMALLEST.hop) + hop(2, length=SMALLEST.hop),
        push + PROVE + push + PROVE + START + record(Slots()) + record(ModelFactory()) + record(Slots()),
        record(PushBegin(image[: HEAD.size]))
        + record(PushData(HEAD.size, image[HEAD.size : HEAD.size + 256]))
        + record(ModelTry())
        + START,
        image_record(encode_image(replace(model, mel=loudest))) + START,
        image_record(image[:-4]) + image_record(image[:200]) + image_record(image + bytes(8)),
        record(Hello(1)),
        start + hop(0) + hop(1) + hop(2),
        start + b"".join(record(Hop(t, 0, 0, 0, limit, samples=loud * 128)) for t, limit in enumerate((0, 61, 9, 255))),
        start + hop(0, HopFlag.DIGESTS | HopFlag.STAGE_TICKS) + hop(0, HopFlag.DIGESTS | HopFlag.STAGE_TICKS),
        start + hop(0) + hop(1) + hop(0) + hop(1) + hop(5),
        start + hop(0, HopFlag.DUMP, 1) + hop(0, HopFlag.DUMP, 1) + hop(1, HopFlag.DUMP, 9) + hop(1, 0x80),
        hop(0) + start + hop(0, 0, 0, 3),
        record(CountLoop(10)) + record(CountLoop(0)),
        record(Reset()),
        record(Check()) + b"\x33\1\0x",
        raw(b"\0\x05ab\0\0\0\x02a\0") + raw(b"\0" + b"\xff" * 300),
    ]


def fuzz(folder: Path, *, seconds: int, runs: int | None = None, seed: int = 0) -> FuzzResult:
    """Search in `folder` for `seconds`, or until `runs` inputs were tried. seed: 0 for a random one.

    Raises BlshError if the target cannot be built, or ends without a result.
    """
    program = build_target(folder, libfuzzer=True)
    found, crashes = folder / "found", folder / "crashes"
    for path in (found, crashes):
        path.mkdir(parents=True, exist_ok=True)
    for place, data in enumerate(first_inputs()):
        (found / f"first-{place}").write_bytes(data)
    options = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", f"-artifact_prefix={crashes}/"]
    options += ["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2000", f"-seed={seed}"]
    options += [f"-runs={runs}"] if runs is not None else []
    command = [str(program), *options, str(found), str(corpus_folder())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    (folder / "log.txt").write_text(done.stderr)
    status, executions = _STATUS.findall(done.stderr), _EXECUTIONS.search(done.stderr)
    left = sorted(str(path) for path in crashes.iterdir())
    if not status or (done.returncode and not left):
        raise BlshError(f"the fuzzer ended with {done.returncode}:\n{done.stderr[-3000:]}")
    last = status[-1]
    return FuzzResult(
        int(executions[1]) if executions else int(last[0]), int(last[1]), int(last[2]), int(last[3]), left
    )


def keep(folder: Path) -> int:
    """Replace firmware/fuzz/corpus by the fewest inputs that reach all known edges; return how many they are."""
    smallest = folder / "smallest"
    shutil.rmtree(smallest, ignore_errors=True)
    smallest.mkdir()
    sources = [str(folder / "found"), str(corpus_folder())]
    # count edges alone, not how often each is taken: the corpus has a fifth of the bytes then
    merge = [str(folder / "fuzz"), "-merge=1", "-use_counters=0", f"-max_len={_LONGEST_INPUT}", str(smallest), *sources]
    subprocess.run(merge, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in corpus_folder().iterdir():
        path.unlink()
    for path in smallest.iterdir():
        shutil.copy(path, corpus_folder() / path.name[:16])
    return sum(1 for _ in corpus_folder().iterdir())


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text}; choose above 0 to {_MOST_MINUTES:,}")
    return minutes


def _runs(text: str) -> int:
    runs = int(text)
    if not 1 <= runs <= _MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text}; choose 1 to {_MOST_RUNS:,}")
    return runs


def main() -> int:
    """Run the command; return 0 if nothing was found, 1 if an input crashes. BlshError if nothing could be tried."""
    about = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m blsh_hil.prove.fuzzing",
        description=about[0],
        epilog=about[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=_minutes, default=30.0, help="minutes to search (30)")
    parser.add_argument("--runs", type=_runs, default=None, help="the most inputs to try")
    parser.add_argument("--keep", action="store_true", help="renew the committed corpus by the fewest inputs")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    folder = project_root() / "build" / "fuzz"
    result = fuzz(folder, seconds=max(1, round(60 * options.minutes)), runs=options.runs)
    kept = keep(folder) if options.keep and not result.crashes else None
    if options.json:
        print(json.dumps(asdict(result) | {"kept": kept}, indent=2, sort_keys=True))
    else:
        print(
            f"{result.executions:,} inputs, {result.edges} edges and {result.features} features reached, "
            f"{len(result.crashes)} crashes"
        )
    for crash in result.crashes:
        print(f"crashes: {crash}; replay it with {folder / 'fuzz'} {crash}", file=sys.stderr)
    return 1 if result.crashes else 0


if __name__ == "__main__":
    sys.exit(exit_code(main))

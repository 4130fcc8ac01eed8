# SPDX-License-Identifier: Apache-2.0
"""`blsh` when all is well: help, tables, JSON, files; and Ctrl-C."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

from blsh_hil.boards.table import load_boards
from blsh_tools import cli, commands
from blsh_trainer.corpora import synthetic_corpus
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.synthetic_corpus import CorpusSize
from blsh_trainer.model.artifact import load_model

from .blsh_command import TIMEOUT_S, Blsh, tree
from .projects import BOARD
from .tiny_corpus import TRAINING

pytestmark = pytest.mark.heavy

COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]


# ---- help ---------------------------------------------------------------------------------------------------


def test_version_is_that_of_the_package(blsh: Blsh) -> None:
    assert blsh.succeed("--version").stdout == f"blsh-mcu {version('blsh-mcu')}\n"


def test_help_names_every_command(blsh: Blsh) -> None:
    text = blsh.succeed("--help").stdout
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b +[A-Z]", text)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(blsh: Blsh, command: str) -> None:
    outcome = blsh(command, "--help")
    assert f"Example: blsh {command}" in outcome.stdout
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_typed(command: str) -> None:
    example = COMMANDS[command].epilog.split("`")[1]
    program, name, *arguments = shlex.split(example)
    assert (program, name) == ("blsh", command)
    COMMANDS[command].make_context(name, arguments)


def test_every_command_has_a_module_of_its_name() -> None:
    verbs = [verb for panel in cli.VERBS.values() for verb in panel]
    assert [verb.run.__module__ for verb in verbs] == [f"blsh_tools.commands.{verb.run.__name__}" for verb in verbs]
    modules = {path.stem for path in Path(commands.__file__).parent.glob("[!_]*.py")}
    assert modules == {verb.run.__name__ for verb in verbs} | {"corpus"}


def test_help_needs_none_of_what_the_commands_need() -> None:
    """NumPy alone would take as long as all that help needs."""
    script = "import sys, blsh_tools.cli; print(*{'numpy', 'scipy', 'soundfile', 'serial'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


HEAVY = {"jax", "joblib", "librosa", "matplotlib", "numba", "scipy"}
"""What takes a tenth of a second and more to import."""


@pytest.mark.parametrize(
    ("line", "needed"), [("models", ""), ("card hearing", ""), ("denoise in.wav out.wav", "numba scipy")]
)
def test_quick_commands_import_nothing_heavy_that_they_do_not_need(tmp_path: Path, line: str, needed: str) -> None:
    """The search is compiled by Numba, which imports SciPy."""
    soundfile.write(tmp_path / "in.wav", np.full(1600, 0.1), 16_000)
    unwanted = HEAVY - set(needed.split())
    script = "import sys\nfrom blsh_tools import cli\ntry:\n    cli.main()\nfinally:\n    "
    script += f"print(*{unwanted} & set(sys.modules))"
    command = [sys.executable, "-c", script, *line.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "", done.stdout


def test_unknown_option_is_no_traceback(blsh: Blsh) -> None:
    outcome = blsh("train", "corpus", "--bit", "3")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "--bit" in outcome.stderr and "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    "line",
    [
        "boards",
        "corpus fetch --json",
        "train nowhere -o model.npz",
        "denoise in.wav out.wav --model nowhere.npz",
        "hil --model nowhere.npz",
    ],
)
def test_a_process_says_the_same_as_a_run_within_the_tests(blsh: Blsh, line: str) -> None:
    """Most tests run the command within their own process."""
    assert blsh.apart()(*line.split()) == blsh(*line.split())


# ---- results ------------------------------------------------------------------------------------------------


def test_boards_as_table_and_as_json(blsh: Blsh) -> None:
    result = blsh.json("boards")
    boards = {board["name"]: board for board in result["boards"]}
    assert list(boards) == list(load_boards())
    board = boards[BOARD]
    assert all(each["kind"] in ("port", "probe", "virtual") for each in result["attached"])
    assert (board["name"], board["core"], board["ram"]["size"]) == (BOARD, "cortex-m4", 4 << 20)
    table = blsh.succeed("boards").stdout
    assert all(word in table for word in (BOARD, "host", "cortex-m4", "25 MHz", "4096 KiB", "QEMU", "openocd"))


def test_project_of_the_environment_must_be_one(blsh: Blsh) -> None:
    stray = Blsh(blsh.cwd, blsh.cwd)
    stray.refuse(r"BLSH_PROJECT is .*/here, which holds no boards.toml .*correct or unset", "boards")


@pytest.mark.needs("espeak-ng")
def test_corpus_is_made_once(blsh: Blsh, monkeypatch: pytest.MonkeyPatch) -> None:
    small = CorpusSize(utterances=(6, 2, 2), noises=(3, 2, 2), noise_seconds=4.0)
    monkeypatch.setattr(synthetic_corpus, "CorpusSize", lambda: small)
    made = blsh.json("corpus", "make", "deep/corpus", "--seed", 3)
    assert (made["folder"], made["synthetic"]) == ("deep/corpus", True)
    files = tree(blsh.cwd)
    assert sum(path.endswith(".flac") for path in files) == made["files"]
    assert blsh.json("corpus", "make", "deep/corpus", "--seed", 3) == made
    assert tree(blsh.cwd) == files
    assert load_corpus(blsh.cwd / "deep" / "corpus").sha256 == made["sha256"]


def test_training_says_what_it_made_and_repeats_it_byte_for_byte(blsh: Blsh, corpus: Path, model: Path) -> None:
    made = blsh.apart().json("train", corpus, "-o", "again.npz", *TRAINING)
    artifact = load_model(blsh.cwd / "again.npz")
    assert (blsh.cwd / "again.npz").read_bytes() == model.read_bytes()
    assert made == {
        "model": "again.npz",
        "model_sha256": artifact.sha256,
        "bits": 20,
        "feature_kind": "stft",
        "dictionaries": 1,
        "dictionary_entries": artifact.entries,
        "artifact_bytes": model.stat().st_size,
        "card": artifact.card,
    }


def test_training_options_reach_the_model(blsh: Blsh, corpus: Path) -> None:
    options = {"system": "paper", "bits": 3, "neighbours": 2, "learner": "lsh", "snr": -3, "max-frames": 100}
    blsh.succeed("train", corpus, "-o", "m.npz", *(f"--{name}={value}" for name, value in options.items()))
    made = load_model(blsh.cwd / "m.npz")
    assert (made.feature_kind, made.bits, made.neighbours, made.entries) == ("mel", 3, 2, 100)
    assert (made.card["options"]["learner"], made.card["options"]["snr_db"]) == ("lsh", -3)


@pytest.mark.parametrize("engine", ["float", "fixed"])
def test_evaluation_finds_an_improvement(blsh: Blsh, model: Path, corpus: Path, engine: str) -> None:
    options = ("--engine", engine, "--count", 3, "--entries", 200, "--snr", 0, "--metrics", "si_sdr_db", "--jobs", 1)
    found = blsh.json("evaluate", model, corpus, *options)
    assert (found["engine"], found["mixtures"]["split"], found["mixtures"]["mixtures"]) == (engine, "test", 3)
    assert (found["model_sha256"], found["dictionary_entries"]) == (load_model(model).sha256, 200)
    mixture, denoised = found["summary"]
    assert mixture["mean"] == pytest.approx(0, abs=0.5)
    assert denoised["mean"] > 3 and denoised["improvement"] == pytest.approx(denoised["mean"] - mixture["mean"])
    assert list(blsh.cwd.iterdir()) == []


def test_evaluation_writes_what_it_shows_whatever_the_jobs(blsh: Blsh, model: Path, corpus: Path) -> None:
    options = ("--count", 2, "--snr", 5, "--snr", -5, "--metrics", "si_sdr_db,pesq,estoi")
    outcome = blsh.succeed("evaluate", model, corpus, *options, "-o", "two/scores.json", "--csv", "two/scores.csv")
    for word in ("SI-SDR, dB", "PESQ-WB", "ESTOI", "mixture", "model", "improvement", "95 % interval", "-5", " to "):
        assert word in outcome.stdout, word
    shown = blsh.json("evaluate", model, corpus, *options, "-o", "one.json", "--csv", "one.csv", "--jobs", 1)
    for one, two in (("one.json", "two/scores.json"), ("one.csv", "two/scores.csv")):
        assert (blsh.cwd / one).read_bytes() == (blsh.cwd / two).read_bytes()
    assert json.loads((blsh.cwd / "one.json").read_text()) == shown
    assert len((blsh.cwd / "one.csv").read_text().splitlines()) == 1 + 2 * 2 * 2  # systems, mixtures, SNRs


def test_evaluation_by_the_peers_protocol_shows_the_peers_and_the_difference(
    blsh: Blsh, model: Path, real_corpus_folder: Path | None
) -> None:
    if real_corpus_folder is None:
        pytest.skip("no real corpus: set BLSH_CORPUS, or put one in shared/corpus beside the checkout")
    options = ("--peers", "--count", 2, "--metrics", "estoi,si_sdr_db", "--snr", 0, "--jobs", 1)
    outcome = blsh.succeed("evaluate", model, real_corpus_folder, *options, "-o", "found.json")
    rows = [re.split("  +", line.strip()) for line in outcome.stdout.splitlines()]
    theirs, less = (row for row in rows if row[0] == "speexdsp-30dB" and len(row) in (4, 5) and row[1])
    ours = next(row for row in rows if row[0] == "model")
    assert ours[3].endswith(("measured", "estimated")) and less[1] == "0"
    for column in (1, 2):
        difference = float(ours[column]) - float(theirs[column])
        assert float(less[column + 1].split()[0]) == pytest.approx(difference, abs=0.011)
    compared = json.loads((blsh.cwd / "found.json").read_text())["peers"]
    assert {each["n"] for each in compared} == {2} and len(compared) == 6 * 2
    assert "blsh docs results/peers" in outcome.stderr


def test_generating_twice_gives_the_same_bytes(blsh: Blsh, model: Path) -> None:
    command = ("generate", model, "--entries", 100, "--bits", 17, "--neighbours", 3, "--seed", 5)
    first = blsh.json(*command, "--output", "first")
    second = blsh.json(*command, "-o", "deep/second")
    names = {f"blsh_{name}" for name in ("limits.h", "model.c", "model.h", "tables.c", "protocol.h", "generated.json")}
    contents = {path.name: path.read_bytes() for path in (blsh.cwd / "first").iterdir()}
    assert set(contents) == names | {"ATTRIBUTION.txt"}
    assert {path.name: path.read_bytes() for path in (blsh.cwd / "deep" / "second").iterdir()} == contents
    assert {**first, "folder": ""} == {**second, "folder": ""}
    assert (first["dictionary_entries"], first["bits"], first["options"]["neighbours"]) == (100, 17, 3)
    assert first["model_sha256"] == load_model(model).sha256


def test_generating_again_touches_no_c_file(blsh: Blsh, model: Path) -> None:
    """Nothing is compiled again that has not changed."""
    blsh.succeed("generate", model, "-o", "c")
    times = {path: path.stat().st_mtime_ns for path in (blsh.cwd / "c").glob("*.[ch]")}
    blsh.succeed("generate", model, "-o", "c")
    assert {path: path.stat().st_mtime_ns for path in (blsh.cwd / "c").glob("*.[ch]")} == times


def test_generating_for_a_project_fills_its_folder_alone(tmp_path: Path, blsh: Blsh, model: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(blsh.project / "firmware", project / "firmware")
    shutil.copy(blsh.project / "boards.toml", project)
    made = Blsh(blsh.cwd, project).json("generate", model, "--share", 0.25)
    assert made["folder"] == str(project / "firmware" / "generated")
    assert made["dictionary_entries"] == -(-load_model(model).entries // 4)
    assert list(blsh.cwd.iterdir()) == []


def test_tables_are_for_people_and_json_is_not_mixed_in(blsh: Blsh, model: Path) -> None:
    outcome = blsh.succeed("generate", model, "-o", "c", "--entries", 100)
    assert "100 entries, CRC-32" in outcome.stdout
    with pytest.raises(json.JSONDecodeError):
        json.loads(outcome.stdout)
    assert outcome.stderr == ""


# ---- boards -------------------------------------------------------------------------------------------------


def test_build_reports_what_it_built_and_compiles_nothing_twice(built: Blsh, model: Path) -> None:
    result = built.json("build")
    assert result["board"] == BOARD
    assert result["model_sha256"] == load_model(model).sha256
    assert 20_000 < result["flash_bytes"] < 1_000_000 and 2_000 < result["ram_bytes"] < 200_000
    outcome = built.succeed("build")
    assert f"{BOARD}: up to date" in outcome.stderr and "Compiling" not in outcome.stderr


def test_flash_reads_back_who_answers(built: Blsh, model: Path, emulator: None) -> None:
    flashed, image = built.json("flash"), built.json("build")
    assert {name: flashed[name] for name in ("board", "build_id", "model", "model_sha256", "dictionary_entries")} == {
        name: image[name] for name in ("board", "build_id", "model", "model_sha256", "dictionary_entries")
    }
    assert flashed["core"] == "cortex-m4"


def test_bench_counts_the_same_instructions_each_time(built: Blsh, model: Path, emulator: None) -> None:
    options = ("--model", model, "--hops", 5, "--history", "bench.jsonl")
    first, second = (built.json("bench", *options)["instructions"] for _ in range(2))
    kept = [json.loads(line) for line in (built.cwd / "bench.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["stages"] for line in kept] == [first["stages"], second["stages"]]
    assert built.json("bench-history", "bench.jsonl", "--limit", 5)["passed"]
    for figure in ("mean", "maximum", "stages"):  # but for one: a tick and an instruction do not begin together
        assert first[figure] == pytest.approx(second[figure], abs=1)
    assert first["hops"] == 5 and sum(first["stages"].values()) == pytest.approx(first["mean"], rel=0.01)
    assert 100_000 < first["mean"] <= first["maximum"]


@pytest.mark.parametrize("board", [pytest.param("host", marks=pytest.mark.slow), BOARD])
def test_hil_runs_the_suite_on_the_project(built: Blsh, model: Path, corpus: Path, board: str, emulator: None) -> None:
    arguments = ("--model", model, "--board", board, "--corpus", corpus, "-k", "hello or (edge and silence)")
    result = built.apart().json("hil", *arguments)
    assert result["passed"] and result["tests"] == 2
    assert (result["failures"], result["errors"], result["skipped"], result["mismatches"]) == (0, 0, 0, 0)
    assert result["hops"] == 14 and result["values"] > 14 * 3000
    assert (result["board"], result["model_sha256"]) == (board, load_model(model).sha256)
    reports = built.cwd / "out" / "hil"
    assert sorted(path.name for path in (reports / board).iterdir()) == ["junit.xml", "report.json"]
    report = json.loads((reports / board / "report.json").read_text())
    assert report["state"] == "finished" and report["hello"]["client"]["board"] == board
    assert "PASSED" in (reports / "report.html").read_text()
    page = built.json("hil-report", "-o", "page.html")
    assert page["verdict"] == "passed" and page["boards"][0]["board"] == board
    assert (built.cwd / "page.html").read_bytes() == (reports / "report.html").read_bytes()


@pytest.mark.slow
def test_hil_without_a_matching_test_proves_nothing(built: Blsh, model: Path) -> None:
    arguments = ("hil", "--json", "--board=host", "--model", model, "-k", "nosuch")
    built.refuse("no test of the suite matches -k nosuch;", *arguments, alone=True)


# ---- Ctrl-C -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "arguments"),
    [
        ("mixing", ["--passes=100000"]),
        pytest.param("learning", ["--passes=1", "--jobs=1", "--steps=1000000"], marks=pytest.mark.slow),
        ("learning", ["--system=extended", "--bits=320", "--fit-frames=1800"]),
    ],
)
def test_interrupted_training_leaves_the_last_artifact(
    blsh: Blsh, corpus: Path, when: str, arguments: list[str]
) -> None:
    (blsh.cwd / "model.npz").write_bytes(b"of yesterday")
    before = tree(blsh.cwd)
    outcome = blsh.interrupt(when, "train", corpus, "-o", "model.npz", *arguments)
    assert (outcome.code, outcome.stdout) == (130, "")
    assert "Traceback" not in outcome.stderr
    assert tree(blsh.cwd) == before


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=lambda number: number.name
)
def test_interrupted_evaluation_ends_its_processes(
    blsh: Blsh, corpus: Path, model: Path, number: signal.Signals
) -> None:
    """The signal goes to its processes, too, as from a terminal or a supervisor."""
    arguments = ("evaluate", model, corpus, "--count", 300, "--snr=0", "-o", "scores.json")
    outcome = blsh.interrupt("evaluating", *arguments, numbers=(number,))
    assert (outcome.code, outcome.stdout) == (128 + number, ""), outcome
    assert "Traceback" not in outcome.stderr and "error" not in outcome.stderr
    assert tree(blsh.cwd) == {}


@pytest.mark.needs("espeak-ng")
def test_interrupted_corpus_leaves_nothing(blsh: Blsh) -> None:
    outcome = blsh.interrupt("synthesising", "corpus", "make", "new", numbers=(signal.SIGHUP, signal.SIGHUP))
    assert (outcome.code, outcome.stdout) == (129, "")
    assert "Traceback" not in outcome.stderr
    assert tree(blsh.cwd) == {}


def test_interrupted_suite_ends_too(built: Blsh, model: Path, corpus: Path, emulator: None) -> None:
    arguments = ("--model", model, "--minutes", 5000, "--corpus", corpus, "--json")
    outcome = built.interrupt("collected", "hil", *arguments)
    assert (outcome.code, outcome.stdout) == (130, ""), outcome
    reports = built.cwd / "out" / "hil"
    found = json.loads((reports / BOARD / "report.json").read_text())
    assert found["state"] == "interrupted"
    assert "INCOMPLETE" in (reports / "report.html").read_text()
    assert {path.name for path in reports.rglob("*")} == {BOARD, "junit.xml", "report.html", "report.json"}


def test_a_report_of_nothing_is_refused(blsh: Blsh) -> None:
    blsh.refuse("no report.json in out/hil or in a folder of it; run the suite first: blsh hil", "hil-report")


@pytest.mark.parametrize("arguments", [("boards", "--json"), ("boards",), ("train", "--help")], ids=" ".join)
def test_results_that_nobody_takes_end_it_in_order(blsh: Blsh, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = "error: cannot write standard output: No space left on device; send it where there is room\n"
    with os.fdopen(writer, "wb") as unread, Path("/dev/full").open("wb") as device:
        for target, expected in ((unread, (128 + signal.SIGPIPE, "")), (device, (2, full))):
            with blsh.start(*arguments, stdout=target) as process:
                said = process.communicate(timeout=TIMEOUT_S)[1]
            assert (process.returncode, said) == expected

# SPDX-License-Identifier: Apache-2.0
"""`blsh bench --history` and `blsh bench-history`: what is kept of a run, compared, drawn, and refused."""

import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from blsh_codegen.spec.stages import STAGES
from blsh_tools.bench.history import Run, append_run, changes, newest, read_history
from blsh_trainer.errors import BlshError

from .bench import Bench
from .blsh_command import Blsh

pytestmark = pytest.mark.heavy

FIRST = Run(
    time="2026-01-02T03:04:05+00:00",
    commit="0123456789abcdef0123456789abcdef01234567",
    build_id="00c0ffee",
    version="0.1.0",
    board="mps2-an386",
    model="intercom",
    model_sha256="ab" * 32,
    entries=64,
    bits=288,
    hops=125,
    mean=8000,
    maximum=8100,
    stages=dict.fromkeys(STAGES, 1000),
    flash_bytes=80_000,
    ram_bytes=10_000,
    stack_bytes_used=800,
)
OTHER_MODEL = replace(FIRST, model="hearing", model_sha256="cd" * 32)
COSTLIER = replace(FIRST, mean=8030, stages={**FIRST.stages, "mask": 1030}, build_id="00c0ffef")


def written(blsh: Blsh, *runs: Run) -> Path:
    """Write runs as a history in the folder of `blsh`."""
    path = blsh.cwd / "bench.jsonl"
    path.write_text("".join(run.line() for run in runs), encoding="utf-8")
    return path


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.jsonl"
    runs = [FIRST, OTHER_MODEL, replace(COSTLIER, commit=None)]
    for run in runs:
        append_run(path, run)
    assert read_history(path) == runs
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"format": 1, **asdict(r)} for r in runs
    ]
    assert [each.name for each in path.parent.iterdir()] == [path.name], "nothing besides is left"


def test_lines_of_commands_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda hops: append_run(path, replace(FIRST, hops=hops)), range(1, 33)))
    assert sorted(run.hops for run in read_history(path)) == list(range(1, 33))


def test_a_line_is_appended_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "bench.jsonl"
    link.symlink_to("far/kept.jsonl")
    append_run(link, FIRST)
    append_run(link, COSTLIER)
    assert link.is_symlink() and read_history(tmp_path / "far" / "kept.jsonl") == [FIRST, COSTLIER]


def spoilt(**fields: object) -> str:
    return json.dumps({"format": 1, **asdict(FIRST), **fields}) + "\n"


DAMAGED = {
    "its end is missing": FIRST.line()[:-40],
    "its end is missing ": FIRST.line()[:-1],
    "it is no JSON": "\n",
    'it is no object with a "format"': "[1]\n",
    'its "format" is not 1': spoilt(format=2),
    "it lacks, or has besides: cycles": spoilt(cycles=1),
    "it lacks, or has besides: mean": spoilt().replace('"mean": 8000, ', ""),
    'its "stages" are not window, spectrum': spoilt(stages={"window": 1}),
    "its mean cannot be": spoilt(mean="8000"),
    "its flash_bytes cannot be": spoilt(flash_bytes=-1),
    "its mask cannot be": spoilt(stages={**FIRST.stages, "mask": True}),
    "its board cannot be": spoilt(board=None),
    "its commit cannot be": spoilt(commit=7),
}


@pytest.mark.parametrize(("expected", "line"), DAMAGED.items(), ids=DAMAGED)
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, expected: str, line: str) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text(FIRST.line() + line, encoding="utf-8")
    for attempt in (lambda: read_history(path), lambda: append_run(path, COSTLIER)):
        with pytest.raises(BlshError) as refused:
            attempt()
        assert f"{path}, line 2, is no run of `blsh bench`: {expected.strip()}" in str(refused.value)
    assert path.read_text(encoding="utf-8") == FIRST.line() + line


def test_bench_refuses_a_history_before_it_builds(blsh: Blsh, bench: Bench) -> None:
    (blsh.cwd / "bench.jsonl").write_bytes(b"\xff\n")
    blsh.refuse("bench.jsonl, line 1, is no run", "bench", "--model", bench.model, "--history", "bench.jsonl")
    (blsh.cwd / "folder").mkdir()
    blsh.refuse("cannot write folder: it is a folder", "bench", "--model", bench.model, "--history", "folder")
    blsh.refuse("is the model itself", "bench", "--model", bench.model, "--history", bench.model)


def test_a_run_is_compared_with_the_one_before_it_of_the_same_kind() -> None:
    more_hops = replace(FIRST, hops=126)
    other_board = replace(FIRST, board="microbit")
    runs = [FIRST, OTHER_MODEL, more_hops, other_board, COSTLIER, OTHER_MODEL]
    made = changes(runs)
    assert [each.previous for each in made] == [None, None, None, None, FIRST, OTHER_MODEL]
    assert [each.run for each in newest(made)] == [COSTLIER, OTHER_MODEL, more_hops, other_board]
    unchanged = dict.fromkeys((*STAGES, "flash_bytes", "ram_bytes"), 0.0)
    assert made[4].percent() == {**unchanged, "mask": 3.0, "mean": 0.38}
    assert made[4].grown(2.99) == {"mask": (1000, 1030)} and made[4].grown(3.0) == {} and made[0].grown(0) == {}


def test_growth_from_nothing_is_over_any_limit_below_100_percent() -> None:
    nothing = replace(FIRST, stages={**FIRST.stages, "code": 0})
    assert changes([nothing, FIRST])[1].grown(99) == {"code": (0, 1000)}
    assert changes([nothing, nothing])[1].grown(0) == {}


@pytest.mark.parametrize(
    ("runs", "limit", "code"),
    [
        ((FIRST, COSTLIER), "3", 0),
        ((FIRST, COSTLIER), "2.9", 1),
        ((FIRST, COSTLIER, COSTLIER), "2.9", 0),  # it grew before, and was told then
        ((FIRST, COSTLIER, OTHER_MODEL), "2.9", 1),
        ((FIRST, COSTLIER, replace(OTHER_MODEL, commit="later")), "2.9", 0),  # it is measured no more
        ((COSTLIER, FIRST), "0", 0),  # it became smaller
        ((FIRST,), "0", 0),
        ((), "0", 0),
    ],
)
def test_the_limit_decides_the_exit_code(blsh: Blsh, runs: Sequence[Run], limit: str, code: int) -> None:
    outcome = blsh("bench-history", written(blsh, *runs), "--limit", limit)
    assert outcome.code == code, str(outcome)
    told = "mask grew by 3.00 %, from 1,000 to 1,030 instructions, on mps2-an386 with intercom; --limit is 2.9 %"
    assert (told in outcome.stderr) == (code == 1)


def test_the_table_and_its_json(blsh: Blsh) -> None:
    path = written(blsh, FIRST, OTHER_MODEL, COSTLIER)
    lines = [line.split() for line in blsh.succeed("bench-history", path, "--last", "2").stdout.splitlines()[2:]]
    assert [line[:5] for line in lines] == [
        [FIRST.time, "0123456789ab", "mps2-an386", "hearing", "cd" * 6],
        [FIRST.time, "0123456789ab", "mps2-an386", "intercom", "ab" * 6],
    ]
    assert lines[0][5:] == ["8,000", "first", "-", "80,000", "first", "10,000", "first"]
    assert lines[1][5:] == ["8,030", "+0.38", "%", "mask", "+3.00", "%", "80,000", "same", "10,000", "same"]
    outcome = blsh("bench-history", path, "--last", "1", "--limit", "1", "--json")
    result = json.loads(outcome.stdout)
    assert outcome.code == 1 and not result["passed"] and result["limit_percent"] == 1
    (run,) = result["runs"]
    assert run.pop("change_percent")["mask"] == 3 and run == asdict(COSTLIER)
    assert [(row["stage"], row["before"], row["now"], row["percent"]) for row in result["grown"]] == [
        ("mask", 1000, 1030, 3)
    ]


def test_the_plot(blsh: Blsh) -> None:
    path = written(blsh, FIRST, COSTLIER, OTHER_MODEL, replace(FIRST, board="microbit", commit=None))
    first, second = blsh.cwd / "plots" / "a.svg", blsh.cwd / "plots" / "b.svg"
    for picture in (first, second):
        assert "drawn: " in blsh.succeed("bench-history", path, "--plot", picture).stderr
    text = first.read_text(encoding="utf-8")
    for words in ("mps2-an386: instructions of a hop", "microbit: KiB", *STAGES, "hearing", "0123456", "00c0ffe"):
        assert words in text
    assert first.read_bytes() == second.read_bytes()
    blsh.succeed("bench-history", path, "--plot", "h.png")
    assert (blsh.cwd / "h.png").read_bytes().startswith(b"\x89PNG")


def test_what_bench_history_refuses(blsh: Blsh) -> None:
    path = written(blsh, FIRST)
    blsh.refuse("there is no history none.jsonl; make one: blsh bench --history", "bench-history", "none.jsonl")
    blsh.refuse("cannot draw h.pdf: a picture ends in .svg or .png", "bench-history", path, "--plot", "h.pdf")
    blsh.refuse("--limit -1.0; choose 0 to 10,000", "bench-history", path, "--limit", "-1")
    blsh.refuse("--last 0; choose 1 to", "bench-history", path, "--last", "0")
    path.rename(blsh.cwd / "h.svg")
    blsh.refuse("h.svg is the history itself", "bench-history", "h.svg", "--plot", "./h.svg")


@pytest.mark.needs("git")
def test_the_line_names_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", *settings, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    counts = {"hops": 125, "mean": 8000, "maximum": 8100, "stages": FIRST.stages}
    result = {**asdict(FIRST), "instructions": counts, "dictionary_entries": 64}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert Run.of(result).commit is None
    (tmp_path / "kept").write_text("1", encoding="utf-8")
    git("init", "-q")
    git("add", "kept")
    git("commit", "-q", "-m", "first", "--no-gpg-sign")
    commit = git("rev-parse", "HEAD")
    run = Run.of(result)
    assert run.commit == commit and replace(run, time=FIRST.time, commit=FIRST.commit, version="0.1.0") == FIRST
    (tmp_path / "kept").write_text("2", encoding="utf-8")
    assert Run.of(result).commit == f"{commit}-dirty"

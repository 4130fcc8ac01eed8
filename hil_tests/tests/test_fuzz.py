# SPDX-License-Identifier: Apache-2.0
"""Replay the fuzzer's committed inputs with the sanitizers, and once on a broken decoder, which they must find."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blsh_codegen.project import project_root
from blsh_hil.prove.fuzzing import build_target, corpus_folder, first_inputs, fuzz, main, raw
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.heavy


def replay(program: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *files], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def test_committed_inputs_find_nothing(tmp_path: Path) -> None:
    files = sorted(corpus_folder().iterdir())
    assert 50 <= len(files) <= 200
    assert sum(file.stat().st_size for file in files) < 192 * 1024, "kept small"
    for place, data in enumerate(first_inputs()):
        (tmp_path / f"first-{place}").write_bytes(data)
        files.append(tmp_path / f"first-{place}")
    done = replay(build_target(tmp_path, libfuzzer=False), files)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) == len(files)


def test_first_inputs_are_whole_records() -> None:
    """Hold a mended fault: payloads without their last zeros swallowed the record behind them."""
    for data in first_inputs():
        place = 0
        while place < len(data):
            place += 3 + int.from_bytes(data[place + 1 : place + 3], "little")
        assert place == len(data)


@pytest.mark.parametrize(
    ("file", "good", "broken"),
    [
        pytest.param(
            "frame.c",
            "decoder->count == decoder->capacity",
            "decoder->count == decoder->capacity + 40u",
            id="writes beyond its buffer",
        ),
        pytest.param(
            "frame.c",
            "    restart(decoder);\n    return result;\n",
            "    return result;\n",
            id="loses the next good frame",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_broken_firmware_is_found(tmp_path: Path, file: str, good: str, broken: str) -> None:
    """Check the check itself, by inputs made for it."""
    shutil.copytree(
        project_root() / "firmware", tmp_path / "firmware", ignore=shutil.ignore_patterns("generated", "corpus")
    )
    source = tmp_path / "firmware" / "app" / file
    text = source.read_text()
    assert text.count(good) == 1
    source.write_text(text.replace(good, broken))
    bad = tmp_path / "input"
    bad.write_bytes(raw(b"\0" + b"\x21" * 900 + b"\0"))
    done = replay(build_target(tmp_path, libfuzzer=False, firmware=tmp_path / "firmware"), [bad])
    assert done.returncode != 0
    assert "input" in done.stderr, "it names the input before it tries it"


def test_missing_compiler_names_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BlshError, match=r"clang is missing; install the Debian packages clang libclang-rt"):
        build_target(tmp_path, libfuzzer=True)


@pytest.mark.slow
@pytest.mark.needs("clang")
def test_a_minute_of_search_finds_nothing(tmp_path: Path) -> None:
    result = fuzz(tmp_path, seconds=60)
    assert result.crashes == []
    assert result.executions > 1000
    assert result.edges > 300


@pytest.mark.parametrize("option", ["--minutes", "--runs"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1e300", "9" * 30])
def test_odd_numbers_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzzing", f"{option}={value}"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and f"argument {option}: " in capsys.readouterr().err

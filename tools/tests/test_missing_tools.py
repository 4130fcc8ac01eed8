# SPDX-License-Identifier: Apache-2.0
"""Programs that are not installed: each command that needs one names it, and the package that brings it."""

import shutil
from pathlib import Path

import pytest

from blsh_firmware.build.platformio import compiler_version

from .bench import Bench, firmware_command
from .blsh_command import Blsh

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("corpus make new", "espeak-ng.* is not installed; install the Debian package `espeak-ng`"),
        ("demo -o new", "espeak-ng.* is not installed; install the Debian package `espeak-ng`"),
    ],
)
def test_missing_speech_synthesiser(blsh: Blsh, line: str, expected: str) -> None:
    Blsh(blsh.cwd, blsh.project, {"PATH": "/nowhere"}).refuse(expected, *line.split())


def test_missing_cross_compiler(generated: Blsh, bench: Bench) -> None:
    expected = "arm-none-eabi-gcc is missing; install the Debian packages gcc-arm-none-eabi .*`make setup`"
    deprived = Blsh(generated.cwd, generated.project, {"PATH": "/nowhere"})
    compiler_version.cache_clear()  # it may have been found before
    for command in ("build", "bench", "hil", "denoise"):
        deprived.refuse(expected, *firmware_command(bench, command))


def test_missing_host_compiler(generated: Blsh, model: Path) -> None:
    expected = "gcc is missing; install the Debian package gcc"
    deprived = Blsh(generated.cwd, generated.project, {"PATH": "/nowhere"})
    deprived.refuse(expected, "hil", "--board", "host", "--model", model)


@pytest.mark.parametrize("command", ["flash", "bench", "hil", "denoise"])
def test_missing_emulator(built: Blsh, bench: Bench, tmp_path: Path, command: str) -> None:
    expected = "qemu-system-arm is missing; install the Debian package qemu-system-arm .*`make setup`"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("arm-none-eabi-gcc", "gcc"):
        if (path := shutil.which(name)) is not None:
            (tools / name).symlink_to(path)
    Blsh(built.cwd, built.project, {"PATH": str(tools)}).refuse(expected, *firmware_command(bench, command))

# SPDX-License-Identifier: Apache-2.0
"""The compilers that a user may bring, with the flags that generated code has to bear."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

# Some warnings come with optimisation only.
WARNINGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion")
UNDEFINED = ("-fsanitize=undefined", "-fsanitize-recover=undefined")  # behaviour that C leaves undefined is reported
_C11, _CPP17 = ("-std=c11",), ("-x", "c++", "-std=c++17")
C_COMPILERS = {
    "gcc": ("gcc", *_C11),
    "clang": ("clang", *_C11),
    "cortex-m0": ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", *_C11),
    "cortex-m4": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", *_C11),
    "cortex-m55": ("arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard", *_C11),
}
_GCC, _CLANG = "arm-none-eabi-gcc", "clang"
_M55 = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard")
_FRAMES = "-fno-omit-frame-pointer"  # a register less
ARM_BUILDS = {
    "Cortex-A7, ARM": (_GCC, "-mcpu=cortex-a7", "-marm"),
    "Cortex-A53, ARM with NEON": (_GCC, "-mcpu=cortex-a53", "-marm", "-mfpu=neon-fp-armv8", "-mfloat-abi=hard"),
    "Cortex-A7, Thumb": (_GCC, "-mcpu=cortex-a7", "-mthumb", "-Os"),
    "Cortex-R5, ARM": (_GCC, "-mcpu=cortex-r5", "-marm", "-O3"),
    "Raspberry Pi OS, ARMv6": (_GCC, "-march=armv6+fp", "-marm", "-mfloat-abi=hard"),
    "ARM926, no dual multiplies": (_GCC, "-march=armv5te", "-marm", "-O0"),
    "Cortex-M0, frames": (_GCC, "-mcpu=cortex-m0", "-mthumb", "-O0", _FRAMES),
    "Cortex-M0, Os": (_GCC, "-mcpu=cortex-m0", "-mthumb", "-Os"),
    "Cortex-M0, O3": (_GCC, "-mcpu=cortex-m0", "-mthumb", "-O3", _FRAMES),
    "Cortex-M3, Os": (_GCC, "-mcpu=cortex-m3", "-mthumb", "-Os"),
    "Cortex-M4, frames": (_GCC, "-mcpu=cortex-m4", "-mthumb", "-O0", _FRAMES),
    "Cortex-M55, frames": (_GCC, *_M55, "-O0", _FRAMES),
    "Cortex-M55, no assembler": (_GCC, *_M55, "-DBLSH_NO_ASM"),
    "Cortex-M0, clang": (_CLANG, "-mcpu=cortex-m0", "-mthumb", "-O0", _FRAMES),
    "Cortex-M3, clang": (_CLANG, "-mcpu=cortex-m3", "-mthumb"),
    "Cortex-M4, clang": (_CLANG, "-mcpu=cortex-m4", "-mthumb", "-Os"),
    "Cortex-M33, clang": (_CLANG, "-mcpu=cortex-m33", "-mthumb", "-O3"),
    "Cortex-M55, clang": (_CLANG, *_M55),
    "Cortex-A7, clang, ARM": (_CLANG, "-mcpu=cortex-a7", "-marm"),
}
"""What a user may build the core with besides: flags behind WARNINGS, whose -O2 they may replace."""

CPP_COMPILERS = {
    "g++": ("g++", *_CPP17),
    "clang++": ("clang++", *_CPP17),
    "cortex-m4 c++": ("arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", *_CPP17),
}
ALL_COMPILERS = C_COMPILERS | CPP_COMPILERS


def require(command: str) -> None:
    """Skip the test where `command` is not installed."""
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")


def run(*command: object, cwd: Path | None = None, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end with `data` on its stdin."""
    return subprocess.run([str(word) for word in command], cwd=cwd, input=data, capture_output=True, check=False)


def compile_objects(
    compiler: Sequence[str], sources: Sequence[Path], includes: Sequence[Path], folder: Path, *flags: str
) -> list[Path]:
    """Compile each of `sources` alone into an object in `folder`; the test fails with what the compiler says."""
    require(compiler[0])
    folder.mkdir(exist_ok=True)
    search = [f"-I{path}" for path in includes]
    done = run(*compiler, *WARNINGS, *flags, *search, "-c", *sources, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return [folder / f"{source.stem}.o" for source in sources]

# SPDX-License-Identifier: Apache-2.0
"""Count the instructions of CMSIS-DSP's real transforms, from the source package `cmsisdsp` of PyPI.

Without a network or the package, the result says why there are no figures. CMSIS's sources stay in the work folder.
"""

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blsh_codegen.project import project_root
from blsh_tools.bench.emulated_program import bench_core, compile_program, run_program
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress

PACKAGE = "cmsisdsp==1.10.3"
TRANSFORMS = ("q31_forward", "q31_inverse", "q15_forward", "q15_inverse")
_DOWNLOAD_S = 120
_SOURCES = (
    *(f"TransformFunctions/arm_{kind}_{form}.c" for kind in ("rfft", "rfft_init", "cfft") for form in ("q31", "q15")),
    *(f"TransformFunctions/arm_{kind}_{form}.c" for kind in ("cfft_init", "cfft_radix4") for form in ("q31", "q15")),
    "TransformFunctions/arm_bitreversal.c",
    "TransformFunctions/arm_bitreversal2.c",
    "CommonTables/arm_common_tables.c",
    "CommonTables/arm_const_structs.c",
    "CommonTables/arm_mve_tables.c",
    "BasicMathFunctions/arm_shift_q31.c",
    "BasicMathFunctions/arm_shift_q15.c",
)


def count_cmsis(cores: Sequence[str], folder: Path, plugin: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Return the instructions of each transform on each core, or {"not_built": why}."""
    try:
        sources = cmsis_sources(folder)
        found: dict[str, Any] = {"package": PACKAGE, "cores": {}}
        for number, core in enumerate(cores, 1):
            found["cores"][core] = _count(core, sources, folder, plugin)
            if progress is not None:
                progress("CMSIS-DSP", number, len(cores))
    except BlshError as error:
        return {"not_built": str(error)}
    return found


def cmsis_sources(folder: Path) -> Path:
    """Return the unpacked source package in `folder`; fetch it on first use. Raises BlshError if that fails."""
    unpacked = folder / PACKAGE.replace("==", "-")
    if not unpacked.is_dir():
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise BlshError(f"fetching {PACKAGE} took more than {_DOWNLOAD_S} s; check the connection") from error
        archive = next(folder.glob("cmsisdsp-*.tar.gz"), None)
        if archive is None:
            said = "\n".join(done.stderr.strip().splitlines()[-1:]) or "it came without its sources"
            raise BlshError(f"{PACKAGE} cannot be fetched: {said}; check the connection")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    if not (unpacked / "Source").is_dir():
        raise BlshError(f"{PACKAGE} holds no folder Source; remove {unpacked} and repeat")
    return unpacked


def _count(core: str, sources: Path, folder: Path, plugin: Path) -> dict[str, int]:
    bench = project_root() / "firmware" / "bench"
    files = [bench / "cmsis_fft.c", *(sources / "Source" / name for name in _SOURCES)]
    options = ["-w", "-std=gnu11", f"-I{bench / 'cmsis'}"]
    options += [f"-I{sources / name}" for name in ("Include", "PrivateInclude")]
    program = compile_program(bench_core(core), folder / f"cmsis-{core}.elf", files, [*options, "-lm"])
    profile = run_program(program, plugin, TRANSFORMS)
    return {name: profile.passes[number][0] for number, name in enumerate(TRANSFORMS)}

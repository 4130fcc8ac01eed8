# SPDX-License-Identifier: Apache-2.0
"""Compile the firmware's own C to WebAssembly, with Debian's clang and lld and no library."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import render_tables
from blsh_codegen.project import core_folder, core_sources, project_root
from blsh_codegen.source_snapshot import Snapshot
from blsh_codegen.spec.c_structs import BOARD_POINTER, layout_check
from blsh_hil.wire import protocol_header
from blsh_trainer.errors import BlshError
from blsh_trainer.files import written_for

COMPILER: Final = "clang"
LINKER: Final = "wasm-ld"
_APP: Final = ("models.c", "models.h", "sha256.c", "sha256.h")
"""What firmware/app has for model images."""
_INCLUDES: Final = ("-Icore", "-Iapp", "-Ihal", "-Iwasm", "-Iwasm/include", "-Imade")
_FLAGS: Final = (
    "--target=wasm32",
    "-std=c11",
    "-O3",
    "-nostdlib",
    "-nostdlibinc",
    "-ffunction-sections",
    "-DBLSH_SLOTS",
    *C_WARNINGS,
    "-Wl,--no-entry",
    "-Wl,--gc-sections",
    "-Wl,--strip-all",
    "-Wl,--stack-first",
    "-Wl,-z,stack-size=16384",
)
"""The core needs 1 KB of stack. Below the stack lies nothing: an overflow traps, and overwrites no variable."""


def check_tools() -> None:
    """Raise BlshError, with the command that mends it, unless compiler and linker are here."""
    if missing := [tool for tool in (COMPILER, LINKER) if shutil.which(tool) is None]:
        raise BlshError(f"no {' and no '.join(missing)} here, to compile WebAssembly with: apt-get install clang lld")


def compile_wasm() -> bytes:
    """Return the core as a WebAssembly module, compiled unless one of the same sources and compiler is kept.

    Raises BlshError where the compiler or the linker is missing, or the compiler fails.
    """
    check_tools()
    sources = _sources()
    said = subprocess.run([COMPILER, "--version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256(" ".join([said, *_FLAGS, *_INCLUDES, sources.sha256]).encode())
    cache = project_root() / "build" / "wasm"
    module = cache / f"blsh-{digest.hexdigest()[:16]}.wasm"
    if not module.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _compile(sources, module)
    return module.read_bytes()


def _sources() -> Snapshot:
    """Return all that is compiled: core, reader of images, what WebAssembly lacks, and what is generated."""
    firmware = core_folder().parent
    paths = [
        *core_sources(),
        *(firmware / "app" / name for name in _APP),
        firmware / "hal" / "hal_storage.h",
        *(firmware / "wasm").rglob("*.[ch]"),
    ]
    made = {
        "made/blsh_tables.c": render_tables(),
        "made/blsh_layout.c": layout_check(BOARD_POINTER),
        f"made/{protocol_header.HEADER_NAME}": protocol_header.render(),
    }
    return Snapshot.of(firmware, paths) | Snapshot({name: text.encode() for name, text in made.items()})


def _compile(sources: Snapshot, module: Path) -> None:
    """Compile a copy of `sources`; the module appears whole, also where two processes make it at once."""
    names = sorted(name for name in sources.files if name.endswith(".c"))
    with tempfile.TemporaryDirectory(dir=module.parent) as folder:
        with written_for(module, Path(folder)):
            sources.write(Path(folder))
        command = [COMPILER, *_FLAGS, *_INCLUDES, *names, "-o", module.name]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise BlshError(f"{COMPILER} cannot compile the core to WebAssembly:\n{done.stderr[-4000:].strip()}")
        Path(folder, module.name).replace(module)

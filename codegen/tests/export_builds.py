# SPDX-License-Identifier: Apache-2.0
"""Programs built from an exported library, each the way its users build it, and what the reference says of them."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.library import ARDUINO_EXAMPLE, STREAM_EXAMPLE
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_trainer.model.artifact import AnyModel

from .compilers import C_COMPILERS, CPP_COMPILERS, WARNINGS, compile_objects, run
from .exports import OPTIONS

# What a sketch may use of the real one: Serial over stdin and stdout, in small pieces as a real port gives them.
ARDUINO_H = """\
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
struct Port {
    void begin(unsigned long) {}
    std::size_t readBytes(char *data, std::size_t size) {
        const std::size_t got = std::fread(data, 1, size < 100 ? size : 100, stdin);
        if (got == 0) { std::fflush(stdout); std::exit(0); }
        return got;
    }
    std::size_t write(const std::uint8_t *data, std::size_t size) { return std::fwrite(data, 1, size, stdout); }
    void println(const char *text) { std::fprintf(stderr, "%s\\n", text); }
};
extern Port Serial;
void delay(unsigned long);
void setup();
void loop();
"""
SKETCH_MAIN = """\
#include "Arduino.h"
Port Serial;
void delay(unsigned long) { std::exit(3); }
int main() { setup(); for (;;) loop(); }
"""


def reference_output(model: AnyModel, signal: npt.NDArray[np.int16], options: GenerateOptions = OPTIONS) -> bytes:
    """Return the output of the scalar reference for `signal`, as a stream of bytes."""
    denoiser = ReferenceDenoiser(integer_model(model, options))
    hops = signal.reshape(-1, model.geometry.hop)
    return b"".join(denoiser.hop(hop).output.astype("<i2").tobytes() for hop in hops)


def aligned_output(model: AnyModel, data: bytes, options: GenerateOptions = OPTIONS) -> bytes:
    """Return the bytes that the stream's example must give: as many, without the lag, the end included."""
    hop, lag = 2 * model.geometry.hop, 2 * model.geometry.lag
    padded = np.frombuffer(data + bytes(hop * -(-(len(data) + lag) // hop) - len(data)), "<i2")
    return reference_output(model, padded, options)[lag:][: len(data)]


def cmake() -> str:
    """Return the cmake of this Python's environment, or else of the system."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("cmake", path=places)
    if found is None or shutil.which("make") is None:
        pytest.skip("cmake or make is not installed")
    return found


def kconfig(file: Path, folder: Path, **values: str) -> Any:
    """Return what kconfiglib, which Zephyr's and ESP-IDF's readers come from, reads of `file` in a project's menu.

    folder: where the project is. values: what its configuration sets, by option. A warning fails the test.
    """
    root, project = folder / "root.kconfig", folder / "project.conf"
    root.write_text(f'mainmenu "project"\n\nmenu "library"\nosource "{file}"\nendmenu\n')
    project.write_text("".join(f"CONFIG_{name}={value}\n" for name, value in values.items()))
    read = pytest.importorskip("kconfiglib").Kconfig(str(root), warn_to_stderr=False)
    read.warn_assign_undef = True
    read.load_config(str(project))
    assert read.warnings == []
    return read


def built_by_cmake(source: Path, build: Path, program: str) -> Path:
    flags = f"-DCMAKE_C_FLAGS={' '.join(WARNINGS)}"
    for command in ([cmake(), "-S", source, "-B", build, flags], [cmake(), "--build", build]):
        done = run(*command)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return build / program


def built_example(library: Path) -> Path:
    """Return the stream's example, compiled with the library by gcc."""
    sources = [library / STREAM_EXAMPLE, *sorted((library / "src").glob("*.c"))]
    made = compile_objects(C_COMPILERS["gcc"], sources, [library / "src"], library.parent / "objects")
    program = library.parent / "stream"
    assert run("gcc", *made, "-o", program).returncode == 0
    return program


def built_sketch(library: Path, folder: Path) -> Path:
    """Return a program built as Arduino does: the sketch behind `#include <Arduino.h>` as C++, src/ as C, linked."""
    folder.mkdir()
    (folder / "Arduino.h").write_text(ARDUINO_H)
    (folder / "main.cpp").write_text(SKETCH_MAIN)
    (folder / "sketch.cpp").write_text("#include <Arduino.h>\n" + (library / ARDUINO_EXAMPLE).read_text())
    sketch = [folder / "sketch.cpp", folder / "main.cpp"]
    made = compile_objects(CPP_COMPILERS["g++"], sketch, [folder, library / "src"], folder)
    sources = sorted((library / "src").rglob("*.c"))
    made += compile_objects(C_COMPILERS["gcc"], sources, [library / "src"], folder / "library")
    done = run("g++", *made, "-o", folder / "sketch")
    assert done.returncode == 0, done.stderr.decode()
    return folder / "sketch"

# SPDX-License-Identifier: Apache-2.0
"""Every variant of the core's primitives, under sanitizers that stop a program: an exported library, and the search."""

from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.export import export_library
from blsh_codegen.emit.generate import integer_model
from blsh_codegen.emit.library import STREAM_EXAMPLE
from blsh_codegen.host_core import HOST_VARIANTS
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import core_folder, stand_ins
from blsh_codegen.spec.constants import ModelKind
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_trainer.signals.geometry import RECORDER, Geometry

from .compilers import require, run
from .exports import of_kind
from .pairs import pairs

pytestmark = pytest.mark.heavy

SANITIZED = ("-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
HOPS = 12


def built(folder: Path, variant: str, sources: list[Path], includes: list[Path]) -> Path:
    require("gcc")
    program = folder / "program"
    search = [f"-I{path}" for path in (*includes, stand_ins())]
    done = run("gcc", "-std=c11", *SANITIZED, *HOST_VARIANTS[variant], *search, *sources, "-o", program)
    assert done.returncode == 0, done.stderr.decode()
    return program


CASES = (
    *((RECORDER, kind) for kind in ModelKind),
    (Geometry(16_000, 512, 256, 512), ModelKind.SMALL_VOTES),
    (Geometry(16_000, 512, 64, 128), ModelKind.LARGE_VOTES),
    (Geometry(8_000, 256, 128, 256), ModelKind.MASKS),
    (Geometry(16_000, 256, 64, 128), ModelKind.SMALL_VOTES),
)
"""Each kind of models, each size of frames, windows that are the same and others, one to four hops to a tick."""


def _name(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("case", "variant"), pairs(CASES, HOST_VARIANTS), ids=_name)
def test_an_export_reads_and_writes_within_its_bounds(
    rng: np.random.Generator, tmp_path: Path, case: tuple[Geometry, ModelKind], variant: str
) -> None:
    """The state of the export is as large as its model needs and no larger; only its code is compiled."""
    geometry, kind = case
    model, options = of_kind(kind, rng, geometry)
    assert integer_model(model, options).kind is kind
    export_library(model, options, tmp_path / "library")
    source = tmp_path / "library" / "src"
    sources = [tmp_path / "library" / STREAM_EXAMPLE, *source.glob("*.c")]
    program = built(tmp_path, variant, sources, [source])
    signal = np.concatenate([edge_signal(name, HOPS * geometry.hop, rng) for name in EDGE_SIGNALS])
    done = run(program, data=signal.astype("<i2").tobytes())
    assert (done.returncode, done.stderr) == (0, b"")
    expected = VectorisedDenoiser(integer_model(model, options)).denoise(signal)
    assert done.stdout == expected.astype("<i2").tobytes()


@pytest.mark.parametrize("variant", HOST_VARIANTS)
def test_the_search_reads_and_writes_within_its_bounds(tmp_path: Path, variant: str) -> None:
    bench = core_folder().parent / "bench"
    main = tmp_path / "main.c"
    main.write_text('#include "search_check.h"\nint main(void) { return search_check(1, 300) != 0u ? 0 : 1; }\n')
    sources = [main, core_folder() / "blsh_search.c", bench / "search_check.c", bench / "plain_scan.c"]
    done = run(built(tmp_path, variant, sources, [core_folder(), bench]))
    assert (done.returncode, done.stderr) == (0, b"")

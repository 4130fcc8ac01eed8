# SPDX-License-Identifier: Apache-2.0
"""The C core on this machine: compiled once with the system's compiler, called through ctypes.

The same sources as the firmware's, so the tests of the core run in milliseconds and under sanitizers.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import render_tables
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import core_folder, core_sources, project_root, stand_ins
from blsh_codegen.source_snapshot import Snapshot
from blsh_codegen.spec.c_structs import layout_check, model_struct, search_words, state_struct
from blsh_codegen.spec.constants import ALL_KINDS, RUNTIME_FORMAT
from blsh_codegen.spec.stages import STAGES, HopVectors, stage_values
from blsh_trainer.errors import BlshError
from blsh_trainer.files import written_for

FLAGS = ("-std=c11", "-O2", "-g", "-fPIC", "-shared", *C_WARNINGS)
_DSP = ("-D__ARM_FEATURE_DSP=1", "-D__ARM_FEATURE_SIMD32=1")
HOST_VARIANTS: Final = {
    "portable": (),
    "short products": ("-DBLSH_SHORT_MULTIPLY=1",),
    "DSP": _DSP,
    "Helium": ("-D__ARM_FEATURE_MVE=1", *_DSP),
}
"""Flags for each variant of the core's primitives (firmware/core/arch) on this machine. DSP and Helium are compiled
with stand-ins for the intrinsics; they need `stand_ins()` as include path."""

_POINTER = ctypes.c_void_p


_STAGE_DONE = ctypes.CFUNCTYPE(None, _POINTER, ctypes.c_int, _POINTER, ctypes.c_size_t)


class _ProbeStruct(ctypes.Structure):
    """blsh_probe_t of firmware/core/blsh.h."""

    _fields_ = (("stage_done", _STAGE_DONE), ("context", _POINTER))


def compile_core(extra_flags: tuple[str, ...] = ()) -> Path:
    """Return the core as a shared library, compiled unless one of the same sources, flags and compiler is cached."""
    compiler = os.environ.get("CC", "gcc")
    if shutil.which(compiler) is None:
        raise BlshError(f"no C compiler `{compiler}` on PATH; install the Debian package gcc, or set CC")
    core = core_folder()
    written = {"blsh_tables.c": render_tables().encode(), "blsh_layout.c": layout_check().encode()}
    sources = Snapshot.of(core, core_sources()) | Snapshot(written)
    sources |= Snapshot.of(stand_ins(), stand_ins().glob("*.h")).below("arm")
    digest = hashlib.sha256(" ".join([compiler, *FLAGS, *extra_flags, sources.sha256]).encode())
    cache = project_root() / "build" / "host"
    library = cache / f"libblsh-{digest.hexdigest()[:16]}.so"
    if not library.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            with written_for(library, Path(scratch)):
                sources.write(Path(scratch))
            names = sorted(name for name in sources.files if name.endswith(".c"))
            command = [compiler, *FLAGS, *extra_flags, "-I.", "-Iarm", *names, "-o", library.name]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BlshError(f"{compiler} cannot build the C core:\n{done.stderr.strip()}")
            Path(scratch, library.name).replace(library)  # two test processes may race here: both build the same file
    return library


class HostCore:
    """The C core with a model: the interface of `ReferenceDenoiser`, the speed of C.

    struct: the blsh_model_t that the core reads. tables: the arrays that its pointers point into, by field. A test may
    damage both, and then see what reset() says.
    """

    def __init__(self, model: IntegerModel, library: Path | None = None) -> None:
        self._library = ctypes.CDLL(str(library or compile_core()))
        self._library.blsh_error_text.restype = ctypes.c_char_p
        self._library.blsh_dictionary_crc32.restype = ctypes.c_uint32
        self._library.blsh_delay_samples.restype = ctypes.c_uint32
        self._library.blsh_activity.restype = ctypes.c_uint8
        self.model = model
        self.tables = {name: np.array(table, order="C") for name, table in model.tables().items()}  # the core's own
        self.struct = _model_struct(model, self.tables)
        self._state = state_struct()()
        self.reset()

    def reset(self) -> None:
        """Start a new stream; BlshError with the core's own words if it refuses the model."""
        result = self._library.blsh_init(ctypes.byref(self._state), ctypes.byref(self.struct))
        if result < 0:
            raise BlshError(f"the C core refuses the model: {self._text(result)}")

    def _text(self, result: int) -> str:
        """Return the core's own words for an error, and its number."""
        return f"{self._library.blsh_error_text(result).decode()} ({result})"

    def set_attenuation(self, limit: int) -> None:
        """Set the limit for the hops that follow, 0 to 60 dB or ATTENUATION_OFF. BlshError for another number."""
        result = self._library.blsh_set_attenuation(ctypes.byref(self._state), limit)
        if result < 0:
            raise BlshError(f"the C core refuses a limit of {limit}: {self._text(result)}")

    def dictionary_crc32(self) -> int:
        """Return the CRC of the dictionary, computed by the core."""
        return int(self._library.blsh_dictionary_crc32(ctypes.byref(self.struct)))

    def delay_samples(self) -> int:
        """Return the number of samples by which the output lags the input, as the core says."""
        return int(self._library.blsh_delay_samples(ctypes.byref(self.struct)))

    def nearest(self, code: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Return index and distance (K, 2), uint32, of the K entries nearest to a code, uint32 (ceil(L / 32),).

        The model must have one dictionary.
        """
        query = np.ascontiguousarray(code, np.uint32)
        if query.shape != (-(-self.model.bits // 32),):
            raise ValueError(f"a code of {self.model.bits} bits is not of shape {query.shape}")
        scratch = np.empty(search_words(self.model.bits, ALL_KINDS), np.uint32)
        found = np.empty((self.model.neighbours, 2), np.uint32)
        pointers = [array.ctypes.data_as(_POINTER) for array in (query, scratch, found)]
        self._library.blsh_find_nearest(ctypes.byref(self.struct), *pointers)
        return found

    def hop(self, samples: npt.NDArray[np.int16]) -> HopVectors:
        """Denoise a hop of samples; returns every stage."""
        stages: dict[int, bytes] = {}

        def keep(_context: int | None, stage: int, values: int | None, size: int) -> None:
            stages[stage] = ctypes.string_at(values or 0, size)

        self._hop(samples, ctypes.byref(_ProbeStruct(_STAGE_DONE(keep), None)))
        state = ctypes.byref(self._state)
        values: list[Any] = [stage_values(index, stages[index]) for index in range(len(STAGES))]
        values += [self._library.blsh_activity(state), self._library.blsh_reduction_db(state)]
        return HopVectors(*values)

    def hops(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Return the output for whole hops of input, as late as delay_samples() says, without probes."""
        parts = [self._hop(part, None) for part in samples.reshape(-1, self.model.geometry.hop)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def _hop(self, samples: npt.NDArray[np.int16], probe: object) -> npt.NDArray[np.int16]:
        source, hop = np.ascontiguousarray(samples, np.int16), self.model.geometry.hop
        if source.shape != (hop,):
            raise ValueError(f"a hop is {hop} samples, not {source.shape}")
        output = np.empty(hop, np.int16)
        self._library.blsh_hop(
            ctypes.byref(self._state), source.ctypes.data_as(_POINTER), output.ctypes.data_as(_POINTER), probe
        )
        return output


def _model_struct(model: IntegerModel, tables: dict[str, npt.NDArray[np.generic]]) -> ctypes.Structure:
    pointed = {"synthesis_q14": tables["window_q14"]} | tables
    return model_struct()(
        runtime_format=RUNTIME_FORMAT,
        name=model.name.encode("ascii", "replace"),
        model_sha256=(ctypes.c_uint8 * 32)(*bytes.fromhex(model.model_sha256)),
        dictionary_crc32=model.dictionary_crc32,
        feature_kind=model.feature_kind.number,
        features=model.features,
        bits=model.bits,
        neighbours=model.neighbours,
        entries=model.entries,
        radius=model.radius,
        mask_bands=model.mask_bands,
        mask_level_bits=model.mask_level_bits,
        smoothing=model.smoothing,
        smoothing_down=model.smoothing_down,
        projections=len(model.projection_q7),
        thresholds=model.thresholds_each,
        dictionaries=model.dictionaries,
        start_votes=model.start_votes,
        steady_votes=model.steady_votes,
        rate_hz=model.geometry.rate_hz,
        window=model.geometry.window,
        hop=model.geometry.hop,
        synthesis=model.geometry.synthesis,
        log_origin=model.log_origin,
        attenuation=model.attenuation,
        **{name: table.ctypes.data_as(_POINTER) for name, table in pointed.items()},
    )

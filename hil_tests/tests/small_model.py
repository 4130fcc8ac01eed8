# SPDX-License-Identifier: Apache-2.0
"""Write a model of a few entries in C, without the generator: also one that a board must refuse."""

import zlib
from pathlib import Path

import numpy as np

from blsh_codegen.emit.generate import render_tables
from blsh_codegen.model.entry_order import bit_planes, bounds_table
from blsh_codegen.model.projection_rows import stored_rows
from blsh_codegen.spec.constants import Q14_ONE, RUNTIME_FORMAT, synthesis_q14, window_q14
from blsh_trainer.signals.geometry import RECORDER, Geometry

BITS = 40
ENTRIES = 12
NEIGHBOURS = 3
MODEL_NAME = "small"
MODEL_SHA256 = bytes(range(32))


def write_model(
    folder: Path, *, runtime_format: int = RUNTIME_FORMAT, damaged: bool = False, geometry: Geometry = RECORDER
) -> Path:
    """Write blsh_model.h, blsh_model.c and blsh_tables.c. damaged: the dictionary's CRC is not what it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "blsh_model.h").write_text('#include "blsh.h"\nextern const blsh_model_t blsh_model;\n')
    (folder / "blsh_tables.c").write_text(render_tables())
    (folder / "blsh_model.c").write_text(model_source(runtime_format, damaged, geometry))
    return folder


def model_source(runtime_format: int, damaged: bool, geometry: Geometry) -> str:
    rng, bins = np.random.default_rng(7), geometry.bins
    codes = rng.random((ENTRIES, BITS)) < 0.5
    planes, (bounds, radius) = bit_planes(codes), bounds_table(codes)
    masks = rng.integers(0, 1 << 32, (ENTRIES, -(-bins // 32)), dtype=np.uint32)
    masks[:, -1] &= (1 << bins % 32) - 1
    projection = stored_rows(rng.integers(-127, 128, (BITS, bins), dtype=np.int8))
    rate_hz, window, hop, synthesis = geometry.numbers
    gains = np.round(np.arange(NEIGHBOURS + 1) / NEIGHBOURS * Q14_ONE).astype(int)
    crc = zlib.crc32(b"".join(table.astype("<u4").tobytes() for table in (planes, bounds, masks))) ^ damaged
    return f"""#include "blsh_model.h"
__attribute__((aligned(4))) static const uint8_t projection[] = {braces(projection)};
static const int16_t window[] = {braces(window_q14(geometry))};
static const int16_t synthesis[] = {braces(synthesis_q14(geometry))};
static const int16_t bias[] = {braces(rng.integers(-1000, 1000, BITS))};
static const uint32_t planes[] = {braces(planes, "u")};
static const uint32_t bounds[] = {braces(bounds, "u")};
static const uint32_t masks[] = {braces(masks, "u")};
static const int16_t gain[] = {braces(gains)};
const blsh_model_t blsh_model = {{
    .runtime_format = {runtime_format}u, .name = "{MODEL_NAME}",
    .model_sha256 = {braces(np.frombuffer(MODEL_SHA256, "u1"))},
    .dictionary_crc32 = {crc}u, .feature_kind = BLSH_FEATURES_STFT, .features = {bins}u, .bits = {BITS}u,
    .neighbours = {NEIGHBOURS}u, .entries = {ENTRIES}u, .radius = {radius}u,
    .projections = {BITS}u, .thresholds = 1u, .dictionaries = 1u,
    .mask_bands = {bins}u, .mask_level_bits = 1u, .attenuation = BLSH_ATTENUATION_OFF,
    .rate_hz = {rate_hz}u, .window = {window}u, .hop = {hop}u, .synthesis = {synthesis}u,
    .projection_q7 = projection, .window_q14 = window, .synthesis_q14 = synthesis, .bias_q3 = bias,
    .planes = planes, .bounds = bounds, .masks = masks, .gain_q14 = gain,
}};
"""


def braces(values: np.ndarray, suffix: str = "") -> str:
    return "{" + ", ".join(f"{value}{suffix}" for value in values.reshape(-1).tolist()) + "}"

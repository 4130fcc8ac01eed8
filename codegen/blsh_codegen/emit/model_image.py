# SPDX-License-Identifier: Apache-2.0
"""Encode a model as one piece of memory that a board reads in place: the image that `blsh push` sends (SPEC.md, 11).

An image is a header, then the tables of the generated C in the order of blsh_model_t, each padded with zeros to a
multiple of 4 bytes. Where a table lies follows from the dimensions in the header, so the image holds no offsets.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.c_code import plain_text
from blsh_codegen.model.entry_order import planes_of, zero_bits
from blsh_codegen.model.projection_rows import weights_of_stored
from blsh_codegen.model.quantise import IntegerModel, MelBands
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import (
    BINS,
    BLOCK,
    HOP,
    MAX_BITS,
    MAX_ENTRIES,
    MAX_NEIGHBOURS,
    MAX_SMOOTHING,
    MEL_SUM_MAX,
    Q14_ONE,
    RUNTIME_FORMAT,
)
from blsh_codegen.spec.packing import pack_words
from blsh_codegen.spec.stages import STAGES
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import FEATURE_KINDS, FeatureKind
from blsh_trainer.signals.masks import MASK_KINDS, MaskKind

MAGIC: Final = b"BLSM"
IMAGE_FORMAT: Final = 1
NAME_BYTES: Final = 32
SELF_TEST_HOPS: Final = 6
HEAD: Final = struct.Struct("<4s32sIHH32sIII8H32s")
DIGESTED_FROM: Final = 36
"""The SHA-256 of an image is taken from this byte on. Before it lie the magic number and the digest itself."""

_LCG = (1664525, 1013904223)


@dataclass(frozen=True)
class ImageHead:
    """The header of an image. Its fields are those of IntegerModel; bytes: the size of the whole image."""

    sha256: bytes
    bytes: int
    runtime_format: int
    model_sha256: str
    dictionary_crc32: int
    self_test_crc32: int
    entries: int
    feature_kind: FeatureKind
    features: int
    bits: int
    neighbours: int
    radius: int
    mask_kind: MaskKind
    smoothing: int
    name: str

    @property
    def smoothed(self) -> int:
        """Bands of the mask that the state must have room for."""
        return self.mask_kind.width if self.smoothing else 1


def self_test_signal() -> npt.NDArray[np.int16]:
    """Return the noise that a board tries a new model with, int16 (SELF_TEST_HOPS * 256,)."""
    samples, noise = [], 0
    for _ in range(SELF_TEST_HOPS * HOP):
        noise = (noise * _LCG[0] + _LCG[1]) & 0xFFFFFFFF
        samples.append(noise >> 16)
    return np.array(samples, np.uint16).view(np.int16)


def self_test_crc32(model: IntegerModel) -> int:
    """Return the CRC-32 of all stages of all hops of the self-test, in order, as the reference computes them."""
    crc = 0
    for vectors in VectorisedDenoiser(model).chunks(self_test_signal()):
        for row in range(len(vectors.output)):
            hop = vectors.hop(row)
            for stage in range(len(STAGES)):
                crc = zlib.crc32(hop.stage_bytes(stage), crc)
    return crc


def encode_image(model: IntegerModel) -> bytes:
    """Return the image of `model`; the same model gives the same bytes."""
    tables: list[npt.NDArray[np.generic]] = [
        model.projection_rows,
        model.bias_q3.astype("<i2"),
        model.planes.astype("<u4"),
        model.bounds.astype("<u4"),
        model.masks.astype("<u4"),
        model.gain_q14.astype("<i2"),
    ]
    if model.band_edges is not None:
        tables.append(model.band_edges.astype("<i2"))
    if model.mel is not None:
        tables += [part.astype("<i2") for part in (model.mel.first, model.mel.counts, model.mel.weights_q16)]
    body = b"".join(_padded(table.tobytes()) for table in tables)
    head = HEAD.pack(
        MAGIC,
        bytes(32),
        HEAD.size + len(body),
        IMAGE_FORMAT,
        RUNTIME_FORMAT,
        bytes.fromhex(model.model_sha256),
        model.dictionary_crc32,
        self_test_crc32(model),
        model.entries,
        model.feature_kind.number,
        model.features,
        model.bits,
        model.neighbours,
        model.radius,
        model.mask_kind.width,
        model.mask_kind.level_bits,
        model.smoothing,
        plain_text(model.name).encode()[: NAME_BYTES - 1],
    )
    return sealed(head + body)


def sealed(image: bytes) -> bytes:
    """Return `image` with the SHA-256 of its content put in."""
    return image[:4] + hashlib.sha256(image[DIGESTED_FROM:]).digest() + image[DIGESTED_FROM:]


def read_head(image: bytes) -> ImageHead:
    """Return the header of `image`. Raises BlshError, with the reason, for an image that is damaged or unknown."""
    if len(image) < HEAD.size or image[:4] != MAGIC:
        raise BlshError(f"{len(image)} bytes that begin with {image[:4]!r} are no model image; expected {MAGIC!r}")
    _, sha256, size, image_format, runtime_format, model_sha256, *numbers, name = HEAD.unpack_from(image)
    if image_format != IMAGE_FORMAT:
        raise BlshError(f"the image is of format {image_format}, this checkout writes {IMAGE_FORMAT}; make it again")
    if runtime_format != RUNTIME_FORMAT:
        raise BlshError(f"the image is of runtime format {runtime_format}, this is {RUNTIME_FORMAT}; make it again")
    if size != len(image):
        raise BlshError(f"the image says that it has {size} bytes, but there are {len(image)}; it was cut or grew")
    if hashlib.sha256(image[DIGESTED_FROM:]).digest() != sha256:
        raise BlshError("the image's SHA-256 is not that of its content; it was damaged, make it again")
    crc, self_test, entries, kind, features, bits, neighbours, radius, width, level_bits, smoothing = numbers
    masks = {(each.width, each.level_bits): each for each in MASK_KINDS.values()}
    kinds = {each.number: each for each in FEATURE_KINDS.values()}
    checks = (
        ("feature kind", kind, kind in kinds),
        ("features", features, kind in kinds and features in kinds[kind].counts),
        ("entries", entries, 1 <= entries <= MAX_ENTRIES),
        ("bits", bits, 1 <= bits <= MAX_BITS),
        ("neighbours", neighbours, 1 <= neighbours <= min(MAX_NEIGHBOURS, entries)),
        ("radius", radius, radius <= bits),
        ("bands and level bits of a mask", (width, level_bits), (width, level_bits) in masks),
        ("smoothing", smoothing, smoothing <= MAX_SMOOTHING),
    )
    for what, value, known in checks:
        if not known:
            raise BlshError(f"the image has {what} = {value}, which no model has; make it again")
    return ImageHead(
        sha256=sha256,
        bytes=size,
        runtime_format=runtime_format,
        model_sha256=model_sha256.hex(),
        dictionary_crc32=crc,
        self_test_crc32=self_test,
        entries=entries,
        feature_kind=kinds[kind],
        features=features,
        bits=bits,
        neighbours=neighbours,
        radius=radius,
        mask_kind=masks[width, level_bits],
        smoothing=smoothing,
        name=name.split(b"\0")[0].decode("ascii", "replace"),
    )


def decode_image(image: bytes) -> IntegerModel:
    """Return the model that `image` holds. Raises BlshError, with the reason, unless all its tables are right."""
    head = read_head(image)
    tables = _Tables(image)
    blocks = -(-head.entries // BLOCK)
    rows = head.radius.bit_length() + planes_of(head.bits)
    stored = tables.take("u1", -(-head.bits // 4), -(-head.features // 8), 4, 8)
    bias_q3 = tables.take("<i2", head.bits)
    planes = tables.take("<u4", blocks, planes_of(head.bits))
    bounds = tables.take("<u4", -(-blocks // BLOCK), rows)
    masks = tables.take("<u4", head.entries, -(-head.mask_kind.width * head.mask_kind.level_bits // 32))
    gain_q14 = tables.take("<i2", head.neighbours * head.mask_kind.top + 1)
    edges = None if head.mask_kind.of_bins else tables.take("<i2", head.mask_kind.width + 1)
    mel = None
    bands = head.feature_kind.bands_of(head.features)
    if bands is not None:
        first, counts = tables.take("<i2", bands), tables.take("<i2", bands)
        mel = MelBands(first, counts, tables.take("<i2", int(counts.view(np.uint16).sum())))
    tables.end()
    if mel is not None:
        _check_mel(mel)
    codes = planes[:, zero_bits(head.bits) : zero_bits(head.bits) + head.bits]
    octets = np.ascontiguousarray(codes.astype("<u4")).view(np.uint8).reshape(blocks, head.bits, 4)
    code_bits = np.unpackbits(octets, axis=2, bitorder="little").transpose(0, 2, 1).reshape(-1, head.bits)
    model = IntegerModel(
        name=head.name,
        model_sha256=head.model_sha256,
        feature_kind=head.feature_kind,
        bits=head.bits,
        neighbours=head.neighbours,
        projection_q7=weights_of_stored(stored, head.bits, head.features),
        bias_q3=bias_q3,
        codes=pack_words(code_bits[: head.entries].astype(np.bool_)),
        masks=masks,
        gain_q14=gain_q14,
        mel=mel,
        mask_kind=head.mask_kind,
        smoothing=head.smoothing,
    )
    if gain_q14.min() < 0 or gain_q14.max() > Q14_ONE:
        found = f"{gain_q14.min()} to {gain_q14.max()}"
        raise BlshError(f"the image has gains of {found}, expected 0 to {Q14_ONE}; make it again")
    own_edges = model.band_edges
    if edges is not None and (own_edges is None or not np.array_equal(edges, own_edges)):
        raise BlshError(f"the image's bands are not those of `{head.mask_kind.name}` masks; make it again")
    if not np.array_equal(bounds, model.bounds) or model.radius != head.radius:
        raise BlshError("the image's bounds are not those of its codes: searches with it would be wrong; make it again")
    if not np.array_equal(planes, model.planes):
        raise BlshError("the image's numbers of zeros are not those of its codes; make it again")
    if model.dictionary_crc32 != head.dictionary_crc32:
        expected = f"{head.dictionary_crc32:08x}; make it again"
        raise BlshError(f"the image's dictionary has CRC {model.dictionary_crc32:08x}, not {expected}")
    return model


def _check_mel(mel: MelBands) -> None:
    """Raise BlshError, with the numbers, for filters that leave the spectrum or amplify."""
    first, counts, bands = mel.first.astype(np.int64), mel.counts.astype(np.int64), len(mel.first)
    if (first < np.arange(bands)).any() or (counts < 0).any() or (first + counts > BINS).any():
        raise BlshError(f"the image's mel bands do not lie within {BINS} bins, in order; make it again")
    least, largest = mel.weights_q16.min(initial=0), mel.dense().sum(axis=1).max()
    if least < 0 or largest > MEL_SUM_MAX:
        raise BlshError(
            f"the image's mel bands have weights from {least} on and sums up to {largest}, "
            f"expected 0 or more and up to {MEL_SUM_MAX}; make it again"
        )


class _Tables:
    """A reader of the tables of an image, one after the other."""

    def __init__(self, image: bytes) -> None:
        self._image, self._at = image, HEAD.size

    def take(self, dtype: str, *shape: int) -> npt.NDArray[Any]:
        count = int(np.prod(shape))
        size = count * np.dtype(dtype).itemsize
        if self._at + size > len(self._image):
            raise BlshError(f"the image ends after {len(self._image)} bytes, within a table; it was cut")
        table = np.frombuffer(self._image, dtype, count, self._at).reshape(shape)
        self._at += -(-size // 4) * 4
        return table.astype(table.dtype.newbyteorder("="))

    def end(self) -> None:
        if self._at != len(self._image):
            raise BlshError(f"the image has {len(self._image)} bytes, its tables {self._at}; make it again")


def _padded(table: bytes) -> bytes:
    return table + bytes(-len(table) % 4)

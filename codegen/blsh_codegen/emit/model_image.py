# SPDX-License-Identifier: Apache-2.0
"""Encode a model as one piece of memory that a board reads in place: the image that `blsh push` sends (SPEC.md, 11).

An image is a header, then the tables of the generated C in the order of `IntegerModel.tables`, each padded with zeros
to a multiple of 4 bytes. Where a table lies follows from the dimensions in the header, so the image holds no offsets.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.c_code import plain_text
from blsh_codegen.emit.image_checks import BIT_VOTES, check_mel, check_shape, check_values, check_windows, masks_of
from blsh_codegen.emit.self_test import self_test_crc32
from blsh_codegen.model.entry_order import planes_of, zero_bits
from blsh_codegen.model.mel_bands import MelBands
from blsh_codegen.model.projection_rows import weights_of_stored
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers, votes_of_table
from blsh_codegen.spec.constants import (
    BLOCK,
    RESPONSES,
    RUNTIME_FORMAT,
    VOTE_LEVEL_BITS,
    VOTE_WEIGHTS,
    ModelKind,
    voting_kind,
)
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import check_attenuation
from blsh_trainer.model.voting_model import check_groups
from blsh_trainer.signals.features import FEATURE_KINDS, FeatureKind
from blsh_trainer.signals.geometry import Geometry

MAGIC: Final = b"BLSM"
IMAGE_FORMAT: Final = 3
NAME_BYTES: Final = 32
HEAD: Final = struct.Struct("<4s32sIHH32sIIIBBHHBBHHBBBBHHHHHHHH32s")
DIGESTED_FROM: Final = 36
"""The SHA-256 of an image is taken from this byte on. Before it lie the magic number and the digest itself."""

REMADE: Final = "make it again: blsh push MODEL.npz --output IMAGE"
_KINDS: Final = {kind.number: kind for kind in FEATURE_KINDS.values()}


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
    dictionaries: int
    thresholds_each: int
    bit_votes: bool
    radius: int
    mask_bands: int
    mask_level_bits: int
    smoothing: int
    smoothing_down: int
    start_votes: int
    steady_votes: int
    geometry: Geometry
    log_origin: int
    attenuation: int
    name: str

    @property
    def votes(self) -> bool:
        """Whether it is a voting model."""
        return self.mask_level_bits == VOTE_LEVEL_BITS

    @property
    def kind(self) -> ModelKind:
        """The kind of model, by what code it needs."""
        return voting_kind(self.entries) if self.votes else ModelKind.MASKS

    @property
    def smoothed(self) -> int:
        """Bands of the mask that the state must have room for."""
        return self.mask_bands if self.smoothing or self.smoothing_down else 1

    @property
    def projections(self) -> int:
        """Rows of the projection, P."""
        return self.bits // self.thresholds_each


def encode_image(model: IntegerModel) -> bytes:
    """Return the image of `model`; the same model gives the same bytes."""
    tables = (table.astype(table.dtype.newbyteorder("<")) for table in model.tables().values())
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
        BIT_VOTES if "bit_vote" in model.tables() else 0,
        model.features,
        model.bits,
        model.neighbours,
        model.dictionaries,
        model.radius,
        model.mask_bands,
        model.mask_level_bits,
        model.thresholds_each,
        model.smoothing,
        model.smoothing_down,
        model.start_votes,
        model.steady_votes,
        *model.geometry.numbers,
        model.log_origin,
        model.attenuation,
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
        raise BlshError(f"the image is of format {image_format}, this checkout writes {IMAGE_FORMAT}; {REMADE}")
    if runtime_format != RUNTIME_FORMAT:
        raise BlshError(f"the image is of runtime format {runtime_format}, this is {RUNTIME_FORMAT}; {REMADE}")
    if size != len(image):
        raise BlshError(f"the image says that it has {size} bytes, but there are {len(image)}; it was cut or grew")
    if hashlib.sha256(image[DIGESTED_FROM:]).digest() != sha256:
        raise BlshError("the image's SHA-256 is not that of its content; it was damaged, make it again")
    crc, self_test, entries, *shape, rate_hz, window, hop, synthesis, log_origin, attenuation = numbers
    geometry = _geometry(rate_hz, window, hop, synthesis)
    _check_limit(attenuation)
    check_shape(entries, shape, geometry)
    kind, flags, features, bits, neighbours, dictionaries, radius, width, level_bits, each, *rules = shape
    rising, falling, start, steady = rules
    return ImageHead(
        sha256=sha256,
        bytes=size,
        runtime_format=runtime_format,
        model_sha256=model_sha256.hex(),
        dictionary_crc32=crc,
        self_test_crc32=self_test,
        entries=entries,
        feature_kind=_KINDS[kind],
        features=features,
        bits=bits,
        neighbours=neighbours,
        dictionaries=dictionaries,
        thresholds_each=each,
        bit_votes=bool(flags & BIT_VOTES),
        radius=radius,
        mask_bands=width,
        mask_level_bits=level_bits,
        smoothing=rising,
        smoothing_down=falling,
        start_votes=start,
        steady_votes=steady,
        geometry=geometry,
        log_origin=log_origin,
        attenuation=attenuation,
        name=name.split(b"\0")[0].decode("ascii", "replace"),
    )


def _check_limit(attenuation: int) -> None:
    try:
        check_attenuation(attenuation)
    except BlshError as error:
        raise BlshError(f"the image has a limit that no model has: {error}") from error


def _geometry(*numbers: int) -> Geometry:
    """Return the geometry of an image. Raises BlshError, with the numbers, where they do not go together."""
    try:
        return Geometry(*numbers)
    except BlshError as error:
        raise BlshError(f"the image has a geometry that no model has: {error}") from error


def decode_image(image: bytes) -> IntegerModel:
    """Return the model that `image` holds. Raises BlshError, with the reason, unless all its tables are right."""
    head = read_head(image)
    tables = _Tables(image)
    model, stored = (_read_voting if head.votes else _read_masks)(head, tables)
    tables.end()
    if model.mel is not None:
        check_mel(model.mel, head.geometry.bins)
    check_values(model)
    check_windows(model, stored["window"], stored.get("synthesis"), head.log_origin)
    if not np.array_equal(stored["band_edge"], model.band_edges if model.band_edges is not None else []):
        raise BlshError(f"the image's bands are not those of masks of {head.mask_bands} bands; make it again")
    if not np.array_equal(stored["bounds"], model.bounds) or model.radius != head.radius:
        raise BlshError("the image's bounds are not those of its codes: searches with it would be wrong; make it again")
    if not np.array_equal(stored["planes"], model.planes):
        raise BlshError("the image's numbers of zeros are not those of its codes; make it again")
    if model.dictionary_crc32 != head.dictionary_crc32:
        expected = f"{head.dictionary_crc32:08x}; make it again"
        raise BlshError(f"the image's dictionary has CRC {model.dictionary_crc32:08x}, not {expected}")
    return model


Stored = dict[str, npt.NDArray[Any]]


def _read_masks(head: ImageHead, tables: "_Tables") -> tuple[IntegerModel, Stored]:
    """Return a model with masks, and the tables that follow from its others."""
    mask_kind = masks_of(head.geometry)[head.mask_bands, head.mask_level_bits]
    rows = _rows(head, tables)
    stored = _windows(head, tables)
    bias_q3 = tables.take("<i2", head.bits)
    stored |= _dictionary(head, tables)
    masks = tables.take("<u4", head.entries, -(-mask_kind.width * mask_kind.level_bits // 32))
    gain_q14 = tables.take("<i2", head.neighbours * mask_kind.top + 1)
    stored["band_edge"] = tables.take("<i2", 0 if mask_kind.of_bins else mask_kind.width + 1)
    model = MaskIntegers(
        **_head_fields(head),
        projection_q7=rows,
        bias_q3=bias_q3,
        codes=_codes(head, stored["planes"]),
        masks=masks,
        gain_q14=gain_q14,
        mel=_mel(head, tables),
        mask_kind=mask_kind,
    )
    return model, stored


def _read_voting(head: ImageHead, tables: "_Tables") -> tuple[IntegerModel, Stored]:
    """Return a voting model, and the tables that follow from its others."""
    rows = _rows(head, tables)
    stored = _windows(head, tables) | _dictionary(head, tables)
    stored["band_edge"] = tables.take("<i2", head.mask_bands + 1)
    mel = _mel(head, tables)
    thresholds = tables.take("<i4", head.projections, head.thresholds_each)
    group_edges = tables.take("<i2", head.dictionaries + 1)
    votes = tables.take("i1", head.entries * head.mask_bands)
    weights = tables.take("u1", head.dictionaries, VOTE_WEIGHTS)
    shape = (head.projections, head.thresholds_each + 1, head.mask_bands)
    bit_votes = tables.take("i1", *shape) if head.bit_votes else None
    response = tables.take("<i2", RESPONSES)
    tables.end()
    check_groups(group_edges, head.geometry.bands)
    model = VotingIntegers(
        **_head_fields(head),
        projection_q7=rows,
        codes=_codes(head, stored["planes"]),
        mel=mel,
        thresholds=thresholds,
        group_edges=group_edges,
        votes=votes_of_table(votes, group_edges, head.entries),
        weights=weights,
        bit_votes=bit_votes,
        response_q14=response,
    )
    return model, stored


def _head_fields(head: ImageHead) -> dict[str, Any]:
    """Return the fields of IntegerModel that stand in the header of an image."""
    names = ("name", "model_sha256", "geometry", "feature_kind", "bits", "neighbours")
    rules = ("smoothing", "smoothing_down", "start_votes", "steady_votes", "attenuation")
    return {name: getattr(head, name) for name in (*names, *rules)}


def _rows(head: ImageHead, tables: "_Tables") -> npt.NDArray[np.int8]:
    stored = tables.take("u1", -(-head.projections // 4), -(-head.features // 8), 4, 8)
    return weights_of_stored(stored, head.projections, head.features)


def _windows(head: ImageHead, tables: "_Tables") -> Stored:
    stored = {"window": tables.take("<i2", head.geometry.window)}
    return stored if head.geometry.symmetric else stored | {"synthesis": tables.take("<i2", head.geometry.synthesis)}


def _dictionary(head: ImageHead, tables: "_Tables") -> Stored:
    blocks, planes = -(-head.entries // BLOCK), planes_of(head.bits)
    rows = head.radius.bit_length() + planes
    groups = 0 if head.kind is ModelKind.SMALL_VOTES else head.dictionaries * -(-blocks // BLOCK)
    return {
        "planes": tables.take("<u4", head.dictionaries * blocks, planes),
        "bounds": tables.take("<u4", groups, rows),
    }


def _mel(head: ImageHead, tables: "_Tables") -> MelBands | None:
    bands = head.feature_kind.bands_of(head.features)
    if bands is None:
        return None
    first, counts = tables.take("<i2", bands), tables.take("<i2", bands)
    return MelBands(first, counts, tables.take("<i2", int(counts.view(np.uint16).sum())))


def _codes(head: ImageHead, planes: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """Return the codes in words, (G N, ceil(L / 32)), of the planes of all dictionaries."""
    codes = planes[:, zero_bits(head.bits) : zero_bits(head.bits) + head.bits]
    octets = np.ascontiguousarray(codes.astype("<u4")).view(np.uint8).reshape(-1, head.bits, 4)
    places = np.unpackbits(octets, axis=2, bitorder="little").transpose(0, 2, 1)
    bits = places.reshape(head.dictionaries, -1, head.bits)[:, : head.entries]
    return pack_words(bits.reshape(-1, head.bits).astype(np.bool_))


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

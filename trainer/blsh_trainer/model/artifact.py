# SPDX-License-Identifier: Apache-2.0
"""The model artifact: everything downstream is derived from this one file and names its SHA-256.

It is an .npz, read without pickle, with these arrays:

- format_version: int64 ().
- projections float64 (L, D); biases and betas float64 (L,).
- codes uint8 (N, ceil(L / 8)) and masks uint8 (N, packed width of the mask kind), packed from the lowest bit on.
- card: JSON as UTF-8, uint8 (bytes,).
- corpora: JSON as UTF-8, uint8 (bytes,); only where the card says something of the corpora.

The card holds name, feature kind, neighbours and provenance; from format 2 on also mask kind, smoothing and floor;
in format 3 also "nested"; in any format "attenuation", unless it is off. Its "sha256" is the hash of all arrays and of
the card without that hash. A model is written in the lowest format that can say what it is, so the same model has one
file and one hash. Format 4 is that of voting models, which have the arrays of voting_model.py. Format 5 is that of all
models, of either kind, whose card names a geometry.

"corpora" holds the credits of the recordings (corpora/credits.py) under "corpora", and their own "sha256". They are no
part of the model's hash: the hash of its corpus, which is, fixes them. In memory they are on the card.
"""

import math
import os
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from blsh_trainer.arrays import AnyArray, BoolArray, ByteArray, FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.model.artifact_file import check_arrays, read_arrays, read_card, read_credits
from blsh_trainer.model.attenuation import ATTENUATION_OFF, check_attenuation
from blsh_trainer.model.card import (
    ATTENUATION,
    CORPORA,
    Card,
    attenuation_on_card,
    card_bytes,
    check_card,
    content_hash,
    digest,
    geometry_of_card,
    geometry_on_card,
)
from blsh_trainer.model.voting_model import (
    BIT_VOTES,
    GEOMETRY_FORMAT,
    VOTING_ARRAYS,
    VOTING_FORMAT,
    VotingModel,
    voting_model_of,
)
from blsh_trainer.signals.features import MASK_FEATURES, find_feature_kind
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import MAX_SMOOTHING, MaskKind, find_mask_kind, pack_bits, unpack_bits

MAX_FLOOR = 255

_ARRAYS: dict[str, tuple[str, int]] = {  # dtype and dimensions of each array in the file
    "projections": ("float64", 2),
    "biases": ("float64", 1),
    "betas": ("float64", 1),
    "codes": ("uint8", 2),
    "masks": ("uint8", 2),
    "card": ("uint8", 1),
}


@dataclass(frozen=True, eq=False)
class Model:
    """A dictionary of N entries, codes and masks, with the projections that hash a frame.

    projections (L, D), biases (L,), betas (L,): float64. code_bits: bool (N, L). mask_levels: uint8 (N, W), levels of
    `mask_kind`. card: provenance as JSON values. neighbours: K, the entries whose masks are averaged.

    smoothing, floor: the mean mask of the neighbours is raised to at least floor / 256 and then smoothed over time,
    m = (smoothing m_before + (16 - smoothing) mean) / 16. With 0 and 0 it stays as it is.

    attenuation: the limit of how far a band is lowered, in whole dB, unless its user sets another (attenuation.py).
    nested: the first entries, however many, are a dictionary of their own, so a smaller one is cut and not drawn.
    geometry: of frames and hops.

    BlshError when the parts do not fit together.
    """

    name: str
    feature_kind: str
    neighbours: int
    projections: FloatArray
    biases: FloatArray
    betas: FloatArray
    code_bits: BoolArray
    mask_levels: ByteArray
    card: Card
    mask_kind: str = "ibm"
    smoothing: int = 0
    floor: int = 0
    nested: bool = False
    geometry: Geometry = RECORDER
    attenuation: int = ATTENUATION_OFF

    def __post_init__(self) -> None:
        _check_model(self)

    @property
    def bits(self) -> int:
        """L, the length of a code."""
        return int(self.projections.shape[0])

    @property
    def entries(self) -> int:
        """N, the entries of the dictionary."""
        return int(self.code_bits.shape[0])

    @property
    def dictionaries(self) -> int:
        """G, the dictionaries."""
        return 1

    @property
    def masks(self) -> MaskKind:
        """The kind of its masks, in its geometry."""
        return find_mask_kind(self.mask_kind, self.geometry)

    @property
    def format_version(self) -> int:
        """The lowest format of an artifact, 1 to 3 or 5, that can describe this model."""
        if self.geometry != RECORDER:
            return GEOMETRY_FORMAT
        kinds = (find_feature_kind(self.feature_kind), self.masks)
        played = 2 if self.smoothing or self.floor else 1
        return max(*(kind.artifact_format for kind in kinds), played, 3 if self.nested else 1)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over every array and the card but for credits: the model's identity, kept in the artifact."""
        return content_hash(self.arrays(), self.own_card())

    def subsample(self, entries: int | None = None, share: float | None = None, seed: int = 0) -> "Model":
        """Return the model with part of its dictionary: `entries` of it, or the part `share` (rho), rounded up.

        A nested model keeps its first entries. Any other keeps, in their order, the first ones of a permutation that
        `seed` draws. So smaller dictionaries lie within larger ones. BlshError for a share outside (0, 1], for fewer
        than K or more than N entries, or unless exactly one of the two arguments is given.
        """
        count = self._count(entries, share)
        origin = {"parent_sha256": self.sha256, "entries": count, "of": self.entries}
        if self.nested:
            chosen = np.arange(count)
        else:
            chosen = np.sort(np.random.default_rng(seed).permutation(self.entries)[:count])
            origin["seed"] = seed
        card = {**self.card, "subsample": origin}
        return replace(self, code_bits=self.code_bits[chosen], mask_levels=self.mask_levels[chosen], card=card)

    def _count(self, entries: int | None, share: float | None) -> int:
        if (entries is None) == (share is None):
            raise BlshError(f"entries={entries}, share={share}: give one of the two")
        if share is not None:
            if not 0.0 < share <= 1.0:
                raise BlshError(f"share {share} of the dictionary; choose one above 0 and up to 1")
            # The product is rounded first: 0.07 * 100 is a little above 7, and 8 would be one entry too many.
            entries = math.ceil(round(share * self.entries, 6))
        assert entries is not None
        if not self.neighbours <= entries <= self.entries:
            asked = f"share {share} is {entries} entries" if share is not None else f"{entries} entries asked for"
            raise BlshError(
                f"{asked}; choose {self.neighbours} (the neighbours of a search) to {self.entries} (all of the model)"
            )
        return entries

    def with_metrics(self, metrics: Card) -> "Model":
        """Return the model with `metrics` (JSON values) on its card, which are part of its identity."""
        return replace(self, card={**self.card, "metrics": metrics})

    def truncate(self, bits: int) -> "Model":
        """Return the model of the first `bits` bits: they are a code of their own. BlshError unless 1 to L bits."""
        if not 1 <= bits <= self.bits:
            raise BlshError(f"{bits} bits asked for; the model has {self.bits}, choose 1 to {self.bits}")
        return replace(
            self,
            projections=self.projections[:bits].copy(),
            biases=self.biases[:bits].copy(),
            betas=self.betas[:bits].copy(),
            code_bits=self.code_bits[:, :bits].copy(),
            card={**self.card, "truncate": {"parent_sha256": self.sha256, "bits": bits, "of": self.bits}},
        )

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays of the artifact but for the card, by name."""
        return {
            "format_version": np.array(self.format_version, dtype=np.int64),
            "projections": np.ascontiguousarray(self.projections),
            "biases": np.ascontiguousarray(self.biases),
            "betas": np.ascontiguousarray(self.betas),
            "codes": pack_bits(self.code_bits),
            "masks": self.masks.pack(self.mask_levels),
        }

    def own_card(self) -> Card:
        """Return the card as the artifact holds it, without credits and hash."""
        card = {
            **{key: value for key, value in self.card.items() if key != CORPORA},
            "name": self.name,
            "feature_kind": self.feature_kind,
            "neighbours": self.neighbours,
        }
        if self.format_version > 1:
            card |= {"mask_kind": self.mask_kind, "smoothing": self.smoothing, "floor": self.floor}
        if self.format_version > 2:
            card |= {"nested": self.nested}
        return card | geometry_on_card(self.geometry) | attenuation_on_card(self.attenuation)


AnyModel = Model | VotingModel
"""A trained model of any system."""


def save_model(path: str | os.PathLike[str], model: AnyModel) -> None:
    """Write the artifact of `model`, the same bytes for the same model. BlshError if the folder or disk refuses it."""
    card = {**model.own_card(), "sha256": model.sha256}
    arrays = {**model.arrays(), "card": card_bytes(card)}
    if CORPORA in model.card:
        listed = model.card[CORPORA]
        arrays[CORPORA] = card_bytes({CORPORA: listed, "sha256": digest(listed)})
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            # The date is fixed here: np.savez leaves it to zipfile, which does not promise its default.
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, arrays[name], allow_pickle=False)


def load_model(path: str | os.PathLike[str]) -> AnyModel:
    """Read an artifact and verify it.

    BlshError for a file that is missing, may not be read, is not an artifact, is cut short or is of a newer format.
    BlshError for a missing array, a wrong shape or dtype, weights that are not finite, and content that does not match
    the SHA-256 on its card. Each fault has a message of its own.
    """
    file = Path(path)
    arrays = read_arrays(file)
    version = int(arrays["format_version"])
    voting = version == VOTING_FORMAT or (version == GEOMETRY_FORMAT and "votes" in arrays)
    check_arrays(file, arrays, _voting_arrays(arrays) if voting else _ARRAYS)
    card = read_card(file, arrays.pop("card"))
    if CORPORA in arrays:
        card[CORPORA] = read_credits(file, arrays[CORPORA])
    stored = card.get("sha256")
    try:
        model = voting_model_of(arrays, card) if voting else _mask_model(arrays, card)
    except KeyError as error:
        raise BlshError(
            f"{file}: the card lacks {error}; it is damaged, or an earlier version made it; train or copy it again"
        ) from error
    except BlshError as error:
        raise BlshError(f"{file}: {error}") from error
    if stored != model.sha256:
        raise BlshError(
            f"{file}: the content's SHA-256 is {model.sha256}, its card says {stored}; "
            "it was changed after training, copy or train it again"
        )
    return model


def load_mask_model(path: str | os.PathLike[str]) -> Model:
    """Read an artifact as load_model does. BlshError as well for a voting model: its size cannot be cut."""
    model = load_model(path)
    if isinstance(model, VotingModel):
        raise BlshError(f"{path} is a voting model, whose size cannot be cut; give one of --system extended or paper")
    return model


def _voting_arrays(arrays: dict[str, AnyArray]) -> dict[str, tuple[str, int]]:
    name, kind = BIT_VOTES
    return {**VOTING_ARRAYS, name: kind} if name in arrays else VOTING_ARRAYS


def _mask_model(arrays: dict[str, AnyArray], card: Card) -> Model:
    mask_kind, geometry = card.pop("mask_kind", "ibm"), geometry_of_card(card)
    return Model(
        name=card.pop("name"),
        feature_kind=card.pop("feature_kind"),
        neighbours=card.pop("neighbours"),
        projections=arrays["projections"],
        biases=arrays["biases"],
        betas=arrays["betas"],
        code_bits=unpack_bits(arrays["codes"], arrays["projections"].shape[0]),
        mask_levels=find_mask_kind(mask_kind, geometry).unpack(arrays["masks"]),
        mask_kind=mask_kind,
        smoothing=card.pop("smoothing", 0),
        floor=card.pop("floor", 0),
        nested=card.pop("nested", False),
        attenuation=card.pop(ATTENUATION, ATTENUATION_OFF),
        geometry=geometry,
        card={key: value for key, value in card.items() if key != "sha256"},
    )


def _check_model(model: Model) -> None:
    check_card(model.name, model.card)
    features = find_feature_kind(model.feature_kind)
    if features.memory:
        raise BlshError(
            f"`{features.name}` features are those of voting models; choose one of {', '.join(MASK_FEATURES)}"
        )
    width = features.count(model.geometry)
    if model.projections.ndim != 2 or model.projections.shape[1] != width or model.projections.shape[0] < 1:
        raise BlshError(f"projections have shape {model.projections.shape}; expected (bits, {width})")
    bits = model.projections.shape[0]
    shapes = {"biases": (bits,), "betas": (bits,), "code_bits": (model.code_bits.shape[0], bits)}
    kind = model.masks
    shapes["mask_levels"] = (model.code_bits.shape[0], kind.width)
    for name, shape in shapes.items():
        if getattr(model, name).shape != shape:
            raise BlshError(f"{name} has shape {getattr(model, name).shape}; expected {shape}")
    for name in ("projections", "biases", "betas"):
        array = getattr(model, name)
        if array.dtype != np.float64 or not np.isfinite(array).all():
            raise BlshError(f"{name} must be finite float64; it is {array.dtype} or holds a NaN or an infinity")
    if model.code_bits.dtype != np.bool_:
        raise BlshError(f"code_bits has dtype {model.code_bits.dtype}; expected bool")
    kind.check_levels(model.mask_levels)
    if not isinstance(model.neighbours, int) or not 1 <= model.neighbours <= model.entries:
        raise BlshError(f"{model.neighbours} neighbours of {model.entries} entries; choose 1 to {model.entries}")
    for name, value, most in (("smoothing", model.smoothing, MAX_SMOOTHING), ("floor", model.floor, MAX_FLOOR)):
        if type(value) is not int or not 0 <= value <= most:  # a bool is refused, too: the card would say `true`
            raise BlshError(f"{name} is {value!r}; choose a whole number from 0 to {most}")
    check_attenuation(model.attenuation)
    if type(model.nested) is not bool:
        raise BlshError(f"nested is {model.nested!r}; expected true or false")

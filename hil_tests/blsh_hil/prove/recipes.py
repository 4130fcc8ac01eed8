# SPDX-License-Identifier: Apache-2.0
"""Make models and signals from a few numbers, of kinds that no training and no recording gives.

A `Recipe` fits in a regression vector or on a command line, and makes the same model everywhere.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.stage_work import signal_codes
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.entry_order import tight_order
from blsh_codegen.model.mel_bands import mel_of
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers, gain_table
from blsh_codegen.spec.constants import ATTENUATION_OFF, MAX_BITS, MAX_FOUND, MAX_NEIGHBOURS, MAX_THRESHOLDS
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.spec.packing import pack_words
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import MAX_FLOOR
from blsh_trainer.model.voting_model import MAX_RULE_VOTES, VOTES, VOTING_FEATURES
from blsh_trainer.signals.features import MASK_FEATURES, find_feature_kind
from blsh_trainer.signals.geometry import RECORDER, Geometry, all_geometries, parse_geometry
from blsh_trainer.signals.masks import MASK_KINDS, MAX_SMOOTHING, find_mask_kind

Bits = npt.NDArray[np.bool_]
Samples = npt.NDArray[np.int16]
Generator = np.random.Generator

MOST_ENTRIES: Final = 1200
"""The most entries of a recipe: they are ordered in a second, and their tables fit the smallest board."""

_TURNED: Final = 0.06  # the share of bits in which an entry near a signal's code differs from this code
_NEAR_HOPS: Final = 40


def _few(rng: Generator, entries: int, bits: int) -> Bits:
    return rng.random((3, bits))[rng.integers(0, 3, entries)] < 0.5


def _rings(rng: Generator, entries: int, bits: int) -> Bits:
    return rng.permuted(np.arange(bits) < rng.integers(0, bits + 1, (entries, 1)), axis=1)


DICTIONARIES: Final[dict[str, Callable[[Generator, int, int], Bits]]] = {
    "random": lambda rng, entries, bits: rng.random((entries, bits)) < 0.5,
    "equal": lambda rng, entries, bits: np.tile(rng.random(bits) < 0.5, (entries, 1)),
    "few": _few,
    "rings": _rings,  # many entries at each distance from one code: ties at every threshold
    "sparse": lambda rng, entries, bits: rng.random((entries, bits)) < 0.02,
    "near": lambda rng, entries, bits: rng.random((entries, bits)) < _TURNED,  # afterwards XORed with codes of a signal
}
"""How the codes of a dictionary are drawn. `equal`, `few` and `rings` are full of ties."""


@dataclass(frozen=True)
class Recipe:
    """A model with random contents and a given shape.

    features, bits (L), neighbours (K), entries (N), masks, smoothing, floor, geometry: those of a trained model.
    dictionary: one of DICTIONARIES. Raises BlshError for a shape that firmware does not hold.
    """

    seed: int
    features: str = "mel"
    bits: int = 50
    neighbours: int = 10
    entries: int = 300
    masks: str = "ibm"
    smoothing: int = 0
    floor: int = 0
    dictionary: str = "random"
    geometry: Geometry = RECORDER

    def __post_init__(self) -> None:
        _check_numbers(
            self,
            ("seed", 0, 2**64 - 1),
            ("bits", 1, MAX_BITS),
            ("neighbours", 1, MAX_NEIGHBOURS),
            ("entries", self.neighbours, MOST_ENTRIES),
            ("smoothing", 0, MAX_SMOOTHING),
            ("floor", 0, MAX_FLOOR),
        )
        for name, known in (("features", MASK_FEATURES), ("masks", MASK_KINDS), ("dictionary", DICTIONARIES)):
            if getattr(self, name) not in known:
                raise BlshError(f"recipe with {name} = {getattr(self, name)!r}; expected one of {', '.join(known)}")

    @property
    def name(self) -> str:
        """The shape in a word, unique among recipes. Tests and models have this name."""
        parts = [self.features, f"L{self.bits}", f"K{self.neighbours}", f"N{self.entries}", self.masks, self.dictionary]
        parts += [f"a{self.smoothing}"] if self.smoothing else []
        parts += [f"f{self.floor}"] if self.floor else []
        return "-".join([*parts, *_geometry_name(self.geometry), f"s{self.seed}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return _as_dict(self)

    def model(self) -> MaskIntegers:
        """Make the model."""
        rng = np.random.default_rng(self.seed)
        features, kind = find_feature_kind(self.features), find_mask_kind(self.masks, self.geometry)
        levels = rng.integers(0, kind.top + 1, (self.entries, kind.width)).astype(np.uint8)
        model = MaskIntegers(
            name=self.name[:31],
            model_sha256="0" * 64,
            geometry=self.geometry,
            feature_kind=features,
            bits=self.bits,
            neighbours=self.neighbours,
            projection_q7=rng.integers(-127, 128, (self.bits, features.count(self.geometry))).astype(np.int8),
            bias_q3=_biases(rng, self.bits),
            codes=pack_words(np.zeros((self.entries, self.bits), np.bool_)),
            masks=pack_words(kind.level_rows(levels)),
            gain_q14=gain_table(self.neighbours, kind.top, self.floor),
            mel=mel_of(features, self.geometry),
            mask_kind=kind,
            smoothing=self.smoothing,
            smoothing_down=self.smoothing,
            start_votes=0,
            steady_votes=0,
            attenuation=ATTENUATION_OFF,
        )
        codes = DICTIONARIES[self.dictionary](rng, self.entries, self.bits)
        if self.dictionary == "near":
            heard = signal_codes(model, edge_signal("speech_like", _NEAR_HOPS * self.geometry.hop, rng))
            codes ^= heard[rng.integers(0, len(heard), self.entries)]
        model = replace(model, codes=pack_words(codes[tight_order(codes)]))
        return replace(model, model_sha256=_identity(self, model))


@dataclass(frozen=True)
class VotingRecipe:
    """A voting model with random contents and a given shape.

    projections (P), thresholds (T), groups (G), neighbours (K) and entries (N) of each dictionary, and what follows:
    those of a trained model. Raises BlshError for a shape that firmware does not hold.
    """

    seed: int
    projections: int = 12
    thresholds: int = 3
    groups: int = 3
    neighbours: int = 8
    entries: int = 40
    bit_votes: bool = True
    smoothing: int = 3
    smoothing_down: int = 11
    start_votes: int = 100
    steady_votes: int = 50
    geometry: Geometry = RECORDER

    def __post_init__(self) -> None:
        _check_numbers(
            self,
            ("seed", 0, 2**64 - 1),
            ("thresholds", 1, MAX_THRESHOLDS),
            ("groups", 1, self.geometry.bands),
            ("neighbours", 1, MAX_NEIGHBOURS),
            ("entries", self.neighbours, MOST_ENTRIES),
            ("smoothing", 0, MAX_SMOOTHING),
            ("smoothing_down", 0, MAX_SMOOTHING),
            ("start_votes", 0, MAX_RULE_VOTES),
            ("steady_votes", 0, MAX_RULE_VOTES),
        )
        _check_numbers(self, ("projections", 1, MAX_BITS // self.thresholds))
        if type(self.bit_votes) is not bool:
            raise BlshError(f"recipe with bit_votes = {self.bit_votes!r}; expected true or false")
        if self.groups * self.neighbours > MAX_FOUND:
            raise BlshError(
                f"recipe with {self.groups} groups of {self.neighbours} neighbours; the core holds {MAX_FOUND} in all"
            )

    @property
    def features(self) -> str:
        """The kind of features."""
        return VOTING_FEATURES

    @property
    def masks(self) -> str:
        """What there is instead of masks."""
        return VOTES

    @property
    def bits(self) -> int:
        """L, the length of a code."""
        return self.projections * self.thresholds

    @property
    def name(self) -> str:
        """The shape in a word, unique among recipes. Tests and models have this name."""
        parts = [f"P{self.projections}", f"T{self.thresholds}", f"G{self.groups}", f"K{self.neighbours}"]
        parts += [f"N{self.entries}", "bits" if self.bit_votes else "entries"]
        parts += [f"a{self.smoothing}", f"d{self.smoothing_down}", f"b{self.start_votes}-{self.steady_votes}"]
        return "-".join([VOTES, *parts, *_geometry_name(self.geometry), f"s{self.seed}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return _as_dict(self)

    def model(self) -> IntegerModel:
        """Make the model. Its SHA-256, of all it holds, shows if another version of numpy makes another one."""
        bands = self.geometry.bands
        inner = np.random.default_rng(self.seed).permutation(bands - 1)[: self.groups - 1] + 1
        artifact = random_voting_model(
            self.seed,
            projections=self.projections,
            thresholds=self.thresholds,
            group_edges=(0, *sorted(inner.tolist()), bands),
            entries=self.entries,
            neighbours=self.neighbours,
            bit_votes=self.bit_votes,
            settling=(self.smoothing, self.smoothing_down, self.start_votes, self.steady_votes),
            geometry=self.geometry,
        )
        return integer_model(replace(artifact, name=self.name[:31]), GenerateOptions())


AnyRecipe = Recipe | VotingRecipe


def _as_dict(recipe: AnyRecipe) -> dict[str, Any]:
    """Return the numbers of a recipe. A recipe of the geometry RECORDER names none, as before there were others."""
    named = {} if recipe.geometry == RECORDER else {"geometry": str(recipe.geometry)}
    return {name: value for name, value in asdict(recipe).items() if name != "geometry"} | named


def _geometry_name(geometry: Geometry) -> list[str]:
    return [] if geometry == RECORDER else [str(geometry).replace("/", "x")]


def recipe_from_dict(fields: Any) -> AnyRecipe:
    """Return the recipe that to_dict() of one gave. Raises BlshError for anything else."""
    kind = VotingRecipe if isinstance(fields, dict) and "thresholds" in fields else Recipe
    try:
        named = {"geometry": parse_geometry(fields["geometry"])} if "geometry" in fields else {}
        return kind(**{**fields, **named})
    except (TypeError, AttributeError) as error:
        raise BlshError(f"{fields!r} is no recipe of a model ({error}); copy it again") from error


def _check_numbers(recipe: AnyRecipe, *ranges: tuple[str, int, int]) -> None:
    for name, low, high in ranges:
        value = getattr(recipe, name)
        if type(value) is not int or not low <= value <= high:
            raise BlshError(f"recipe with {name} = {value!r}; expected an integer from {low} to {high}")


def _biases(rng: Generator, bits: int) -> npt.NDArray[np.int16]:
    """Draw biases: most as large as the projections, so that signals turn bits; some so large that they decide."""
    usual = rng.integers(-600, 601, bits)
    return np.where(rng.random(bits) < 0.1, 20 * usual, usual).astype(np.int16)


def _identity(recipe: Recipe, model: MaskIntegers) -> str:
    """Return a digest of the whole model. It shows if another version of numpy makes another model."""
    digest = hashlib.sha256(json.dumps(recipe.to_dict(), sort_keys=True).encode())
    for table in (model.projection_q7, model.bias_q3, model.codes, model.masks, model.gain_q14):
        digest.update(np.ascontiguousarray(table).tobytes())
    if model.mel is not None:
        digest.update(model.mel.weights_q16.tobytes())
    return digest.hexdigest()


# Each core runs the first DEFAULT_RECIPES. They have the shortest code and the longest, one neighbour and 32, ties, all
# features and all masks, votes, all windows and hops, and both rates. The other recipes are hard in other ways. All fit
# a micro:bit.
RECIPES: Final[tuple[AnyRecipe, ...]] = (
    Recipe(1, "stft", 1, 32, 70, "ibm", dictionary="random"),
    Recipe(2, "tracked", 300, 1, 97, "bands", 9, 20, "near", Geometry(16_000, 256, 64, 128)),
    Recipe(3, "mel", 300, 32, 33, "bands2", dictionary="few", geometry=Geometry(8_000, 256, 128, 256)),
    Recipe(4, "mel", 33, 7, 1025, "bands1", 15, dictionary="rings", geometry=Geometry(16_000, 512, 64, 128)),
    VotingRecipe(11, 96, 3, 8, 16, 64, geometry=Geometry(16_000, 512, 256, 512)),
    Recipe(5, "stft", 300, 32, 64, "bands1", floor=255, dictionary="sparse", geometry=Geometry(8_000, 512, 128, 256)),
    Recipe(6, "tracked", 1, 1, 1, "ibm"),
    Recipe(7, "mel", 32, 16, 1024, "ibm", dictionary="equal", geometry=Geometry(16_000, 1024, 64, 1024)),
    Recipe(8, "stft", 31, 3, 31, "bands", 1, dictionary="rings", geometry=Geometry(16_000, 256, 128, 256)),
    Recipe(9, "tracked", 129, 15, 700, "bands2", 4, 1, "near", Geometry(16_000, 1024, 128, 256)),
    Recipe(10, "mel", 64, 10, 1200, "ibm", dictionary="near"),
    VotingRecipe(12, 11, 1, 80, 2, 33, bit_votes=False, smoothing=15, smoothing_down=0),
    VotingRecipe(13, 20, 2, 5, 8, 130, geometry=Geometry(8_000, 256, 64, 128)),
)
DEFAULT_RECIPES: Final = 5


def recipes(count: int) -> tuple[AnyRecipe, ...]:
    """Return the first `count` recipes: those of RECIPES, then drawn ones."""
    return RECIPES[:count] + tuple(drawn_recipe(seed) for seed in range(len(RECIPES) + 1, count + 1))


def drawn_recipe(seed: int) -> Recipe:
    """Return a recipe drawn from `seed`: short and long codes, few and many entries, any geometry."""
    rng = np.random.default_rng(seed)
    neighbours = int(rng.choice([1, 2, 8, 10, 15, 16, 17, 31, 32]))
    features = str(rng.choice(list(MASK_FEATURES)))
    masks = str(rng.choice(list(MASK_KINDS)))
    smoothed = not MASK_KINDS[masks].of_bins  # else the state takes a kilobyte of RAM more
    smoothing = int(rng.integers(0, MAX_SMOOTHING + 1)) if smoothed else 0
    geometries = all_geometries()
    return Recipe(
        seed=seed,
        features=features,
        bits=int(rng.integers(1, 301)),
        neighbours=neighbours,
        entries=int(rng.integers(neighbours, 400)),
        masks=masks,
        smoothing=smoothing,
        floor=int(rng.choice([0, 1, 26, MAX_FLOOR])),
        dictionary=str(rng.choice(list(DICTIONARIES))),
        geometry=geometries[int(rng.integers(len(geometries)))],
    )


# ---- signals ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment:
    """A stretch of a signal. kind: one of SEGMENTS. length: in samples. shift: the bits by which it is made softer."""

    kind: str
    length: int
    shift: int = 0
    seed: int = 0

    def samples(self) -> Samples:
        """Return the samples, int16 (length,)."""
        rng = np.random.default_rng(self.seed)
        if self.kind in EDGE_SIGNALS:
            whole = edge_signal(self.kind, self.length, rng)
        else:
            whole = _SEGMENTS[self.kind](np.arange(self.length), rng)
        return np.asarray(whole >> self.shift, np.int16)


def _bits(n: npt.NDArray[np.int64], rng: Generator) -> Samples:
    """Draw single bits: -32768, powers of two and their negatives, and zeros."""
    powers = np.concatenate([1 << np.arange(15), -(1 << np.arange(16)), [0]])
    return rng.choice(powers, len(n)).astype(np.int16)


def _decay(n: npt.NDArray[np.int64], rng: Generator) -> Samples:
    """Decay from full scale to nothing. At the end the last bits ring on: what denormals are to floats."""
    tone = 32767 * np.exp(-n / max(len(n) / 12, 1)) * np.cos(n * rng.uniform(0.01, 3.1))
    return np.asarray(np.trunc(tone), np.int16)


def _jumps(n: npt.NDArray[np.int64], rng: Generator) -> Samples:
    """Draw levels that jump from one extreme to another."""
    levels = rng.choice([-32768, -1, 0, 1, 32767], -(-len(n) // 50) + 1)
    return levels[n // 50].astype(np.int16)


_SEGMENTS: Final[dict[str, Callable[[npt.NDArray[np.int64], Generator], Samples]]] = {
    "bits": _bits,
    "decay": _decay,
    "jumps": _jumps,
}
SEGMENTS: Final = (*EDGE_SIGNALS, *_SEGMENTS)


def joined(segments: list[Segment]) -> Samples:
    """Return the segments one after the other, int16 (n,), of any length."""
    parts = [segment.samples() for segment in segments]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)

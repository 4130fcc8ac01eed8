# SPDX-License-Identifier: Apache-2.0
"""The card of a model, JSON values that say what it is and where it comes from, and the hashes of card and arrays."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray, ByteArray
from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import ATTENUATION_OFF
from blsh_trainer.signals.geometry import RECORDER, Geometry

CORPORA = "corpora"
"""The key of the card under which the credits of the recordings stand."""
GEOMETRY = "geometry"
"""The key of the card under which the four numbers of a geometry stand, unless it is the paper's."""
ATTENUATION = "attenuation"
"""The key of the card under which the model's own limit of attenuation stands, unless it is off."""
Card = dict[str, Any]


def geometry_on_card(geometry: Geometry) -> Card:
    """Return what a card says of the geometry: nothing of the paper's, so that such a model keeps its hash."""
    return {} if geometry == RECORDER else {GEOMETRY: list(geometry.numbers)}


def geometry_of_card(card: Card) -> Geometry:
    """Take the geometry off the card and return it. BlshError unless it is four numbers that go together."""
    numbers = card.pop(GEOMETRY, list(RECORDER.numbers))
    if not isinstance(numbers, list) or len(numbers) != 4 or any(type(number) is not int for number in numbers):
        raise BlshError(f"the card's geometry is {numbers!r}; expected rate, window, hop and synthesis")
    return Geometry(*numbers)


def attenuation_on_card(attenuation: int) -> Card:
    """Return what a card says of the limit of attenuation: nothing where it is off, so such a model keeps its hash."""
    return {} if attenuation == ATTENUATION_OFF else {ATTENUATION: attenuation}


def canonical(value: Any) -> bytes:
    """Return JSON values as text in UTF-8, the same for equal values. ValueError or TypeError for any other value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def card_bytes(card: Card) -> ByteArray:
    """Return the text of `card` as an artifact holds it, uint8 (bytes,)."""
    return np.frombuffer(canonical(card), dtype=np.uint8)


def digest(value: Any) -> str:
    """Return the SHA-256, in hex, of JSON values."""
    return hashlib.sha256(canonical(value)).hexdigest()


def content_hash(arrays: dict[str, AnyArray], card: Card) -> str:
    """Return the SHA-256, in hex, of all `arrays` with their names, types and shapes, and of `card` (SPEC.md, 10)."""
    hashed = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        hashed.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        hashed.update(little.tobytes())
    hashed.update(canonical(card))
    return hashed.hexdigest()


def check_card(name: str, card: Card) -> None:
    """Raise BlshError unless `name` is text that is not empty and `card` holds JSON values."""
    if not isinstance(name, str) or not name:
        raise BlshError(f"model name {name!r}; expected text that is not empty")
    try:
        canonical(card)
    except (TypeError, ValueError) as error:
        raise BlshError(f"the card is not JSON ({error}); use text, numbers, lists and objects") from error


def read_card(file: Path, array: AnyArray) -> Card:
    """Return the card that an artifact holds as text, uint8 (bytes,). BlshError, which names `file`, for no JSON."""
    try:
        card = json.loads(array.tobytes().decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise BlshError(f"{file}: the card is not JSON ({error}); it is damaged, train or copy it again") from error
    if not isinstance(card, dict):
        raise BlshError(f"{file}: the card is a {type(card).__name__}; expected a JSON object")
    return card


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def read_credits(file: Path, array: AnyArray) -> Any:
    """Return the credits of recordings that an artifact holds, JSON values. BlshError where their hash differs."""
    if array.dtype != np.uint8 or array.ndim != 1:
        raise BlshError(
            f"{file}: array {CORPORA!r} is {array.dtype} with shape {array.shape}; expected uint8 in 1 dimension"
        )
    found = read_card(file, array)
    listed, stored = found.get(CORPORA), found.get("sha256")
    if stored != digest(listed):
        raise BlshError(
            f"{file}: the credits of its recordings have another SHA-256 than the artifact says, {stored}; "
            "they were changed after training, copy or train it again"
        )
    return listed

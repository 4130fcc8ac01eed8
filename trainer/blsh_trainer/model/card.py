# SPDX-License-Identifier: Apache-2.0
"""The card of a model, JSON values that say what it is and where it comes from, and the hashes of card and arrays."""

import hashlib
import json
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

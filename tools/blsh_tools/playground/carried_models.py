# SPDX-License-Identifier: Apache-2.0
"""Prepare the models that a page carries: an image for each size that the page offers, and the attribution."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import encode_image
from blsh_trainer.model.artifact import AnyModel, Model, load_model
from blsh_trainer.model.attribution import credits_text

_MOST_ENTRIES: Final = 4096
_SHARES: Final = (1, 4, 16)
"""The dictionaries of a model with masks have all its entries, or one of four, or one of sixteen."""


@dataclass(frozen=True)
class CarriedModel:
    """A model of the page. title: as its list names it. images: a label and the image of each size."""

    name: str
    title: str
    attribution: str
    images: tuple[tuple[str, bytes], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what the page's script needs, as JSON values."""
        images = [{"label": label, "image": b64encode(image).decode()} for label, image in self.images]
        return {"name": self.name, "title": self.title, "images": images}


def carried_model(name: str, file: Path) -> CarriedModel:
    """Return the artifact in `file` as the page carries it under `name`. Raises BlshError for what is no artifact."""
    model = load_model(file)
    geometry = model.geometry
    title = f"{name}: {1000 * geometry.latency_s:g} ms, {geometry.rate_hz / 1000:g} kHz"
    images = tuple((_label(each), encode_image(integer_model(model, each))) for each in sizes(model))
    return CarriedModel(name, title, credits_text(model), images)


def attributions(models: Sequence[CarriedModel]) -> dict[str, list[str]]:
    """Return each text of attribution with the names of the models that it belongs to: often all have one."""
    found: dict[str, list[str]] = {}
    for model in models:
        found.setdefault(model.attribution, []).append(model.name)
    return found


def sizes(model: AnyModel) -> Iterator[GenerateOptions]:
    """Yield the sizes of `model` that a page offers, the largest first. A voting model has one: it stays whole."""
    if not isinstance(model, Model):
        yield GenerateOptions(entries=model.entries, bits=model.bits)
        return
    for bits in sorted({model.bits, -(-model.bits // 2)}, reverse=True):
        counts = {min(_MOST_ENTRIES, model.entries) // share for share in _SHARES}
        for entries in sorted(counts, reverse=True):
            if entries >= model.neighbours:
                yield GenerateOptions(entries=entries, bits=bits)


def _label(options: GenerateOptions) -> str:
    return f"{options.entries:,} entries, {options.bits} bits"

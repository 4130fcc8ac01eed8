# SPDX-License-Identifier: Apache-2.0
"""Regression vectors: the samples in which a board once differed, kept as small files that every board replays.

The suite writes a vector for each comparison that fails. A vector holds its model as a `Recipe`, or names a trained
model by its SHA-256, because artifacts are not committed.
"""

import base64
import json
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_codegen.spec.stages import STAGES
from blsh_hil.ending import exit_code
from blsh_hil.prove.compare import Comparison, Difference, HopSource, compare
from blsh_hil.prove.recipes import AnyRecipe, recipe_from_dict
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.signals.geometry import RECORDER, Geometry, parse_geometry

VECTOR_FORMAT: Final = 1
FOUND_FOLDER: Final = Path("out/hil/vectors")
"""The folder, under the working folder, in which the suite leaves the vectors that it found."""

COMMITTED_FOLDER: Final = Path(__file__).with_name("committed_vectors")
"""The folder of the vectors that every board replays."""

_MOST_SAMPLES: Final = 1 << 22  # four minutes: enough for a recording from its start, where no shorter part differs
_TAILS: Final = (4, 8, 40, 160)
"""Ticks of 16 ms that cover the window, its overlap, a noise floor's start, a mask's smoothing."""


@dataclass(frozen=True)
class Vector:
    """Samples, int16 whole hops from the start of a stream, for which `stage` once differed in hop number `hop`.

    digest: the CRC-32 of the stage's bytes in the reference. model_sha256, dictionary_crc32: of the model.
    recipe: the recipe of the model; None for a trained model. why: what was found on which board, or why it was made.
    geometry: of the model.
    """

    samples: npt.NDArray[np.int16]
    hop: int
    stage: str
    digest: int
    model_sha256: str
    dictionary_crc32: int
    recipe: AnyRecipe | None
    why: str
    geometry: Geometry = RECORDER

    def to_json(self) -> str:
        """Return the text of a file: the same bytes for the same vector."""
        packed = base64.b64encode(zlib.compress(self.samples.astype("<i2").tobytes(), 9)).decode()
        fields = {
            "vector_format": VECTOR_FORMAT,
            "runtime_format": RUNTIME_FORMAT,
            "why": self.why,
            "hop": self.hop,
            "stage": self.stage,
            "digest": f"{self.digest:08x}",
            "model_sha256": self.model_sha256,
            "dictionary_crc32": f"{self.dictionary_crc32:08x}",
            **({} if self.geometry == RECORDER else {"geometry": str(self.geometry)}),
            "recipe": None if self.recipe is None else self.recipe.to_dict(),
            "samples_zlib": [packed[at : at + 100] for at in range(0, len(packed), 100)],
        }
        return json.dumps(fields, indent=1) + "\n"

    def save(self, path: Path) -> Path:
        """Write the vector to `path`, whole or not at all; return `path`."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8", newline="\n")
        return path

    @classmethod
    def load(cls, path: Path, *, of_any_format: bool = False) -> Self:
        """Read and check a file. Raises BlshError that names its fault."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = fields["vector_format"], fields["runtime_format"]
            data = zlib.decompressobj().decompress(
                base64.b64decode("".join(fields["samples_zlib"]), validate=True), 2 * _MOST_SAMPLES
            )
            vector = cls(
                samples=np.frombuffer(data, "<i2").astype(np.int16),
                hop=int(fields["hop"]),
                stage=fields["stage"],
                digest=int(fields["digest"], 16),
                model_sha256=fields["model_sha256"],
                dictionary_crc32=int(fields["dictionary_crc32"], 16),
                recipe=None if fields["recipe"] is None else recipe_from_dict(fields["recipe"]),
                why=fields["why"],
                geometry=parse_geometry(fields.get("geometry", str(RECORDER))),
            )
        except OSError as error:
            raise BlshError(f"cannot read the vector {path}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise BlshError(f"{path} is no vector ({type(error).__name__}: {error}); copy it again") from error
        if found != (VECTOR_FORMAT, RUNTIME_FORMAT) and not of_any_format:
            raise BlshError(
                f"{path} is of vector format {found[0]} and runtime format {found[1]}, expected {VECTOR_FORMAT} and "
                f"{RUNTIME_FORMAT}; make it anew: make vectors"
            )
        vector._check(path)
        return vector

    def _check(self, path: Path) -> None:
        length = self.geometry.hop
        whole = len(self.samples) and len(self.samples) % length == 0
        if not whole or not 0 <= self.hop < len(self.samples) // length or self.stage not in STAGES:
            raise BlshError(
                f"{path}: hop {self.hop} of stage {self.stage!r} in {len(self.samples)} samples; expected whole "
                f"hops of {length}, one of them, and a stage of {', '.join(STAGES)}"
            )
        if self.recipe is not None and self.recipe.geometry != self.geometry:
            raise BlshError(
                f"{path}: of geometry {self.geometry} with a recipe of {self.recipe.geometry}; copy it again"
            )

    def model(self) -> IntegerModel:
        """Make the model. Raises BlshError if there is no recipe, or if it makes another model here."""
        if self.recipe is None:
            raise BlshError(f"the vector needs the model {self.model_sha256}, which is no recipe; name it by --model")
        model = self.recipe.model()
        if (model.model_sha256, model.dictionary_crc32) != (self.model_sha256, self.dictionary_crc32):
            raise BlshError(
                f"the recipe {self.recipe.name} makes model {model.model_sha256[:12]} here, expected "
                f"{self.model_sha256[:12]}: another numpy, or the arithmetic has changed"
            )
        return model

    def fits(self, model: IntegerModel) -> bool:
        """Return whether the vector was found with this model."""
        return (model.model_sha256, model.dictionary_crc32) == (self.model_sha256, self.dictionary_crc32)

    def reference_digest(self, reference: VectorisedDenoiser) -> int:
        """Return the digest that the reference computes now. It should be `digest`."""
        vectors = reference.stages(self.samples[: (self.hop + 1) * self.geometry.hop])
        return vectors.hop(self.hop).digests()[STAGES.index(self.stage)]


def vector_of(
    samples: npt.NDArray[np.int16], hop: int, stage: str, model: IntegerModel, recipe: AnyRecipe | None, why: str
) -> Vector:
    """Return a vector with the reference's digest. samples: int16 whole hops; those behind `hop` are left out."""
    kept = samples[: (hop + 1) * model.geometry.hop].copy()
    vector = Vector(kept, hop, stage, 0, model.model_sha256, model.dictionary_crc32, recipe, why, model.geometry)
    return replace(vector, digest=vector.reference_digest(VectorisedDenoiser(model)))


def shortest_difference(
    client: HopSource,
    reference: VectorisedDenoiser,
    samples: npt.NDArray[np.int16],
    first: Difference,
    stages: Sequence[str],
) -> tuple[npt.NDArray[np.int16], Difference] | None:
    """Return the fewest hops before and with `first` that still differ as a stream of their own, and the difference.

    None if not even the whole stream differs again.
    """
    geometry = reference.model.geometry
    length = geometry.hop
    end = (first.hop + 1) * length
    for tail in (*(ticks * geometry.tick for ticks in _TAILS if ticks * geometry.tick < end), end):
        part = samples[end - tail : end]
        again: Comparison = compare(client, reference, part, stages=stages)
        if again.first is not None:
            return part[: (again.first.hop + 1) * length], again.first
    return None


def renew(path: Path) -> None:
    """Write the file anew with the digest of today's reference: for an intended change of the arithmetic."""
    vector = Vector.load(path, of_any_format=True)
    if vector.recipe is None:
        raise BlshError(f"{path} has no recipe; only vectors of generated models can be made anew")
    model = vector.recipe.model()
    vector_of(vector.samples, vector.hop, vector.stage, model, vector.recipe, vector.why).save(path)


def main() -> None:
    """Renew every committed vector."""
    for path in sorted(COMMITTED_FOLDER.glob("*.json")):
        renew(path)
        print(f"wrote {path.name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(exit_code(main))

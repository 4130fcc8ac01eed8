# SPDX-License-Identifier: Apache-2.0
"""Replay the regression vectors on the board: signals that once differed, or that were made to be hard."""

from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_hil.prove.recipes import AnyRecipe
from blsh_hil.prove.regression_vectors import Vector

from .conftest import Firmware
from .exactness import Exactness

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("board")]


def test_replay(
    vector_path: Path,
    request: pytest.FixtureRequest,
    recipe_firmware: Callable[[AnyRecipe], Firmware],
    exact: Exactness,
) -> None:
    """Check that the reference still gives the vector's digest, and the board what the reference gives."""
    vector = Vector.load(vector_path)
    if vector.recipe is not None and not request.config.getoption("port"):
        vector.model()  # still the model that it was found with
        firmware = recipe_firmware(vector.recipe)
        assert vector.reference_digest(firmware.reference) == vector.digest, "the reference has changed"
        with firmware.connected() as client:
            exact(client, firmware.model, vector.samples, vector.recipe)
        return
    firmware = request.getfixturevalue("firmware")
    if not vector.fits(firmware.model):
        pytest.skip(f"the board holds another model than {vector.model_sha256[:12]}")
    assert vector.reference_digest(firmware.reference) == vector.digest, "the reference has changed"
    exact(request.getfixturevalue("client"), firmware.model, vector.samples, vector.recipe)

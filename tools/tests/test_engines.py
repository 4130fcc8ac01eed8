"""The engines as systems of an evaluation: they can be sent to a process, and remember nothing."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.generate import GenerateOptions
from blsh_tools.engines import FixedEngine, FloatEngine
from blsh_trainer.artifact import load_model
from blsh_trainer.evaluate import Blind
from blsh_trainer.mixing import Mixture

from .conftest import Samples


@pytest.mark.parametrize("engine", [FloatEngine, FixedEngine])
def test_an_estimate_depends_on_its_mixture_alone(
    engine: type[FloatEngine] | type[FixedEngine], model: Path, noisy: Samples, rng: np.random.Generator
) -> None:
    system = Blind(engine(load_model(model), GenerateOptions(entries=200)))
    other = 0.1 * rng.standard_normal(5000)
    silence = np.zeros_like(noisy)
    first = system.estimate(Mixture(silence, noisy, noisy))
    system.estimate(Mixture(other, other, other))
    np.testing.assert_array_equal(system.estimate(Mixture(noisy, silence, noisy)), first)
    sent = pickle.loads(pickle.dumps(system))
    np.testing.assert_array_equal(sent.estimate(Mixture(noisy, silence, noisy)), first)

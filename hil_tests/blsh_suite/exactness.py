# SPDX-License-Identifier: Apache-2.0
"""Compare a board with the reference for a test, and report a difference: where it is and how to see it again."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.stages import STAGES
from blsh_hil.prove.compare import Comparison, Difference, HopSource, compare
from blsh_hil.prove.recipes import AnyRecipe
from blsh_hil.prove.regression_vectors import FOUND_FOLDER, shortest_difference, vector_of
from blsh_hil.report.schema import SUITE_OPTIONS


@dataclass
class Exactness:
    """Compares a board with the reference. On a difference the test fails, and the samples are kept as a vector.

    stages: the stages that are compared. counts: how much was compared so far, for the report. portable: whether
    --model named the board's model; only then can a vector of this model be replayed elsewhere.
    """

    request: pytest.FixtureRequest
    seed: int
    stages: tuple[str, ...]
    portable: bool
    record: Callable[[str, object], None]
    counts: dict[str, Any] = field(default_factory=dict)

    def __call__(
        self,
        client: HopSource,
        model: IntegerModel,
        samples: npt.NDArray[np.int16],
        recipe: AnyRecipe | None = None,
        limits: Sequence[int] | None = None,
    ) -> Comparison:
        """Compare whole hops of `samples`; fail the test if any value differs. limits: as of `compare`."""
        reference = VectorisedDenoiser(model)
        comparison = compare(client, reference, samples, stages=self.stages, limits=limits)
        self._count(comparison)
        if not comparison.exact and (limits is not None or not any(comparison.mismatches.values())):
            # A vector has stages, and no limits: the test itself is what can be run again.
            pytest.fail(f"{comparison.first}\nrerun: {self.rerun_test()}", pytrace=False)
        if not comparison.exact:
            pytest.fail(self._report(client, reference, samples, comparison, recipe), pytrace=False)
        return comparison

    def _count(self, comparison: Comparison) -> None:
        if not self.counts:
            self.counts.update(hops=0, values=0, mismatches=0, stages={stage: 0 for stage in self.stages})
            self.record("counts", self.counts)
        self.counts["hops"] += comparison.hops
        self.counts["values"] += comparison.values
        self.counts["mismatches"] += comparison.differences
        for stage in self.stages:
            self.counts["stages"][stage] += comparison.mismatches[stage]

    def _report(
        self,
        client: HopSource,
        reference: VectorisedDenoiser,
        samples: npt.NDArray[np.int16],
        comparison: Comparison,
        recipe: AnyRecipe | None,
    ) -> str:
        counts = ", ".join(f"{stage} {count}" for stage, count in comparison.mismatches.items() if count)
        first = comparison.first
        lines = [str(first) if first else "digests differ, the values that were read back do not"]
        lines.append(f"differing values in {comparison.hops} hops: {counts}")
        lines.append(f"model: {reference.model.name} ({reference.model.model_sha256[:12]}); seed: {self.seed}")
        again = None if first is None else shortest_difference(client, reference, samples, first, self.stages)
        if again is None:
            lines.append("sent once more, nothing differed: look at the link and the memory before the arithmetic")
        elif recipe is not None or self.portable:
            path, hops = self._keep(*again, reference.model, recipe)
            lines.append(f"kept as {path}, {hops} hops")
            return "\n".join([*lines, f"rerun: {self._rerun_vector(path)}"])
        return "\n".join([*lines, f"rerun: {self.rerun_test()}"])

    def _keep(
        self,
        samples: npt.NDArray[np.int16],
        first: Difference,
        model: IntegerModel,
        recipe: AnyRecipe | None,
    ) -> tuple[Path, int]:
        board = self.request.config.getoption("board")
        vector = vector_of(samples, first.hop, first.stage, model, recipe, f"{board}: {first}")
        name = re.sub(r"[^a-z0-9]+", "-", f"{board} {self.request.node.name}".lower()).strip("-")
        return vector.save(FOUND_FOLDER / f"{name}.json"), first.hop + 1

    def _rerun_vector(self, path: Path) -> str:
        return self._pytest_line(str(Path(__file__).parent), [f"--vector={path}"], _options_of(self.request.config))

    def rerun_test(self) -> str:
        """Return the command line that runs this test again, on the same board with the same signals."""
        path, *names = self.request.node.nodeid.split("::")
        node = "::".join([str(self.request.config.rootpath / path), *names])
        return f"BLSH_TEST_SEED={self.seed} " + self._pytest_line(node, [], _options_of(self.request.config))

    def _pytest_line(self, what: str, first: list[str], options: list[str]) -> str:
        project = os.environ.get("BLSH_PROJECT")
        setting = f"BLSH_PROJECT={shlex.quote(project)} " if project else ""
        command = [_shown(sys.executable), "-m", "pytest", _shown(what), *first, *options]
        return setting + shlex.join(command)


def _options_of(config: pytest.Config) -> list[str]:
    given = {name: config.getoption(name) for name in SUITE_OPTIONS}
    return [f"--{name}={value}" for name, value in given.items() if value is not None]


def _shown(path: str) -> str:
    """Return `path` relative to the working folder if it lies there."""
    here = f"{Path.cwd()}{os.sep}"
    return path.removeprefix(here)


def checked_stages(stage: str | None) -> tuple[str, ...]:
    """Return the stages that --stage leaves. Raises UsageError for an unknown one."""
    if stage is None:
        return STAGES
    if stage not in STAGES:
        raise pytest.UsageError(f"--stage {stage} is unknown; choose one of {', '.join(STAGES)}")
    return (stage,)

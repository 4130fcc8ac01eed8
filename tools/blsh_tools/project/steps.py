# SPDX-License-Identifier: Apache-2.0
"""The steps from recordings to firmware: what each reads, which values of blsh.toml it uses, what it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blsh_tools.project.digests import all_sources, learning_sources
from blsh_tools.project.making import (
    Made,
    make_denoised,
    make_generated,
    make_image,
    make_library,
    make_model,
    make_proof,
    make_report,
    make_trained,
)
from blsh_tools.project.settings import Project
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import did_you_mean

TRAINING: Final = "training"
"""The step whose output is for later steps alone."""


@dataclass(frozen=True)
class Step:
    """A step. place: its output, a file or a folder. reads: files and folders. settings: values by key.

    sources: returns what tells whether the program changed.
    """

    name: str
    place: Path
    reads: tuple[Path, ...]
    settings: Mapping[str, Any]
    sources: Callable[[], str]
    make: Callable[[Project, Progress], Made]


def steps_of(project: Project) -> list[Step]:
    """Return the steps of a project in their order; a step comes after those whose output it reads."""
    steps = []
    if project.corpora:
        settings = project.used("model", "training")
        settings.pop("training.jobs", None)  # how many processes mix changes nothing of what they mix
        reads = (*project.corpora, *([project.noise] if project.noise else []))
        steps.append(Step(TRAINING, project.trained, reads, settings, learning_sources, make_trained))
    for name, place in project.outputs.items():
        tables, read_by, sources, make = _KINDS[name]
        settings = {**project.used(*tables), f"outputs.{name}": project.told(place)}
        if name == "library" and (prefix := project.file.get("outputs", "prefix")) is not None:
            settings["outputs.prefix"] = prefix
        steps.append(Step(name, place, read_by(project), settings, sources, make))
    return steps


def chosen_steps(project: Project, targets: tuple[str, ...]) -> list[Step]:
    """Return the steps that `targets` need, all without one. BlshError for a target that the project does not have."""
    steps = steps_of(project)
    names = [step.name for step in steps]
    for target in targets:
        if target not in names:
            add = f'; add a line to [outputs]: {target} = "out/{target}"' if target in _KINDS else ""
            meant = did_you_mean(target, names)
            raise BlshError(f"{project.file.path} has no output {target}{meant}; it has {', '.join(names)}{add}")
    wanted = {step.place for step in steps if step.name in targets or not targets}
    for step in reversed(steps):
        if step.place in wanted:
            wanted |= set(step.reads)
    return [step for step in steps if step.place in wanted]


def _of_trained(project: Project) -> tuple[Path, ...]:
    return (project.trained,)


def _of_model(project: Project) -> tuple[Path, ...]:
    return (project.outputs["model"],)


def _of_proof(project: Project) -> tuple[Path, ...]:
    corpus = project.file.get("proof", "corpus")
    return (*_of_model(project), *([] if corpus is None else [project.folder / corpus]))


def _of_report(project: Project) -> tuple[Path, ...]:
    named = (project.file.get("report", key) for key in ("corpus", "scores"))
    proofs = [project.outputs["proof"]] if "proof" in project.outputs else []
    return (*_of_model(project), *proofs, *(project.folder / each for each in named if each is not None))


def _of_recordings(project: Project) -> tuple[Path, ...]:
    return (*_of_model(project), *project.recordings)


def _building_sources() -> str:
    from blsh_firmware.build.platformio import compiler_version

    return f"{all_sources()} {compiler_version()}"


_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[Project], tuple[Path, ...]], Callable[[], str], Any]]] = {
    "model": (("tuning",), _of_trained, learning_sources, make_model),
    "generated": (("firmware",), _of_model, all_sources, make_generated),
    "library": (("firmware",), _of_model, all_sources, make_library),
    "image": (("firmware",), _of_model, _building_sources, make_image),
    "proof": (("firmware", "proof"), _of_proof, _building_sources, make_proof),
    "denoised": (("firmware", "examples"), _of_recordings, all_sources, make_denoised),
    "report": (("firmware", "report"), _of_report, all_sources, make_report),
}
"""Of each output: the tables of blsh.toml that it uses, what it reads, what its program is, and how it is made."""

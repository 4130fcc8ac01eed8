# SPDX-License-Identifier: Apache-2.0
"""Make the outputs of a project, each by the functions that the command of its kind calls."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from blsh_codegen.emit.export import ExportedModel, export_models
from blsh_codegen.emit.generated_record import RECORD_NAME
from blsh_codegen.emit.library import EXPORT_RECORD_NAME
from blsh_codegen.project import VARIABLE, project_data
from blsh_firmware.build.images import build_image, generate_firmware, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.table import find_board
from blsh_tools.audio.denoise_file import DenoiseOptions, denoise_file
from blsh_tools.console import say
from blsh_tools.options.arguments import REPORT_FOLDER
from blsh_tools.options.board_budgets import planned, say_plan
from blsh_tools.options.corpora import say_remarks
from blsh_tools.options.model import FirmwareOptions, ModelOptions
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.project.settings import Project
from blsh_trainer.corpora.merging import load_corpora
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.attribution import ATTRIBUTION_FILE
from blsh_trainer.model.tuning import tuned, tuned_text
from blsh_trainer.progress import Progress

if TYPE_CHECKING:
    from blsh_codegen.cost.planning import Plan
    from blsh_codegen.emit.generate import GenerateOptions
    from blsh_trainer.model.artifact import AnyModel

Fitted: TypeAlias = "tuple[GenerateOptions, Plan | None]"
_fitted: "dict[tuple[str, FirmwareOptions], Fitted]" = {}

_DEVICE: Final = "cpu"
_MINUTES: Final = 1.0
_MIXTURES: Final = 12
_IMAGE_FILES: Final = ("firmware.elf", "firmware.bin", "firmware.hex")


@dataclass(frozen=True)
class Made:
    """What a step made. files: all that it wrote. told: a remark. passed: False where a proof failed."""

    files: tuple[Path, ...]
    told: str = ""
    passed: bool = True


def make_trained(project: Project, progress: Progress) -> Made:
    """Learn the project's model from its recordings; an interrupted training goes on from its checkpoint."""
    from blsh_trainer.learning.joint.train import train_jointly

    file = project.file
    corpus = load_corpora(list(project.corpora), project.noise, without=file.get("model", "without", ()))
    say_remarks(corpus)
    options = project.training
    of = json.dumps([corpus.sha256, options.to_card()], sort_keys=True)
    checkpoint = project.kept / f"training-{hashlib.sha256(of.encode()).hexdigest()[:12]}.npz"
    for old in set(project.kept.glob("training-*.npz")) - {checkpoint}:
        old.unlink()  # of other recordings or settings
    if checkpoint.exists():
        say("Learning goes on where it was interrupted.")
    device, jobs = file.get("training", "device", _DEVICE), file.get("training", "jobs")
    model = train_jointly(corpus, options, progress, checkpoint, device, jobs)
    assert model is not None  # only one of several ranks has none
    save_model(project.trained, model)
    checkpoint.unlink(missing_ok=True)
    return Made((project.trained,), f"{model.name}, {model.sha256[:12]}")


def make_model(project: Project, _progress: Progress) -> Made:
    """Write the artifact: the trained one, with the values of [tuning]."""
    try:
        model = tuned(load_model(project.trained), project.tuning)
    except BlshError as error:
        raise BlshError(f"{project.file.path}: {error}") from error
    target = project.outputs["model"]
    save_model(target, model)
    return Made((target,), tuned_text(model) or f"{model.name}, {model.sha256[:12]}")


def make_generated(project: Project, _progress: Progress) -> Made:
    """Write the generated C, as `blsh generate` does."""
    folder = project.outputs["generated"]
    check_output_folder(folder)
    model = load_model(project.outputs["model"])
    options, plan = fitted(project, model)
    if plan is not None:
        say_plan(plan)
    record = generate_firmware(model, options, folder)
    names = (*record.files, RECORD_NAME, ATTRIBUTION_FILE)
    return Made(tuple(folder / name for name in names), f"{record.dictionary_entries:,} entries, {record.bits} bits")


def make_library(project: Project, _progress: Progress) -> Made:
    """Write the library, as `blsh export` does."""
    folder = project.outputs["library"]
    check_output_folder(folder, replaced=True)
    model = load_model(project.outputs["model"])
    options, _ = fitted(project, model)
    prefix = project.file.get("outputs", "prefix")
    record = export_models([ExportedModel(model, replace(options, slots=False), prefix)], folder)
    names = (*record.files, EXPORT_RECORD_NAME)
    return Made(tuple(folder / name for name in names), f"{record.table_bytes:,} bytes of tables")


def make_image(project: Project, _progress: Progress) -> Made:
    """Build the firmware of the board, as `blsh build` does."""
    folder = project.outputs["image"]
    check_output_folder(folder)
    with _firmware(project):
        image = build_image(find_board(project.board), lambda line: say(line) if line else None)
        there = [image.elf.with_name(name) for name in _IMAGE_FILES]
        made = [folder / path.name for path in there if path.is_file()]
        for target in made:
            with replacing(target) as temporary:
                shutil.copyfile(image.elf.with_name(target.name), temporary)
    told = f"{image.size.flash_bytes:,} bytes of flash, {image.size.ram_bytes:,} of RAM, build {image.build_id:08x}"
    return Made(tuple(made), told)


def make_proof(project: Project, _progress: Progress) -> Made:
    """Prove the firmware on its board, as `blsh hil` does; the reports are the output."""
    from blsh_tools.suite.run_suite import SuiteOptions, run_suite

    folder = project.outputs["proof"]
    corpus = project.file.get("proof", "corpus")
    options = SuiteOptions(
        model=project.outputs["model"],
        corpus=None if corpus is None else project.folder / corpus,
        minutes=project.file.get("proof", "minutes", _MINUTES),
        reports=folder,
    )
    with _firmware(project):
        found = run_suite(options, project.board, None, quiet=True)
    told = f"{found['tests']} tests, {found['failures'] + found['errors']} failed, {found['mismatches']} mismatches"
    files = tuple(path for path in sorted(folder.rglob("*")) if path.is_file())
    return Made(files, told, bool(found["passed"]))


def make_denoised(project: Project, progress: Progress) -> Made:
    """Denoise the recordings of [examples], as `blsh denoise` does, with what the firmware has of the model."""
    folder, model = project.outputs["denoised"], project.outputs["model"]
    chosen, _ = fitted(project, load_model(model))
    reduction = ModelOptions(**{each.name: getattr(chosen, each.name) for each in fields(ModelOptions)})
    options = DenoiseOptions(model, project.file.get("examples", "engine", "fixed"), reduction=reduction)
    made = []
    for source in project.recordings:
        made.append(folder / f"{source.stem}.wav")
        denoise_file(source, made[-1], options, progress)
    return Made(tuple(made), f"{len(made)} of engine {options.engine}")


def make_report(project: Project, progress: Progress) -> Made:
    """Make the page about the model, as `blsh report` does."""
    from blsh_tools.report.make_report import gather
    from blsh_tools.report.options import ReportOptions
    from blsh_tools.report.page import write_page

    page, model, file = project.outputs["report"], project.outputs["model"], project.file
    corpus, scores = (
        None if text is None else project.folder / text
        for text in (file.get("report", "corpus"), file.get("report", "scores"))
    )
    board = replace(project.firmware, board=project.board)
    proofs = project.outputs.get("proof", REPORT_FOLDER)
    options = ReportOptions(model, board, corpus, scores, None, None, _MIXTURES, proofs)
    found = gather(options, page, progress)
    size = write_page(found, page)
    return Made((page,), f"{size / 1e6:.1f} MB")


def fitted(project: Project, model: "AnyModel") -> "Fitted":
    """Return the generator's options for the project's model, and the plan behind them: see `planned`.

    They are found once for a model and its options, because an estimate takes seconds.
    """
    asked = (model.sha256, project.firmware)
    if asked not in _fitted:
        try:
            _fitted[asked] = planned(model, project.firmware)
        except BlshError as error:
            raise BlshError(f"{project.file.path}: [firmware]: {error}") from error
    return _fitted[asked]


@contextmanager
def _firmware(project: Project) -> Iterator[Path]:
    """Yield a firmware project of its own with the generated C in it, which all functions below take as theirs.

    It is a copy, so that a build here touches neither the checkout nor another project.
    """
    root = copy_project(project_data(), project.kept / "firmware")
    model = load_model(project.outputs["model"])
    generate_firmware(model, fitted(project, model)[0], generated_folder(root))
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(root)
    try:
        yield root
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before

# SPDX-License-Identifier: Apache-2.0
"""Models as one library: the core once, each model's tables, and an example, for several build systems at once.

The folder is written beside its place and renamed onto it, so it is there whole or not at all. `blsh_export.json` in it
records model, options and the digest of every file: a later export replaces only what it can account for.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.library import EXPORT_RECORD_NAME, LibraryModel, library_files, table_bytes
from blsh_codegen.emit.naming import check_prefixes
from blsh_codegen.emit.sound_examples import RATE_HZ as EXAMPLE_RATE_HZ
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attribution import attribution_text
from blsh_trainer.own_files import read_own
from blsh_trainer.replacing_folder import replacing_folder


@dataclass(frozen=True)
class ExportedModel:
    """A model to export: the whole artifact, the options, and what its names in C begin with, None for `blsh`."""

    artifact: AnyModel
    options: GenerateOptions
    prefix: str | None = None


@dataclass(frozen=True)
class ModelRecord:
    """What `blsh_export.json` says of a model; `table_bytes` is the flash of all its tables."""

    model_name: str
    model_sha256: str
    dictionary_crc32: int
    dictionary_entries: int
    bits: int
    options: GenerateOptions
    table_bytes: int


@dataclass(frozen=True)
class ExportRecord:
    """The contents of `blsh_export.json`.

    models: by prefix; None stands for that of a library of one model. table_bytes: flash of all tables, each shared one
    once. files: path to SHA-256.
    """

    version: str
    runtime_format: int
    models: dict[str | None, ModelRecord]
    table_bytes: int
    files: dict[str, str]

    def to_json(self) -> str:
        """Return canonical text: the same record, the same bytes. A model without a prefix has its fields on top."""
        fields = asdict(self)
        models = fields.pop("models")
        fields |= models.get(None, {"models": models})
        return json.dumps(fields, indent=2, sort_keys=True) + "\n"


def export_library(model: AnyModel, options: GenerateOptions, folder: Path) -> ExportRecord:
    """Write `model` (the whole artifact) under `options` as a library of its own: see `export_models`."""
    return export_models([ExportedModel(model, options)], folder)


def export_models(
    models: Sequence[ExportedModel],
    folder: Path,
    *,
    examples: Sequence[str] = (),
    server: Mapping[str, bytes] | None = None,
) -> ExportRecord:
    """Write `models` as one library with one core into `folder`; returns its record.

    examples: names of `sound_examples`, programs that go with it. server: the files of the serial server by name, so
    that the library can prove a board; None: it cannot.
    A folder that holds the same export already is left alone, another export that is unchanged is replaced. Raises
    BlshError for prefixes that cannot be told apart in C, an example that does not fit the models, whatever
    `integer_model` refuses, a folder with anything else in it, a file of an export that was edited, or a place that
    cannot be written; then nothing is changed.
    """
    check_prefixes([each.prefix for each in models if each.prefix is not None], len(models))
    if examples:
        _check_example_model(models)
    place = _resolved(folder)  # a link to a folder stays the link it is
    existing = _replaceable(place, folder)
    parts = [LibraryModel(integer_model(each.artifact, each.options), each.options, each.prefix) for each in models]
    files = library_files(parts, examples, server)
    for each, part in zip(models, parts, strict=True):
        files[part.attribution_file] = attribution_text(each.artifact).encode()
    record = ExportRecord(
        version=version("blsh-mcu"),
        runtime_format=RUNTIME_FORMAT,
        models={part.prefix: _model_record(part) for part in parts},
        table_bytes=table_bytes(parts),
        files={path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    )
    files[EXPORT_RECORD_NAME] = record.to_json().encode()
    if existing == {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}:
        return record
    with replacing_folder(place) as building:
        for path, content in files.items():
            (building / path).parent.mkdir(parents=True, exist_ok=True)
            (building / path).write_bytes(content)
    return record


def exported_options(folder: Path, model_sha256: str) -> list[GenerateOptions]:
    """Return the options of each model in the export in `folder` that comes from this artifact.

    Raises BlshError where no export of this version lies there.
    """
    try:
        record: Any = json.loads(read_own(folder / EXPORT_RECORD_NAME))
        models = list(record["models"].values()) if "models" in record else [record]
        return [GenerateOptions(**each["options"]) for each in models if each["model_sha256"] == model_sha256]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BlshError(
            f"{folder} holds no export of this version: {EXPORT_RECORD_NAME} cannot be read ({error}); name the folder "
            "that `blsh export` wrote"
        ) from error


def _check_example_model(models: Sequence[ExportedModel]) -> None:
    """Raise BlshError unless the programs of the examples can use `models`."""
    if models[0].prefix is not None:
        raise BlshError("--example takes a model without --prefix: its program calls the model blsh_model")
    rate_hz = models[0].artifact.geometry.rate_hz
    if rate_hz != EXAMPLE_RATE_HZ:
        raise BlshError(
            f"--example: {models[0].artifact.name} is for {rate_hz} Hz, and the converters of the examples run at "
            f"{EXAMPLE_RATE_HZ}; choose another model"
        )


def _model_record(part: LibraryModel) -> ModelRecord:
    model = part.integers
    return ModelRecord(
        model_name=model.name,
        model_sha256=model.model_sha256,
        dictionary_crc32=model.dictionary_crc32,
        dictionary_entries=model.entries,
        bits=model.bits,
        options=part.options,
        table_bytes=part.table_bytes,
    )


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise BlshError(f"cannot write {folder}: {error}; choose another folder") from error


def _replaceable(place: Path, given: Path) -> dict[str, str] | None:
    """Return the digests of the export in `place`, None if there is nothing. Raises BlshError for anything else.

    Only files that the record there names are read: any other file may be endless.
    """
    try:
        if not place.exists():
            return None
        if not place.is_dir():
            raise BlshError(
                f"cannot write {given}: it is {'a file' if place.is_file() else 'no folder'}; name a folder"
            )
        if not any(place.iterdir()):
            return None
        recorded = _recorded_files(place)
        if recorded is None:
            raise BlshError(f"{given} exists and is no export of blsh; choose another folder, it is left as it is")
        stranger = _stranger(place, recorded)
        if stranger is not None:
            raise BlshError(
                f"{given / stranger} is not of the export; move it away or choose another folder than {given}"
                " (what a build made there: `make clean`, or delete it)"
            )
        return _digests(place, given, recorded)
    except OSError as error:
        what = error.filename or given
        raise BlshError(f"cannot read {what}: {error.strerror or error}; choose another folder than {given}") from error


def _stranger(place: Path, recorded: dict[str, str]) -> str | None:
    """Return the first file, link or folder found in `place` that is not of the export."""
    folders = {parent.as_posix() for name in recorded for parent in Path(name).parents}
    waiting = [place]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for entry in found:
                name = Path(entry.path).relative_to(place).as_posix()
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.is_symlink() or name not in (folders if is_folder else {EXPORT_RECORD_NAME, *recorded}):
                    return name
                if is_folder:
                    waiting.append(Path(entry.path))
    return None


def _digests(place: Path, given: Path, recorded: dict[str, str]) -> dict[str, str]:
    """Return the digests of the record and of the `recorded` files in `place`. Raises BlshError for a changed file."""
    digests = {EXPORT_RECORD_NAME: hashlib.sha256(read_own(place / EXPORT_RECORD_NAME)).hexdigest()}
    for name, expected in sorted(recorded.items()):
        if not (place / name).exists():
            continue
        digests[name] = hashlib.sha256(read_own(place / name)).hexdigest()
        if digests[name] != expected:
            raise BlshError(
                f"{given / name} was changed after it was exported (SHA-256 {digests[name][:12]}, expected "
                f"{expected[:12]}); delete it or choose another folder than {given}"
            )
    return digests


def _recorded_files(place: Path) -> dict[str, str] | None:
    """Return `files` of the record in `place`, of older versions, too; None where there is no record."""
    try:
        record: Any = json.loads(read_own(place / EXPORT_RECORD_NAME))
        files = record["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(files, dict) or not all(isinstance(digest, str) for digest in files.values()):
        return None
    return files

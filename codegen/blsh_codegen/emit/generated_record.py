# SPDX-License-Identifier: Apache-2.0
"""Record the content of generated C in `blsh_generated.json`: the model, the options, a digest of each file.

Whatever builds, flashes or tests the generated code reads this record first. It refuses files that were made from
another model or changed since.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.source_snapshot import Snapshot
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.errors import BlshError
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.own_files import read_own

RECORD_NAME = "blsh_generated.json"


@dataclass(frozen=True)
class GeneratedRecord:
    """The contents of `blsh_generated.json`. files: the SHA-256 of each generated file, by its name."""

    model_name: str
    model_sha256: str
    dictionary_crc32: int
    dictionary_entries: int
    bits: int
    options: GenerateOptions
    files: dict[str, str]

    def to_json(self) -> str:
        """Return the text of the file: the same record gives the same bytes."""
        return json.dumps({"runtime_format": RUNTIME_FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n"


def write_record(model: IntegerModel, options: GenerateOptions, paths: list[Path], folder: Path) -> GeneratedRecord:
    """Write to `folder` that the files `paths` in it were generated from `model` with `options`; return the record."""
    record = GeneratedRecord(
        model_name=model.name,
        model_sha256=model.model_sha256,
        dictionary_crc32=model.dictionary_crc32,
        dictionary_entries=model.entries,
        bits=model.bits,
        options=options,
        files={path.name: _file_sha256(path) for path in sorted(paths)},
    )
    write_text_if_changed(folder / RECORD_NAME, record.to_json())
    return record


def read_record(folder: Path, model: AnyModel | None = None) -> GeneratedRecord:
    """Return the record of `folder`, after checking its files.

    model: the artifact that the code must have been generated from; None: any. Raises BlshError if nothing was
    generated there, a file is missing or was changed, the runtime format is another, or the model is another.
    """
    return read_generated(folder, model)[0]


def read_generated(folder: Path, model: AnyModel | None = None) -> tuple[GeneratedRecord, Snapshot]:
    """Return the record of `folder`, as read_record, and the files that it names, as they were when checked."""
    path = folder / RECORD_NAME
    if not path.is_file():
        raise BlshError(f"{folder} holds no generated code; run: blsh generate MODEL (a file, or as `intercom`)")
    record = _parse(path)
    for name in record.files:
        if not (folder / name).is_file():
            raise BlshError(f"{folder / name} is missing; run: {record.options.command()}")
    files = Snapshot.of(folder, (folder / name for name in record.files))
    for name, content in files.files.items():
        actual, expected = hashlib.sha256(content).hexdigest(), record.files[name]
        if actual != expected:
            raise BlshError(
                f"{folder / name} was changed after it was generated (SHA-256 {actual[:12]}, expected "
                f"{expected[:12]}); run: {record.options.command()}"
            )
    if model is not None and record.model_sha256 != model.sha256:
        raise BlshError(
            f"the code in {folder} was generated from model {record.model_sha256[:12]} ({record.model_name}), not from "
            f"{model.sha256[:12]} ({model.name}); run blsh generate with the model you mean"
        )
    return record, files


def _parse(path: Path) -> GeneratedRecord:
    try:
        fields: dict[str, Any] = json.loads(read_own(path))
        found = fields.pop("runtime_format")
        record = GeneratedRecord(**{**fields, "options": GenerateOptions(**fields["options"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlshError(f"{path} is not a record of generated code ({error}); run blsh generate again") from error
    if found != RUNTIME_FORMAT:
        raise BlshError(f"{path} is of runtime format {found}, this is {RUNTIME_FORMAT}; run blsh generate again")
    return record


def _file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

# SPDX-License-Identifier: Apache-2.0
"""A model as a library of its own: core, tables and an example, for PlatformIO, Arduino and CMake at once.

The folder is written beside its place and renamed onto it, so it is there whole or not at all. `blsh_export.json` in it
records model, options and the digest of every file: a later export replaces only what it can account for.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any, Final

from blsh_codegen.emit.c_code import c_environment, plain_text
from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, integer_model, render
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.project import core_folder, core_sources
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attribution import ATTRIBUTION_FILE, attribution_text
from blsh_trainer.own_files import read_own
from blsh_trainer.replacing_folder import replacing_folder

EXPORT_RECORD_NAME: Final = "blsh_export.json"
LIBRARY_NAME: Final = "blsh-denoiser"
SENTENCE: Final = "A learned speech denoiser for ARM Cortex-M, in integers."
STREAM_EXAMPLE: Final = "examples/stream.c"
ARDUINO_EXAMPLE: Final = "examples/Denoise/Denoise.ino"
CAPACITY_HEADER: Final = "blsh_capacity.h"


@dataclass(frozen=True)
class ExportRecord:
    """The contents of `blsh_export.json`; `files` is path to SHA-256, `table_bytes` the flash of the model's tables."""

    version: str
    runtime_format: int
    model_name: str
    model_sha256: str
    dictionary_crc32: int
    dictionary_entries: int
    bits: int
    options: GenerateOptions
    table_bytes: int
    files: dict[str, str]

    def to_json(self) -> str:
        """Return canonical text: the same record, the same bytes."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def export_library(model: AnyModel, options: GenerateOptions, folder: Path) -> ExportRecord:
    """Write `model` (the whole artifact) under `options` as a library into `folder`; returns its record.

    A folder that holds the same export already is left alone, another export that is unchanged is replaced.
    Raises BlshError for whatever `integer_model` refuses, for a folder with anything else in it, a file of an export
    that was edited, or a place that cannot be written; then nothing is changed.
    """
    place = _resolved(folder)  # a link to a folder stays the link it is
    existing = _replaceable(place, folder)
    integers = integer_model(model, options)
    files = {**library_files(integers, options), ATTRIBUTION_FILE: attribution_text(model).encode()}
    record = ExportRecord(
        version=version("blsh-mcu"),
        runtime_format=RUNTIME_FORMAT,
        model_name=integers.name,
        model_sha256=integers.model_sha256,
        dictionary_crc32=integers.dictionary_crc32,
        dictionary_entries=integers.entries,
        bits=integers.bits,
        options=options,
        table_bytes=_table_bytes(integers),
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


def library_files(model: IntegerModel, options: GenerateOptions) -> dict[str, bytes]:
    """Return the files of an export, path to content: the same bytes for the same model and options.

    Two are missing: the record, and ATTRIBUTION_FILE, which takes the artifact's card.
    """
    core = {path.relative_to(core_folder()).as_posix(): path.read_bytes() for path in core_sources()}
    checkout = core_folder().parents[1]
    licences = {
        path.name: path.read_bytes() for path in sorted(checkout.glob("LICENSE")) + sorted(checkout.glob("NOTICE"))
    }
    generated = {name: text.encode() for name, text in render(model, options).items()}
    twice = core.keys() & generated.keys()
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: a file of the core has the name of a generated one; rename it")
    sources = core | generated
    context = {
        "version": version("blsh-mcu"),
        "library": LIBRARY_NAME,
        "sentence": SENTENCE,
        "command": f"{options.command().replace('generate', 'export', 1)} --to DIR",
        "model": model,
        "votes": isinstance(model, VotingIntegers),
        "model_name": plain_text(model.name),
        "rate_khz": f"{model.geometry.rate_hz / 1000:g}",
        "hop_ms": f"{1000 * model.geometry.hop_s:g}",
        "latency_ms": f"{1000 * model.geometry.latency_s:g}",
        "table_bytes": f"{_table_bytes(model):,}",
        "record_name": EXPORT_RECORD_NAME,
        "attribution": ATTRIBUTION_FILE,
        "sources": sorted(name for name in sources if name.endswith(".c")),
        "licence": ", ".join(["Apache-2.0", *licences]),
    }
    environment = c_environment("blsh_codegen")

    def rendered(name: str) -> bytes:
        return environment.get_template(f"export/{name}.j2").render(context).encode()

    # With a flag, library and user could differ in the size of the state.
    sources[CAPACITY_HEADER] = rendered(CAPACITY_HEADER)
    return {
        **{f"src/{name}": content for name, content in sorted(sources.items())},
        **licences,
        STREAM_EXAMPLE: rendered("stream.c"),
        ARDUINO_EXAMPLE: rendered("Denoise.ino"),
        "CMakeLists.txt": rendered("CMakeLists.txt"),
        "README.txt": rendered("README.txt"),
        "library.properties": rendered("library.properties"),
        "library.json": _library_json().encode(),
    }


def _library_json() -> str:
    manifest = {
        "name": LIBRARY_NAME,
        "version": version("blsh-mcu"),
        "description": metadata("blsh-mcu")["Summary"],
        "license": "Apache-2.0",
        "keywords": ["audio", "dsp", "noise suppression", "speech"],
        "headers": "blsh_model.h",
        "frameworks": "*",
        "platforms": "*",
        "build": {"srcDir": "src", "includeDir": "src", "flags": ["-O2"]},  # frameworks compile for size
        "examples": [
            {"name": "Denoise", "base": "examples/Denoise", "files": ["Denoise.ino"]},
            {"name": "stream", "base": "examples", "files": ["stream.c"]},
        ],
    }
    return json.dumps(manifest, indent=2) + "\n"


def _table_bytes(model: IntegerModel) -> int:
    return sum(flash_table_bytes(model).values())


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

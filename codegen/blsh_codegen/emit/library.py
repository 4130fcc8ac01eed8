# SPDX-License-Identifier: Apache-2.0
"""The files of an exported library: the core, its models in C, examples, and the manifest of each build system."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from blsh_codegen.emit.c_code import plain_text, text_environment
from blsh_codegen.emit.generate import (
    GenerateOptions,
    SharedTable,
    flash_table_bytes,
    own_limits,
    render,
    render_common,
    render_model,
)
from blsh_codegen.emit.naming import BAND_TABLES, CORE_PREFIX, PLAIN, SHAREABLE, Naming
from blsh_codegen.emit.packages import PACK_FILE, package_files
from blsh_codegen.emit.sound_examples import sound_example_files
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.project import core_folder, core_sources
from blsh_codegen.spec.c_structs import Limits
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.model.attribution import ATTRIBUTION_FILE

EXPORT_RECORD_NAME: Final = "blsh_export.json"
LIBRARY_NAME: Final = "blsh-denoiser"
SENTENCE: Final = "A learned speech denoiser for ARM Cortex-M, in integers."
STREAM_EXAMPLE: Final = "examples/stream.c"
ARDUINO_EXAMPLE: Final = "examples/Denoise/Denoise.ino"
CAPACITY_HEADER: Final = "blsh_capacity.h"
PROOF_FOLDER: Final = "proof"
PORT_HEADER: Final = f"{PROOF_FOLDER}/blsh_port.h"
PROOF_SOURCE: Final = f"{PROOF_FOLDER}/blsh_proof.c"
"""The one file of the proof that is compiled; it includes those of the server."""


@dataclass(frozen=True)
class LibraryModel:
    """A model as a library holds it. prefix: what its names in C begin with; None in a library of this model alone."""

    integers: IntegerModel
    options: GenerateOptions
    prefix: str | None = None

    @property
    def table_bytes(self) -> int:
        """Bytes of flash of all its tables, those that it shares included."""
        return sum(flash_table_bytes(self.integers).values())

    @property
    def attribution_file(self) -> str:
        """The name of the file with the licences of its recordings."""
        return ATTRIBUTION_FILE if self.prefix is None else ATTRIBUTION_FILE.replace(".", f"-{self.prefix}.")


def library_files(
    models: Sequence[LibraryModel], examples: Sequence[str] = (), server: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """Return the files of an export, path to content: the same bytes for the same models and options.

    examples: names of `sound_examples`. server: the files of the serial server by name, for a library with a proof;
    None: without one. Missing are the record, and each model's `attribution_file`, which takes the artifact's card.
    Raises BlshError for an unknown example.
    """
    core = {path.relative_to(core_folder()).as_posix(): path.read_bytes() for path in core_sources()}
    checkout = core_folder().parents[1]
    licences = {
        path.name: path.read_bytes() for path in sorted(checkout.glob("LICENSE")) + sorted(checkout.glob("NOTICE"))
    }
    shared = shared_tables(models)
    namings = [_naming(each, shared) for each in models]
    generated = {name: text.encode() for name, text in _generated(models, namings, shared).items()}
    twice = core.keys() & generated.keys()
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: a file of the core has the name of a generated one; rename it")
    sources = core | generated
    context = _context(models, namings, server is not None) | {
        "sources": sorted(name for name in sources if name.endswith(".c")),
        "licence": ", ".join(["Apache-2.0", *licences]),
        "has_licence": "LICENSE" in licences,
        "proof": server is not None,
        "server_sources": sorted(name for name in server or () if name.endswith(".c")),
        "pack_file": PACK_FILE,
        "examples": sorted(examples),
    }
    context["command"] += "".join(f" --example {name}" for name in context["examples"])
    environment = text_environment("blsh_codegen")

    def rendered(name: str) -> bytes:
        return environment.get_template(f"export/{name}.j2").render(context).encode()

    # With a flag, library and user could differ in the size of the state.
    sources[CAPACITY_HEADER] = rendered(CAPACITY_HEADER)
    return {
        **{f"src/{name}": content for name, content in sorted(sources.items())},
        **licences,
        STREAM_EXAMPLE: rendered("stream.c" if models[0].prefix is None else "stream_of_several.c"),
        ARDUINO_EXAMPLE: rendered("Denoise.ino"),
        **({} if server is None else {name: rendered(name) for name in (PORT_HEADER, PROOF_SOURCE)}),
        **{f"{PROOF_FOLDER}/server/{name}": content for name, content in sorted((server or {}).items())},
        "README.txt": rendered("README.txt"),
        **{name: text.encode() for name, text in package_files(context).items()},
        **sound_example_files(examples),
    }


def shared_tables(models: Sequence[LibraryModel]) -> list[SharedTable]:
    """Return the tables that two models or more have: windows and bands that are the same, in the order of models."""
    found: dict[tuple[str, bytes], list[LibraryModel]] = {}
    for each in models:
        for field in SHAREABLE:
            found.setdefault((field, _shared_key(each.integers, field)), []).append(each)
    shared: list[SharedTable] = []
    for (field, key), users in found.items():
        if key and len(users) > 1:
            number = 1 + sum(table.field == field for table in shared)
            prefixes = tuple(each.prefix for each in users if each.prefix is not None)
            values = users[0].integers.tables()[field]
            shared.append(SharedTable(f"{CORE_PREFIX}_shared_{field}_{number}", field, values, prefixes))
    return shared


def table_bytes(models: Sequence[LibraryModel]) -> int:
    """Return the bytes of flash of the tables of all models, each shared one once."""
    again = sum((len(table.prefixes) - 1) * table.values.nbytes for table in shared_tables(models))
    return sum(each.table_bytes for each in models) - again


def _shared_key(model: IntegerModel, field: str) -> bytes:
    """Return bytes that are the same for models that can share the table of `field`; empty where there is none."""
    tables = model.tables()
    together = BAND_TABLES if field in BAND_TABLES else (field,)
    if field not in tables:
        return b""
    return b"".join(len(tables[name]).to_bytes(4, "little") + tables[name].tobytes() for name in together)


def _naming(model: LibraryModel, shared: Sequence[SharedTable]) -> Naming:
    if model.prefix is None:
        return PLAIN
    return Naming(model.prefix, {table.field: table.symbol for table in shared if model.prefix in table.prefixes})


def _generated(
    models: Sequence[LibraryModel], namings: Sequence[Naming], shared: Sequence[SharedTable]
) -> dict[str, str]:
    if models[0].prefix is None:
        return render(models[0].integers, models[0].options)
    limits = Limits.of_all([own_limits(each.integers) for each in models])
    texts = render_common(limits, [naming.prefix for naming in namings], shared)
    for each, naming in zip(models, namings, strict=True):
        texts |= render_model(each.integers, each.options, naming)
    return texts


def _context(models: Sequence[LibraryModel], namings: Sequence[Naming], proof: bool) -> dict[str, Any]:
    """Return what the templates of a library are rendered with; each of `parts` is a model."""
    several = models[0].prefix is not None
    prefixes = [naming.prefix for naming in namings] if several else []
    limits = Limits.of_all([own_limits(each.integers) for each in models])
    identity = f"{version('blsh-mcu')} {RUNTIME_FORMAT} {prefixes} {limits}"
    return {
        "version": version("blsh-mcu"),
        "library": LIBRARY_NAME,
        "sentence": SENTENCE,
        "command": _command(models) + " --with-proof" * proof,
        "several": several,
        "prefixes": prefixes,
        "parts": [_part(each, naming) for each, naming in zip(models, namings, strict=True)],
        "core": "_".join([*prefixes, hashlib.sha256(identity.encode()).hexdigest()[:8]]),
        "table_bytes": f"{table_bytes(models):,}",
        "record_name": EXPORT_RECORD_NAME,
    }


def _part(model: LibraryModel, naming: Naming) -> dict[str, Any]:
    geometry = model.integers.geometry
    return {
        "prefix": naming.prefix,
        "OWN": naming.macro,
        "symbol": naming.model,
        "header": f"{naming.model}.h",
        "model": model.integers,
        "geometry": geometry,
        "votes": isinstance(model.integers, VotingIntegers),
        "name": plain_text(model.integers.name),
        "title": "".join([plain_text(model.integers.name), f" ({model.prefix})" if model.prefix else ""]),
        "rate_khz": f"{geometry.rate_hz / 1000:g}",
        "hop_ms": f"{1000 * geometry.hop_s:g}",
        "latency_ms": f"{1000 * geometry.latency_s:g}",
        "attribution": model.attribution_file,
    }


def _command(models: Sequence[LibraryModel]) -> str:
    """Return the command line that exports `models`, with the options that all of them have."""
    if models[0].prefix is None:
        return models[0].options.export_command()
    commands = [each.options.export_command().split(" --") for each in models]
    common = [words for words in commands[0][1:] if all(words in others for others in commands)]
    names = " ".join(f"{(each.prefix or '').upper()}.npz" for each in models)
    prefixes = [f"prefix {each.prefix}" for each in models]
    return " --".join([f"blsh export {names}", *prefixes, *common])

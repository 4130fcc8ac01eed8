# SPDX-License-Identifier: Apache-2.0
"""Generate C: the model and its tables as .h and .c files, the same bytes for the same input."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.c_code import plain_text, text_environment
from blsh_codegen.emit.naming import CORE_PREFIX, PLAIN, Naming
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.spec.c_structs import Limits, window_bit
from blsh_codegen.spec.constants import (
    ALL_KINDS,
    MAX_BITS,
    MAX_MEL_BANDS,
    MAX_NEIGHBOURS,
    MEMORY_FEATURES,
    RUNTIME_FORMAT,
    ModelKind,
    least_q14,
    log2_q5,
    split_turns_q14,
    stage_turns_q14,
)
from blsh_trainer.errors import BlshError
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.reduction import reduce_model
from blsh_trainer.model.voting_model import VOTES, VotingModel
from blsh_trainer.signals.geometry import LEAST_HOP
from blsh_trainer.suggestions import unknown

LIMITS_FILE = "blsh_limits.h"
SHARED_HEADER = "blsh_shared.h"
SHARED_SOURCE = "blsh_shared.c"
TABLES_FILE = "blsh_tables.c"
LAYOUTS = ("tight", "plain")
_TABLE_NAMES = {
    "projection_q7": "projections",
    "window_q14": "window",
    "synthesis_q14": "synthesis window",
    "bias_q3": "biases",
    "gain_q14": "gains",
    "band_edge": "band edges",
    "mel_first": "mel first",
    "mel_count": "mel count",
    "mel_weight_q16": "mel",
    "threshold": "thresholds",
    "group_edge": "group edges",
    "vote": "votes",
    "weight": "weights",
    "bit_vote": "bit votes",
    "response_q14": "response",
}
"""The names of tables for people, where they are not those in C."""


@dataclass(frozen=True)
class GenerateOptions:
    """The options by which an artifact becomes firmware.

    entries, share: dictionary entries to keep, as a number or as a share of the artifact's; give at most one.
    bits: length of the code, the first bits are kept. masks: name of another kind of masks. neighbours: another K.
    seed: of the random choice of entries. layout: "tight", or "plain", which chooses entries at random even of a nested
    artifact and leaves them in the artifact's order.
    board, flash, ram, mips: the board's name and the budgets, in bytes and million instructions a second, that the
    other options were chosen for. table_budget: bytes of flash that these budgets leave for the tables; the generated
    header asserts it. slots: whether the firmware takes other models over the link (`blsh push`). room_bits,
    room_neighbours, room_smoothed: bits, neighbours, and bands of a smoothed mask that such a model may have, where
    this model has fewer.
    """

    entries: int | None = None
    share: float | None = None
    bits: int | None = None
    masks: str | None = None
    neighbours: int | None = None
    seed: int = 0
    layout: str = "tight"
    board: str | None = None
    flash: int | None = None
    ram: int | None = None
    mips: float | None = None
    table_budget: int | None = None
    slots: bool = False
    room_bits: int | None = None
    room_neighbours: int | None = None
    room_smoothed: int | None = None

    @property
    def sha256(self) -> str:
        """The digest of the options, which every generated file names."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def command(self) -> str:
        """Return the command line that generates with these options."""
        derived = {"layout": None if self.layout == "tight" else self.layout, "table_budget": None}
        given = {name: value for name, value in {**asdict(self), **derived}.items() if value not in (None, 0)}
        words = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}") for name, value in given.items()
        ]
        return " ".join(["blsh generate MODEL.npz", *words])

    def export_command(self) -> str:
        """Return the command line that exports with these options."""
        return f"{self.command().replace('generate', 'export', 1)} --to DIR"


class SharedTable(NamedTuple):
    """A table that several models have, in blsh_shared.c: its symbol, the field of blsh_model_t, and its users."""

    symbol: str
    field: str
    values: npt.NDArray[Any]
    prefixes: tuple[str, ...]


def own_limits(model: IntegerModel) -> Limits:
    """Return the limits of a state that is as large as `model` needs."""
    return Limits(
        model.bits,
        model.neighbours,
        model.smoothed_bands,
        len(model.projection_q7),
        model.features,
        model.dictionaries * model.neighbours,
        model.kind,
        window_bit(model.geometry),
        model.geometry.history,
        model.geometry.lag,
        one_geometry=True,
    )


def state_limits(model: IntegerModel, options: GenerateOptions) -> Limits:
    """Return the limits of a firmware with `model`: the model's own, or more where `options` ask for room.

    With slots, a firmware whose model votes takes models of every kind; one whose model has masks has no room for what
    voting models remember, and takes others with masks only. It takes every geometry of no larger window and lag.
    Raises BlshError for room beyond the core's limits, or without slots.
    """
    own = own_limits(model)
    rooms = {"room_bits": MAX_BITS, "room_neighbours": MAX_NEIGHBOURS, "room_smoothed": own.bins}
    for name, most in rooms.items():
        asked = getattr(options, name)
        if asked is None:
            continue
        if not 1 <= asked <= most:
            raise BlshError(f"--{name.replace('_', '-')} {asked}; the core holds 1 to {most}")
        if not options.slots:
            raise BlshError(
                f"--{name.replace('_', '-')} {asked} without --slots: only models that are pushed need room"
            )
    if not options.slots:
        return own
    return own._replace(
        bits=max(own.bits, options.room_bits or 0),
        neighbours=max(own.neighbours, options.room_neighbours or 0),
        smoothed=max(own.smoothed, options.room_smoothed or 0),
        projections=max(own.projections, options.room_bits or 0),
        features=max(own.bins, MEMORY_FEATURES if own.kinds != ModelKind.MASKS else MAX_MEL_BANDS),
        found=max(own.found, options.room_neighbours or 0),
        kinds=own.kinds if own.kinds == ModelKind.MASKS else ALL_KINDS,
        windows=2 * own.windows - 1,
        history=own.window - LEAST_HOP,
        one_geometry=False,
    )


def reduced_model(model: AnyModel, options: GenerateOptions) -> AnyModel:
    """Return `model` reduced as `options` say, still an artifact: the float path that the firmware is compared with.

    BlshError for what it cannot be reduced to; of a voting model only the neighbours can be chosen.
    """
    if options.entries is not None and options.share is not None:
        raise BlshError(f"--entries {options.entries} and --share {options.share} exclude each other; give one")
    if options.layout not in LAYOUTS:
        raise BlshError(f"--layout {options.layout!r} {unknown(options.layout, LAYOUTS)}")
    if isinstance(model, VotingModel):
        return _reduced_voting_model(model, options)
    model = reduce_model(model, bits=options.bits, mask_kind=options.masks)
    if options.neighbours is not None:
        model = replace(model, neighbours=options.neighbours)
    if options.layout == "plain":
        model = replace(model, nested=False)
    if options.entries is not None or options.share is not None:
        model = model.subsample(entries=options.entries, share=options.share, seed=options.seed)
    return model


def _reduced_voting_model(model: VotingModel, options: GenerateOptions) -> VotingModel:
    for name, asked, own in (("entries", options.entries, model.entries), ("bits", options.bits, model.bits)):
        if asked is not None and asked != own:
            raise BlshError(f"--{name} {asked}: a voting model keeps its {own} {name}; train one of that size")
    if options.share is not None and options.share != 1.0:
        raise BlshError(
            f"--share {options.share}: a voting model keeps its {model.entries} entries; train a smaller one"
        )
    if options.masks is not None and options.masks != VOTES:
        raise BlshError(f"--masks {options.masks}: a voting model has votes and no masks; leave the option out")
    return model if options.neighbours is None else replace(model, neighbours=options.neighbours)


def integer_model(model: AnyModel, options: GenerateOptions) -> IntegerModel:
    """Return the integers that the firmware holds of `model`, a whole artifact, with `options`."""
    reduced, tight = reduced_model(model, options), options.layout == "tight"
    if isinstance(reduced, VotingModel):
        return VotingIntegers.from_model(reduced, artifact_sha256=model.sha256, reorder=tight)
    return MaskIntegers.from_model(reduced, artifact_sha256=model.sha256, reorder=tight)


def generate(model: IntegerModel, options: GenerateOptions, folder: Path) -> list[Path]:
    """Write the C files of `model` into `folder`, each whole or not at all. Returns their paths."""
    texts = render(model, options)
    return [write_text_if_changed(folder / name, text) for name, text in texts.items()]


def render(model: IntegerModel, options: GenerateOptions) -> dict[str, str]:
    """Return the C files of `model`, which is the only one of its program: their texts by name."""
    head = {**_context(model, options, PLAIN), "head": "provenance.j2", "slots": options.slots, "several": False}
    limits = _environment().get_template(f"{LIMITS_FILE}.j2").render(head, limits=state_limits(model, options))
    return {LIMITS_FILE: limits, **render_model(model, options, PLAIN), TABLES_FILE: render_tables()}


def render_model(model: IntegerModel, options: GenerateOptions, naming: Naming) -> dict[str, str]:
    """Return the header and the source of `model` alone, called by `naming`: their texts by name."""
    context = _context(model, options, naming)
    environment = _environment()
    texts: dict[str, str] = {}
    for suffix in ("h", "c"):  # the header comes first: the source repeats its numbers
        stated = _numbers(naming).findall("".join(texts.values()))
        template = environment.get_template(f"blsh_model.{suffix}.j2")
        texts[f"{naming.model}.{suffix}"] = template.render(context, stated=stated)
    return texts


def render_common(limits: Limits, prefixes: Sequence[str], shared: Sequence[SharedTable]) -> dict[str, str]:
    """Return the C files that the models called `prefixes` have in common: limits of the state, and `shared` tables."""
    context = {
        "version": version("blsh-mcu"),
        "head": "provenance_of_several.j2",
        "prefixes": prefixes,
        "slots": False,
        "several": True,
        "limits": limits,
        "shared_header": SHARED_HEADER,
        "shared": shared,
    }
    names = (LIMITS_FILE, SHARED_HEADER, SHARED_SOURCE) if shared else (LIMITS_FILE,)
    texts = {name: _environment().get_template(f"{name}.j2").render(context) for name in names}
    return {**texts, TABLES_FILE: render_tables()}


def render_tables() -> str:
    """Return the text of the C file of the tables that every model shares."""
    return (
        _environment()
        .get_template(f"{TABLES_FILE}.j2")
        .render(
            version=version("blsh-mcu"),
            runtime_format=RUNTIME_FORMAT,
            turn_q14=stage_turns_q14(),
            split_q14=split_turns_q14(),
            log2_q5=log2_q5(),
            least_q14=least_q14(),
        )
    )


def _environment() -> jinja2.Environment:
    environment = text_environment("blsh_codegen")
    environment.filters["lines"] = _lines
    environment.filters["c_string"] = _c_string
    return environment


def flash_table_bytes(model: IntegerModel) -> dict[str, int]:
    """Return the bytes of flash that each table of `model` takes, by the name of the table."""
    return {_TABLE_NAMES.get(field, field): table.nbytes for field, table in model.tables().items()}


def _numbers(naming: Naming) -> re.Pattern[str]:
    return re.compile(rf"^#define ({naming.macro}_(?!FLASH_BUDGET_)\w+) (\d+u|0x[0-9a-f]+u)\b", re.MULTILINE)


def _context(model: IntegerModel, options: GenerateOptions, naming: Naming) -> dict[str, object]:
    prefix = None if naming.prefix == CORE_PREFIX else naming.prefix
    return {
        "version": version("blsh-mcu"),
        "command": options.command() if prefix is None else f"{options.export_command()} --prefix {prefix}",
        "OWN": naming.macro,
        "names": naming.symbols,
        "shared": naming.shared,
        "shared_header": SHARED_HEADER,
        "options_sha256": options.sha256,
        "model": model,
        "sha256_bytes": bytes.fromhex(model.model_sha256),
        "runtime_format": RUNTIME_FORMAT,
        "flash_bytes": sum(flash_table_bytes(model).values()),
        "table_budget": options.table_budget,
        "votes": isinstance(model, VotingIntegers),
        "mask_words": model.masks.shape[1] if isinstance(model, MaskIntegers) else 0,
    }


def _lines(values: Iterable[int] | npt.NDArray[Any], form: str = "d", indent: int = 4, width: int = 112) -> str:
    """Return integers as C text, comma-separated, in lines. form: d, u, x for 32 bits or byte, both hexadecimal."""
    patterns = {"d": "{}", "u": "{}u", "x": "0x{:08x}u", "byte": "0x{:02x}"}
    words = [patterns[form].format(int(value)) for value in np.asarray(list(values)).reshape(-1)]
    lines, line = [], " " * indent
    for word in words:
        if len(line) + len(word) + 1 > width and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
        line += f"{word}, "
    return "\n".join([*lines, line.rstrip()])


def _c_string(text: str) -> str:
    """Return a C string literal, with '_' for each character that could end it or the comment around it."""
    return f'"{plain_text(text)}"'

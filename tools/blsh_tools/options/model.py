"""Options of what is made of a model, each described once, in groups that commands take as one parameter."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.options.arguments import Seed
from blsh_tools.options.numbers_in_range import (
    BITS,
    CORE_BINS,
    CORE_NEIGHBOURS,
    ENTRIES,
    MIPS,
    NEIGHBOURS,
    SEED,
    SHARE,
    size_option,
)

if TYPE_CHECKING:  # the commands import what they need when they run, so that `blsh --help` is quick
    from blsh_codegen.emit.generate import GenerateOptions

DEFAULT_ENTRIES = 4096

Entries = Annotated[
    int | None, ENTRIES.option(f"Dictionary entries to keep [default: {DEFAULT_ENTRIES}, or all].", "--entries")
]
Share = Annotated[float | None, SHARE.option("Share of the dictionary to keep instead.", "--share")]
Bits = Annotated[int | None, BITS.option("Use the first so many bits of a code only.", "--bits")]
Neighbours = Annotated[int | None, NEIGHBOURS.option("Masks to average, K [default: the model's].", "--neighbours")]


@dataclass(frozen=True)
class OptionGroup:
    """The fields of a subclass are options; `with_groups` gives them to a command that has it as a parameter."""

    def given(self) -> list[str]:
        """The options that say something else than their defaults, as they are typed."""
        named = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        return [f"--{name.replace('_', '-')}" for name in named]


@dataclass(frozen=True)
class DictionaryOptions(OptionGroup):
    """What of a model's dictionary and codes is used, beside a command's own --seed."""

    entries: Entries = None
    share: Share = None
    bits: Bits = None
    neighbours: Neighbours = None
    dictionary_seed: Annotated[
        int,
        SEED.option("Seed of the dictionary's draw: --seed of `blsh generate`.", "--dictionary-seed"),
    ] = 0

    def wishes(self) -> "GenerateOptions":
        """The same for the firmware; what was left out is None."""
        from blsh_codegen.emit.generate import GenerateOptions

        return GenerateOptions(
            self.entries, self.share, self.bits, neighbours=self.neighbours, seed=self.dictionary_seed
        )


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """How an artifact becomes a model of integers."""

    entries: Entries = None
    share: Share = None
    bits: Bits = None
    masks: Annotated[
        str | None,
        typer.Option("--masks", help="Turn the masks into a coarser kind: bands2 or bands1 [default: as they are]."),
    ] = None
    neighbours: Neighbours = None
    layout: Annotated[
        str,
        typer.Option(
            "--layout", help="`tight`, or `plain`: entries drawn at random, in the artifact's order, with full masks."
        ),
    ] = "tight"
    seed: Seed = 0

    def wishes(self) -> "GenerateOptions":
        """The same for the firmware; what was left out is None."""
        from blsh_codegen.emit.generate import GenerateOptions

        return GenerateOptions(
            entries=self.entries,
            share=self.share,
            bits=self.bits,
            masks=self.masks,
            neighbours=self.neighbours,
            layout=self.layout,
            seed=self.seed,
        )


@dataclass(frozen=True)
class PlanOptions(ModelOptions):
    """... and what it must fit."""

    board: Annotated[
        str | None, typer.Option("--board", help="Board that it must fit: its flash and RAM, or the budgets below.")
    ] = None
    flash: Annotated[
        str | None,
        size_option("--flash", "Choose what fits so much flash in all: 262144, 256K, 1M."),
    ] = None
    ram: Annotated[str | None, size_option("--ram", "... and so much RAM, the stack included: 16384, 16K.")] = None
    mips: Annotated[
        float | None, MIPS.option("... and so many million instructions a second.", "--mips", metavar="NUMBER")
    ] = None

    def wishes(self) -> "GenerateOptions":
        """As of a ModelOptions, with the board; `planned` reads the budgets."""
        return replace(super().wishes(), board=self.board)


@dataclass(frozen=True)
class FirmwareOptions(PlanOptions):
    """... and what the firmware around it takes later."""

    slots: Annotated[
        bool,
        typer.Option("--slots", help="The firmware takes other models over the link (`blsh push`): 4 KiB of code."),
    ] = False
    room_bits: Annotated[
        int | None, BITS.option("Bits that a pushed model may have [default: this model's].", "--room-bits")
    ] = None
    room_neighbours: Annotated[
        int | None,
        CORE_NEIGHBOURS.option("Neighbours that a pushed model may have [default: likewise].", "--room-neighbours"),
    ] = None
    room_smoothed: Annotated[
        int | None,
        CORE_BINS.option("Bands of a smoothed mask of a pushed model [default: likewise].", "--room-smoothed"),
    ] = None

    def wishes(self) -> "GenerateOptions":
        """As of a PlanOptions, with the slots."""
        return replace(
            super().wishes(),
            slots=self.slots,
            room_bits=self.room_bits,
            room_neighbours=self.room_neighbours,
            room_smoothed=self.room_smoothed,
        )


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as Typer can read it: the fields in place of each parameter that is an OptionGroup."""
    signature = inspect.signature(command)
    groups: dict[str, type[OptionGroup]] = {}
    parameters: list[inspect.Parameter] = []
    for name, each in signature.parameters.items():
        if isinstance(each.annotation, type) and issubclass(each.annotation, OptionGroup):
            groups[name] = each.annotation
            parameters += inspect.signature(each.annotation).parameters.values()
        else:
            parameters.append(each)

    @wraps(command)
    def spread(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    by_name = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    spread.__signature__ = signature.replace(parameters=by_name)  # type: ignore[attr-defined]
    return spread


def sized(wishes: "GenerateOptions", total: int) -> "GenerateOptions":
    """`wishes` for an artifact of `total` entries: without a size, DEFAULT_ENTRIES or all of a smaller dictionary."""
    if wishes.entries is None and wishes.share is None:
        return replace(wishes, entries=min(DEFAULT_ENTRIES, total))
    return wishes

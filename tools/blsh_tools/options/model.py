# SPDX-License-Identifier: Apache-2.0
"""Options that say how an artifact becomes a model of integers, each described once, in groups."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.options.arguments import Seed
from blsh_tools.options.groups import OptionGroup
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

if TYPE_CHECKING:  # the commands import their modules when they run, so that `blsh --help` is quick
    from blsh_codegen.emit.generate import GenerateOptions
    from blsh_trainer.model.artifact import AnyModel

DEFAULT_ENTRIES = 4096

Entries = Annotated[
    int | None, ENTRIES.option(f"Dictionary entries to keep [default: {DEFAULT_ENTRIES}, or all].", "--entries")
]
Share = Annotated[float | None, SHARE.option("Share of the dictionary to keep, instead of --entries.", "--share")]
Bits = Annotated[int | None, BITS.option("Number of bits of a code to use: the first ones.", "--bits")]
Neighbours = Annotated[int | None, NEIGHBOURS.option("Masks to average, K [default: the model's].", "--neighbours")]


@dataclass(frozen=True)
class DictionaryOptions(OptionGroup):
    """The part of a model's dictionary and codes that is used, for commands whose own --seed draws something else."""

    entries: Entries = None
    share: Share = None
    bits: Bits = None
    neighbours: Neighbours = None
    dictionary_seed: Annotated[
        int,
        SEED.option("Seed of the draw of entries: --seed of `blsh generate`.", "--dictionary-seed"),
    ] = 0

    def wishes(self) -> "GenerateOptions":
        """Return these options as the generator takes them; None stands for what was left out."""
        from blsh_codegen.emit.generate import GenerateOptions

        return GenerateOptions(
            self.entries, self.share, self.bits, neighbours=self.neighbours, seed=self.dictionary_seed
        )


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """The part of a model that is used, and the form in which the firmware holds it."""

    entries: Entries = None
    share: Share = None
    bits: Bits = None
    masks: Annotated[
        str | None,
        typer.Option(
            "--masks", help="Turn the masks into a coarser kind: `bands2` or `bands1` [default: as they are]."
        ),
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
        """Return these options as the generator takes them; None stands for what was left out."""
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
    """The options of a model, and the board and budgets that the model must fit."""

    board: Annotated[
        str | None,
        typer.Option("--board", help="Board that the model must fit: its flash and RAM, or the budgets below."),
    ] = None
    flash: Annotated[
        str | None,
        size_option("--flash", "Budget of flash for the whole firmware: 262144, 256K, 1M."),
    ] = None
    ram: Annotated[str | None, size_option("--ram", "Budget of RAM, the stack included: 16384, 16K.")] = None
    mips: Annotated[
        float | None, MIPS.option("Budget of instructions, in millions a second.", "--mips", metavar="NUMBER")
    ] = None

    def wishes(self) -> "GenerateOptions":
        """Return the options of ModelOptions, with the board; `planned` reads the budgets."""
        return replace(super().wishes(), board=self.board)


@dataclass(frozen=True)
class FirmwareOptions(PlanOptions):
    """The options of a plan, and the room that the firmware keeps for models that are pushed later."""

    slots: Annotated[
        bool,
        typer.Option("--slots", help="The firmware takes other models over the link (`blsh push`): 7 KiB of code."),
    ] = False
    room_bits: Annotated[
        int | None, BITS.option("Most bits of a pushed model [default: this model's].", "--room-bits")
    ] = None
    room_neighbours: Annotated[
        int | None,
        CORE_NEIGHBOURS.option("Most neighbours of a pushed model [default: this model's].", "--room-neighbours"),
    ] = None
    room_smoothed: Annotated[
        int | None,
        CORE_BINS.option("Most bands of a pushed model's smoothed mask [default: this model's].", "--room-smoothed"),
    ] = None

    def wishes(self) -> "GenerateOptions":
        """Return the options of PlanOptions, with the slots and their room."""
        return replace(
            super().wishes(),
            slots=self.slots,
            room_bits=self.room_bits,
            room_neighbours=self.room_neighbours,
            room_smoothed=self.room_smoothed,
        )


def dictionary_size(model: "AnyModel") -> str:
    """Return in words how many dictionaries and entries a model has."""
    of = f"{model.dictionaries} dictionaries of " if model.dictionaries > 1 else ""
    return f"{of}{model.entries:,} entries"


def sized(wishes: "GenerateOptions", total: int) -> "GenerateOptions":
    """Return `wishes` with a size, for an artifact of `total` entries: DEFAULT_ENTRIES at most, unless one is given."""
    if wishes.entries is None and wishes.share is None:
        return replace(wishes, entries=min(DEFAULT_ENTRIES, total))
    return wishes

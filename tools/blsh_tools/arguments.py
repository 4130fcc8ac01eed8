"""Arguments and options that several commands share, with the words of their help."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_trainer.errors import BlshError

if TYPE_CHECKING:  # the commands import what they need when they run, so that `blsh --help` is quick
    from blsh_codegen.generate import GenerateOptions

DEFAULT_BOARD = "mps2-an386"
DEFAULT_ENTRIES = 4096
DEFAULT_MODEL = Path("out/model.npz")


def checked_seed(option: typer.CallbackParam, seed: int | None) -> int | None:
    """The callback of an option that is a seed."""
    if seed is not None and seed < 0:
        raise BlshError(f"{option.opts[0]} {seed}; choose 0 or more")
    return seed


DictionarySeed = Annotated[
    int,
    typer.Option(
        "--dictionary-seed", callback=checked_seed, help="Seed of the dictionary's draw: --seed of `blsh generate`."
    ),
]
NoiseFolder = Annotated[
    Path | None,
    typer.Option("--noise", help="Folder of noises, for a corpus whose layout has none (TIMIT, LibriSpeech)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ModelFile = Annotated[Path, typer.Argument(help="Model artifact, as `blsh train` writes it.")]
BoardName = Annotated[str, typer.Option("--board", help="A board of boards.toml; see `blsh boards`.")]
PortUrl = Annotated[
    str | None,
    typer.Option("--port", help="Serial port of a running board: /dev/tty..., a pty or socket://HOST:PORT."),
]
Entries = Annotated[
    int | None, typer.Option("--entries", help=f"Dictionary entries to keep [default: {DEFAULT_ENTRIES}, or all].")
]
Share = Annotated[float | None, typer.Option("--share", help="Share of the dictionary to keep instead, 0 to 1.")]
Bits = Annotated[int | None, typer.Option("--bits", help="Use the first so many bits of a code only.")]
Neighbours = Annotated[int | None, typer.Option("--neighbours", help="Masks to average, K [default: the model's].")]
Masks = Annotated[
    str | None,
    typer.Option("--masks", help="Turn the masks into a coarser kind: bands2 or bands1 [default: as they are]."),
]
LayoutName = Annotated[
    str,
    typer.Option(
        "--layout", help="`tight`, or `plain`: entries drawn at random, in the artifact's order, with full masks."
    ),
]
PlanBoard = Annotated[
    str | None, typer.Option("--board", help="Board that it must fit: its flash and RAM, or the budgets below.")
]
FlashBudget = Annotated[
    str | None, typer.Option("--flash", metavar="SIZE", help="Choose what fits so much flash in all: 262144, 256K, 1M.")
]
RamBudget = Annotated[
    str | None, typer.Option("--ram", metavar="SIZE", help="... and so much RAM, the stack included: 16384, 16K.")
]
MipsBudget = Annotated[
    float | None, typer.Option("--mips", metavar="NUMBER", help="... and so many million instructions a second.")
]
WithSlots = Annotated[
    bool, typer.Option("--slots", help="The firmware takes other models over the link (`blsh push`): 4 KiB of code.")
]
RoomBits = Annotated[
    int | None, typer.Option("--room-bits", help="Bits that a pushed model may have [default: this model's].")
]
RoomNeighbours = Annotated[
    int | None, typer.Option("--room-neighbours", help="Neighbours that a pushed model may have [default: likewise].")
]
RoomSmoothed = Annotated[
    int | None, typer.Option("--room-smoothed", help="Bands of a smoothed mask of a pushed model [default: likewise].")
]
Seed = Annotated[int, typer.Option("--seed", callback=checked_seed, help="Seed of every random choice.")]


def reduction(
    total: int, entries: int | None, share: float | None, bits: int | None, neighbours: int | None, seed: int
) -> "GenerateOptions":
    """Options for an artifact of `total` entries; without a size, DEFAULT_ENTRIES or all of a smaller dictionary."""
    from blsh_codegen.generate import GenerateOptions

    if entries is None and share is None:
        entries = min(DEFAULT_ENTRIES, total)
    return GenerateOptions(entries=entries, share=share, bits=bits, neighbours=neighbours, seed=seed)

"""Arguments and options that several commands share, with the words of their help; model_options.py has more."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.numbers_in_range import SEED

DEFAULT_BOARD = "mps2-an386"
DEFAULT_MODEL = Path("out/model.npz")


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
Seed = Annotated[int, SEED.option("Seed of every random choice.", "--seed")]

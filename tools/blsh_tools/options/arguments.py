# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands share, with the words of their help; model.py has those of a model."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.options.numbers_in_range import GAIN_DB, SEED

DEFAULT_BOARD = "mps2-an386"
TRAINED_MODEL = Path("out/model.npz")
"""Where `blsh train` writes its artifact unless told otherwise."""
DEFAULT_MODEL = Path("intercom")
"""A name in the box of models (blsh_trainer/model/boxed_models.py)."""
RESULTS = Path("docs/results")
REPORT_FOLDER = Path("out/hil")
"""The folder of the suite's reports; each board has a folder in it."""
PAGE_NAME = "report.html"


def checked_port(url: str | None) -> str | None:
    """Return `url`, the value of an option that names a port. Raises BlshError if it cannot be one."""
    if url is not None:
        from blsh_hil.link.port import check_url

        check_url(url)
    return url


def checked_model(model: Path | None) -> Path | None:
    """Return the file of `model`, which may be a name in the box. Raises BlshError where there is neither."""
    if model is None:
        return None
    from blsh_trainer.model.boxed_models import model_file

    return model_file(model)


def checked_models(models: list[Path] | None) -> list[Path]:
    """Return the files of `models`, each as checked_model does; of none, that of the default."""
    return [model_file for model in models or [DEFAULT_MODEL] if (model_file := checked_model(model)) is not None]


def complete_model(incomplete: str) -> list[str]:
    """Return what a model's name or path may go on as: names in the box, artifacts and folders."""
    from blsh_trainer.model.boxed_models import boxed_models

    names = [name for name in boxed_models() if name.startswith(incomplete)]
    place = Path(incomplete + "x").parent
    paths = [path for path in place.glob("*") if path.suffix == ".npz" or path.is_dir()]
    return [*names, *(str(path) for path in sorted(paths) if str(path).startswith(incomplete))]


CorpusFolders = Annotated[
    list[Path],
    typer.Argument(metavar="CORPUS", help="Folder of recordings, in any layout; several count as one corpus."),
]
NoiseFolder = Annotated[
    Path | None,
    typer.Option("--noise", help="Folder of noises, for a corpus whose layout has none (TIMIT, LibriSpeech)."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="PATTERN",
        help="Leave out recordings whose path, source, author or licence matches, as '*ESC-50*'; may be repeated.",
    ),
]
CorpusOrSynthetic = Annotated[
    Path | None, typer.Option("--corpus", help="Folder of recordings [default: a synthetic corpus, made here].")
]
ResultFolder = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
ProjectFolder = Annotated[
    Path, typer.Option("--folder", metavar="DIR", help="Folder with the blsh.toml [default: this one].")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_A_MODEL = "Model artifact, as `blsh train` writes it, or a name of `blsh models`."
ModelFile = Annotated[Path, typer.Argument(callback=checked_model, autocompletion=complete_model, help=_A_MODEL)]
ModelFiles = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="MODEL",
        callback=checked_models,
        autocompletion=complete_model,
        help="Model artifacts, or names of `blsh models`; often one [default: intercom].",
    ),
]
ModelOption = Annotated[
    Path, typer.Option("--model", callback=checked_model, autocompletion=complete_model, help=_A_MODEL)
]
BoardName = Annotated[str, typer.Option("--board", help="A board of boards.toml; see `blsh boards`.")]
PortUrl = Annotated[
    str | None,
    typer.Option(
        "--port",
        callback=checked_port,
        help="Serial port of a running board: /dev/tty..., COM3, a pty or socket://HOST:PORT.",
    ),
]
Seed = Annotated[int, SEED.option("Seed of every random choice.", "--seed")]
Attenuation = Annotated[
    str | None,
    typer.Option(
        metavar="DB",
        help="Lower no band by more than 0 (bypass) to 60 decibels, or `off`: as far as the model likes "
        "[default: the model's own limit].",
    ),
]
Gain = Annotated[
    float | None,
    GAIN_DB.option(
        "Make the recording louder by DB decibels, as -90.31 for floats in the scale of int16.", "--gain", metavar="DB"
    ),
]

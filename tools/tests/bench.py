# SPDX-License-Identifier: Apache-2.0
"""Lay out the files of a case: good ones to spoil, or to go with bad ones; and list the commands that need firmware."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from .tiny_corpus import Samples, write_manifest


@dataclass(frozen=True)
class Bench:
    """The folder in which a case lays out its files, and good files to spoil or to go with bad ones."""

    folder: Path  # where `blsh` runs
    corpus: Path
    model: Path
    noisy: Samples

    def audio(self, name: str, samples: Any, rate: int = 16_000, **options: Any) -> str:
        """Write a recording and return its name."""
        soundfile.write(self.folder / name, samples, rate, **options)
        return name

    def file(self, name: str, content: bytes = b"of yesterday") -> str:
        (self.folder / name).write_bytes(content)
        return name

    def own_corpus(self, rows: Sequence[dict[str, str]] | None = None) -> Path:
        """Copy the corpus, so that it may be spoilt, and return its folder."""
        root = self.folder / "recordings"
        shutil.copytree(self.corpus, root)
        if rows is not None:
            write_manifest(root, rows)
        return root

    def arrays(self, **changes: Any) -> str:
        """Write the model's arrays with some changed (None: left out) and the old SHA-256. Return the file's name."""
        with np.load(self.model) as loaded:
            arrays = {name: loaded[name] for name in loaded.files} | changes
        np.savez(self.folder / "spoilt.npz", **{name: value for name, value in arrays.items() if value is not None})
        return "spoilt.npz"


FIRMWARE_COMMANDS = {
    "build": "build",
    "flash": "flash",
    "bench": "bench --model MODEL",
    "hil": "hil --board mps2-an386 --model MODEL",
    "hil host": "hil --board host --model MODEL",
    "denoise": "denoise in.wav out.wav --engine device --model MODEL",
}
"""The commands that need firmware."""


def firmware_command(bench: Bench, name: str, model: Path | None = None) -> list[object]:
    """Return the words of a command line, and lay out its input and an output of yesterday."""
    bench.audio("in.wav", bench.noisy)
    bench.file("out.wav")
    return [model or bench.model if word == "MODEL" else word for word in FIRMWARE_COMMANDS[name].split()]

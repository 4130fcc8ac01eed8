# SPDX-License-Identifier: Apache-2.0
"""One recording, denoised in the firmware's integers with any tuning of one model."""

import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions
from blsh_tools.audio.engines import FixedEngine, Samples
from blsh_tools.audio.recordings import open_recording, say_remarks
from blsh_tools.audio.wav_output import wav_bytes
from blsh_tools.console import say
from blsh_tools.project.values import OWN
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attenuation import attenuation_text
from blsh_trainer.model.tuning import Tuning, tuned
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.audio import from_int16, to_int16

_MOST_KEPT: Final = 32
"""Results that are kept: going back to a setting takes no time."""


@dataclass(frozen=True)
class Recorded:
    """The samples of a recording, int16 (n,), at the rate of a model, and its name."""

    name: str
    samples: Samples
    rate_hz: int


class Trial:
    """A recording under all tunings of `model`, which is not tuned itself; options: the part of it that is used."""

    def __init__(self, model: AnyModel, options: GenerateOptions, recorded: Recorded) -> None:
        self.model, self.recorded = model, recorded
        self._options = options
        self._lock = threading.Lock()
        self._kept: OrderedDict[Tuning, bytes] = OrderedDict()

    @property
    def voting(self) -> bool:
        """Whether the model votes, and so has two smoothings."""
        return isinstance(self.model, VotingModel)

    def noisy(self) -> bytes:
        """Return the recording as a WAV file."""
        return wav_bytes(self.recorded.samples, self.recorded.rate_hz)

    def denoised(self, tuning: Tuning) -> bytes:
        """Return the recording, denoised with a tuning, as a WAV file. BlshError for a tuning that cannot be used."""
        with self._lock:
            if tuning in self._kept:
                self._kept.move_to_end(tuning)
                return self._kept[tuning]
            engine = FixedEngine(tuned(self.model, tuning), self._options)
            samples = to_int16(engine.denoise(from_int16(self.recorded.samples)))
            self._kept[tuning] = wav_bytes(samples, self.recorded.rate_hz)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[tuning]

    def effective(self, tuning: Tuning) -> dict[str, int]:
        """Return all values of a tuning by name, the model's own for None; a model with masks has one smoothing."""
        names = [name for name in asdict(tuning) if self.voting or name != "smoothing_down"]
        return {
            name: getattr(self.model, name) if value is None else value
            for name, value in asdict(tuning).items()
            if name in names
        }

    def settings(self, tuning: Tuning) -> dict[str, int | str]:
        """Return the values of a tuning as blsh.toml has them: "model" for each that is the model's own."""
        found: dict[str, int | str] = {}
        for name, value in self.effective(tuning).items():
            if value == getattr(self.model, name):
                found[name] = OWN
            else:
                text = attenuation_text(value)
                found[name] = text if name == "attenuation" and not text[0].isdigit() else value
        return found

    def described(self) -> dict[str, Any]:
        """Return what the page says of recording and model, as JSON values."""
        return {
            "recording": self.recorded.name,
            "seconds": round(len(self.recorded.samples) / self.recorded.rate_hz, 3),
            "model": self.model.name,
            "voting": self.voting,
            "own": self.effective(Tuning()),
        }


def read_recording(path: Path, model: AnyModel, seconds: float) -> Recorded:
    """Return the first `seconds` of a recording at the rate of `model`. BlshError for one that cannot be used."""
    geometry = model.geometry
    recording = open_recording(path, geometry)
    say_remarks(path, recording)
    most = min(recording.samples, round(seconds * geometry.rate_hz))
    if most < recording.samples:
        say(f"{path}: its first {seconds:g} s are played")
    hops = islice(recording.hops(), -(-most // geometry.hop))
    return Recorded(path.name, np.concatenate(list(hops))[:most], geometry.rate_hz)

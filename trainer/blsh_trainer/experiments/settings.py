# SPDX-License-Identifier: Apache-2.0
"""The settings of an experiment: its inputs, its folders and its size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blsh_trainer.compute.process_map import check_jobs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.progress import Progress

MIXTURES = 48
FAST_MIXTURES = 3


@dataclass(frozen=True)
class Sizes:
    """The sizes of an experiment: FULL are the paper's where it gives them, FAST are for trying out.

    A learner is fitted once with `longest` bits, from which every shorter code is cut. The default learner takes
    `steps` steps for each block of bits. It is fitted on `fit_frames` frames, and so is the centre of LSH. Learners
    that work on pairs within segments are fitted on `pair_frames`, which decide their time. A similarity matrix in a
    picture has `shown_frames` rows.
    """

    neighbours: int = 10
    longest: int = 300
    lengths: tuple[int, ...] = (10, 25, 50, 100, 150, 200, 300)
    shares: tuple[float, ...] = (0.1, 0.01)
    max_frames: int = 100_000
    fit_frames: int = 40_000
    steps: int = 400
    pair_frames: int = 5_000
    stft_bits: int = 300
    mel_bits: int = 50
    bar_lengths: tuple[int, ...] = (10, 25, 50, 100, 150, 300)
    bar_entries: int = 4096
    bar_stft_bits: int = 150
    cut_lengths: tuple[int, ...] = (10, 50)
    similarity_lengths: tuple[int, ...] = (10, 50, 300)
    frontier_lengths: tuple[int, ...] = (50, 100, 150)
    shown_frames: int = 120

    def table_bits(self, feature_kind: str) -> int:
        """Return the paper's pick of L for the tables: 300 for "stft", 50 for "mel"."""
        return {"stft": self.stft_bits, "mel": self.mel_bits}[feature_kind]


FULL = Sizes()
FAST = Sizes(
    neighbours=3,
    longest=12,
    lengths=(4, 12),
    max_frames=2_000,
    fit_frames=400,
    steps=3,
    pair_frames=200,
    stft_bits=12,
    mel_bits=8,
    bar_lengths=(4, 8, 12),
    bar_entries=200,
    bar_stft_bits=8,
    cut_lengths=(4,),
    similarity_lengths=(4, 8, 12),
    frontier_lengths=(8, 12),
    shown_frames=40,
)


@dataclass(frozen=True)
class FirmwareCost:
    """The cost of a model: millions of instructions for a second of audio, by core, and bytes of RAM with the stack.

    The bytes are those on `Firmware.board`.
    """

    millions_per_second: Mapping[str, float]
    ram_bytes: int


class Firmware(Protocol):
    """The costs of models in the firmware, of which this package knows nothing; `board` has the flash and RAM."""

    board: str

    def entries_within(self, like: Model, budgets: Sequence[int], most: int) -> list[tuple[int, int]]:
        """Return, for each budget of flash, the most entries that fit, `most` or fewer, and the bytes taken with them.

        The models in question differ from `like` in their entries alone. 0 entries: none fit.
        """

    def cost(self, model: Model, ordered: bool) -> FirmwareCost:
        """Return the costs of `model` with its entries ordered for the search, or (False) as they come."""


@dataclass(frozen=True)
class ImageCost:
    """The costs of a denoiser in the firmware: millions of instructions for a second of audio, by core, and bytes.

    The bytes are those on the board with the M4.
    """

    millions_per_second: Mapping[str, float]
    flash_bytes: int
    ram_bytes: int


class NetworkFirmware(Protocol):
    """The costs of a look-up and of dense networks in its place, of which this package knows nothing."""

    def lookup(self) -> ImageCost:
        """Return the costs of the look-up."""

    def network(self, width: int) -> ImageCost:
        """Return the costs of a network of `width` hidden units; more units cost more."""


@dataclass(frozen=True)
class Settings:
    """One run of an experiment.

    The folder `work` keeps what is computed, the folder `output` gets the results, and `command`, the typed command,
    stands in them. `seeds` and `mixtures` are numbers; None leaves them to the experiment. `voicebank` is the corpus of
    recorded mixtures for table 3. `baselines` are the networks of table 1, each trained for at most `baseline_seconds`.
    `model` is an artifact that the bars compare with the peers, and the dense network with itself. `firmware` is for
    the frontier, `network_firmware` for the dense network, which need them.
    """

    corpus: Corpus
    work: Path
    output: Path
    command: str
    seeds: int | None = None
    mixtures: int | None = None
    fast: bool = False
    jobs: int | None = None
    voicebank: Corpus | None = None
    baselines: tuple[str, ...] = ()
    baseline_seconds: float | None = None
    model: Path | None = None
    progress: Progress | None = None
    firmware: Firmware | None = None
    network_firmware: NetworkFirmware | None = None

    def __post_init__(self) -> None:
        check_jobs(self.jobs)
        for option, number in (("seeds", self.seeds), ("mixtures", self.mixtures)):
            if number is not None and number < 1:
                raise BlshError(f"{number} {option} asked for; choose 1 or more")
        if self.baseline_seconds is not None and not 0 < self.baseline_seconds < float("inf"):
            raise BlshError(f"{self.baseline_seconds} seconds of training; choose a number above 0")

    @property
    def sizes(self) -> Sizes:
        """FULL or FAST."""
        return FAST if self.fast else FULL

    def seeds_or(self, usual: int) -> tuple[int, ...]:
        """Return the seeds 0, 1, ...: as many as were asked for, else `usual`, or one if fast."""
        return tuple(range(self.seeds or (1 if self.fast else usual)))

    @property
    def count(self) -> int:
        """The number of mixtures to score."""
        return self.mixtures or (FAST_MIXTURES if self.fast else MIXTURES)

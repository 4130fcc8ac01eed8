# SPDX-License-Identifier: Apache-2.0
"""Train a baseline network: Adam, early stopping on the valid split, and checkpoints to go on from."""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from blsh_trainer.arrays import AnyArray
from blsh_trainer.baselines.architecture import Architecture, architecture, require_torch
from blsh_trainer.baselines.denoiser import NetworkDenoiser
from blsh_trainer.baselines.examples import (
    BATCH,
    Example,
    batches,
    level_of,
    training_mixtures,
    validation_mixtures,
)
from blsh_trainer.baselines.network_file import load_arrays, save_arrays
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import NamedMixture
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.progress import Progress

LEARNING_RATES = {"fc": 1e-4, "bilstm": 1e-4, "conv-tasnet": 1e-3}  # the paper's; for Conv-TasNet that of its own paper
_GRADIENT_NORM = 5.0  # the norm to which Conv-TasNet's training clips; recurrent networks need it, too
_SILENT_DB = -100.0  # taken as the SI-SDR of silence, which is not finite
_KIND = "baseline checkpoint"


@dataclass(frozen=True)
class Trained:
    """The progress of a training.

    `epoch` counts whole epochs; `batch` and `loss_sum` count the batches and add up the losses of the epoch that has
    begun. `best_gain_db` is the highest SI-SDR improvement on the valid split so far, after `best_epoch` epochs.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    best_gain_db: float = -math.inf
    best_epoch: int = 0
    history: tuple[dict[str, float], ...] = field(default=())


@dataclass
class NeuralBaseline:
    """One of the paper's networks, trained on the mixtures of a corpus's train split.

    `name` is an architecture's ("fc-3x1024", "bilstm-2x64", "conv-tasnet-3x8"). `snr_db`, `passes` and `seed` choose
    the mixtures as they do for `train_model`. The loss is the binary cross-entropy against the IBM, or the negative
    SI-SDR of speech and noise in dB. A `learning_rate` of None is the architecture's own.

    Training ends after `epochs`, after `patience` epochs without a higher SI-SDR on the valid split, or when `seconds`
    are spent, and keeps the weights with the highest SI-SDR. It does not keep those with the lowest cross-entropy,
    which rises on unseen noise while the masks still get better, because the network is too sure of its errors.

    The file `checkpoint` is written after every epoch and every `checkpoint_seconds`. With it a training that was
    stopped at any moment goes on to the same weights, given as many threads. After `fit`: denoiser_, history_.
    """

    name: str
    snr_db: float = 0.0
    passes: int = 1
    seed: int = 0
    epochs: int = 100
    patience: int = 10
    seconds: float | None = None
    learning_rate: float | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_seconds: float = 120.0
    denoiser_: NetworkDenoiser = field(init=False, repr=False)
    history_: list[dict[str, float]] = field(init=False, repr=False)

    def fit(self, corpus: Corpus, progress: Progress | None = None) -> Self:
        """Train, or go on training from the checkpoint.

        BlshError for options that cannot be used, a corpus without a valid split or with too little audio for
        one batch, a checkpoint of another training, or where PyTorch is missing.
        """
        self._check_options()
        if not corpus.has("valid"):
            raise BlshError(f"corpus {corpus.place} has no valid split, which says when to stop; mark some files valid")
        run = _Run(self, corpus, progress)
        run.train()
        self.history_ = list(run.state.history)
        card = {**self._identity(corpus), "epochs": len(run.state.history), "valid_gain_db": run.state.best_gain_db}
        self.denoiser_ = NetworkDenoiser(run.architecture, run.best, card)
        return self

    def _check_options(self) -> None:
        for option, number in (("passes", self.passes), ("epochs", self.epochs), ("patience", self.patience)):
            if number < 1:
                raise BlshError(f"{option} is {number}; choose 1 or more")
        for option, amount in (("seconds", self.seconds), ("learning_rate", self.learning_rate)):
            if amount is not None and not 0 < amount < math.inf:
                raise BlshError(f"{option} is {amount}; choose a number above 0")
        if self.seed < 0:
            raise BlshError(f"seed is {self.seed}; choose 0 or more")

    def _identity(self, corpus: Corpus) -> dict[str, Any]:
        """Return the values that the weights depend on, as JSON, except the length of the training."""
        return {
            "architecture": architecture(self.name).name,
            "snr_db": self.snr_db,
            "passes": self.passes,
            "seed": self.seed,
            "learning_rate": self.learning_rate or LEARNING_RATES[architecture(self.name).kind],
            "corpus_sha256": corpus.sha256,
        }


class _Run:
    """A call of `fit`: the network, its optimiser, and how far the training has come."""

    def __init__(self, options: NeuralBaseline, corpus: Corpus, progress: Progress | None) -> None:
        self.torch = require_torch()
        from blsh_trainer.baselines import networks

        self.options = options
        self.corpus = corpus
        self.progress = progress
        self.architecture: Architecture = architecture(options.name)
        self.identity = options._identity(corpus)
        self.network = networks.build(self.architecture, options.seed)
        self.optimiser = self.torch.optim.Adam(self.network.parameters(), lr=self.identity["learning_rate"])
        self.state = Trained()
        self.best: dict[str, AnyArray] = {}
        self.deadline = math.inf if options.seconds is None else time.monotonic() + options.seconds
        if options.checkpoint is None or not Path(options.checkpoint).exists():
            self._begin()
            self._save()  # reports a place that cannot be written now, not after an epoch
        else:
            self._resume(Path(options.checkpoint))

    def train(self) -> None:
        """Train until the epochs, the patience or the seconds are used up."""
        while self._goes_on():
            started = time.monotonic()
            if not self._epoch():
                self._judge(self.state.epoch + 1)  # not written: a resumed training goes on within this epoch
                break
            trained_seconds = time.monotonic() - started
            gain = self._judge(self.state.epoch + 1)
            figures = {
                "epoch": self.state.epoch + 1,
                "train_loss": self.state.loss_sum / self.state.batch,
                "valid_gain_db": gain,
                "train_seconds": trained_seconds,
            }
            history = (*self.state.history, figures)
            self.state = replace(self.state, epoch=self.state.epoch + 1, batch=0, loss_sum=0.0, history=history)
            self._save()
        if not self.best:  # there was no time to learn anything
            self._judge(self.state.epoch)

    def _goes_on(self) -> bool:
        stale = self.state.epoch - self.state.best_epoch >= self.options.patience
        return self.state.epoch < self.options.epochs and not stale and time.monotonic() < self.deadline

    def _epoch(self) -> bool:
        """Train an epoch, or the rest of one. Return False if the time is over before its end."""
        self.network.train()
        saved = time.monotonic()
        total = self.options.passes * len(self.corpus.select("speech", "train"))
        rng = np.random.default_rng(np.random.SeedSequence((self.options.seed, self.state.epoch)))
        count = self._counter(f"epoch {self.state.epoch + 1}", total)
        done = 0
        for done, example in enumerate(batches(self._mixtures(), self.architecture, rng, count), start=1):
            if done <= self.state.batch:  # trained before the interruption
                continue
            loss = self._step(example)
            self.state = replace(self.state, batch=done, loss_sum=self.state.loss_sum + loss)
            if time.monotonic() >= self.deadline:
                self._save()
                return False
            if time.monotonic() - saved >= self.options.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        if done == 0:
            needed = BATCH[self.architecture.kind]
            raise BlshError(f"corpus {self.corpus.place} has too little training audio for {needed} examples; add some")
        return True

    def _step(self, example: Example) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(example)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise BlshError(f"the training of {self.options.name} diverged; choose a smaller learning_rate")
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.network.parameters(), _GRADIENT_NORM)
        self.optimiser.step()
        return value

    def _loss(self, example: Example) -> Any:
        inputs, targets, weights = (self.torch.from_numpy(values) for values in example)
        outputs = self.network(inputs)
        if self.architecture.is_mask:
            crossed = self.torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
            return (crossed.mean(dim=-1, keepdim=True) * weights).sum() / weights.sum()
        return -_si_sdr_db(self.torch, targets, outputs).mean()

    def _judge(self, epoch: int) -> float:
        """Return the SI-SDR improvement on the valid split, and keep the weights if it is the highest so far."""
        weights = self._weights()
        denoiser = NetworkDenoiser(self.architecture, weights)
        count = self._counter(f"validating epoch {epoch}", len(self.corpus.select("speech", "valid")))
        gains = []
        for named in validation_mixtures(self.corpus, self.options.snr_db, self.options.seed):
            signals = named.signals
            after = si_sdr(signals.speech, denoiser.estimate(signals))
            gains.append(max(after, _SILENT_DB) - si_sdr(signals.speech, signals.mixture))
            count()
        gain = float(np.mean(gains))
        if gain > self.state.best_gain_db:
            self.state = replace(self.state, best_gain_db=gain, best_epoch=epoch)
            self.best = weights
        return gain

    def _begin(self) -> None:
        if self.architecture.is_mask:
            self.network.level.rms.fill_(level_of(self._mixtures(), self.architecture))

    def _mixtures(self) -> Iterator[NamedMixture]:
        return training_mixtures(self.corpus, self.options.snr_db, self.options.passes, self.options.seed)

    def _weights(self) -> dict[str, AnyArray]:
        return {name: value.detach().numpy().copy() for name, value in self.network.state_dict().items()}

    def _save(self) -> None:
        if self.options.checkpoint is None:
            return
        arrays = {f"network/{name}": value for name, value in self._weights().items()}
        arrays |= {f"best/{name}": value for name, value in self.best.items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            arrays |= {f"adam/{index}/{name}": value.numpy() for name, value in moments.items()}
        card = {"identity": self.identity, "state": asdict(self.state)}
        save_arrays(self.options.checkpoint, _KIND, arrays, card)

    def _resume(self, path: Path) -> None:
        arrays, card = load_arrays(path, _KIND)
        for name, value in self.identity.items():
            found = card.get("identity", {}).get(name)
            if found != value:
                raise BlshError(f"{path} is of a training with {name} {found!r}, not {value!r}; name another file")
        self.state = Trained(**{**card["state"], "history": tuple(card["state"]["history"])})
        tensors = {name: self.torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self.network.load_state_dict(_under("network/", tensors))
        self.best = _under("best/", arrays)
        moments: dict[int, dict[str, Any]] = {}
        for name, value in _under("adam/", tensors).items():
            index, moment = name.split("/")
            moments.setdefault(int(index), {})[moment] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})

    def _counter(self, what: str, total: int) -> Callable[[], None]:
        done = 0

        def count() -> None:
            nonlocal done
            done += 1
            if self.progress is not None:
                self.progress(what, done, total)

        return count


def _si_sdr_db(torch: Any, targets: Any, estimates: Any) -> Any:
    """Return the SI-SDR (B, 2) of estimates of sources (B, 2, n); a small added energy keeps it finite."""
    tiny = 1e-8
    energy = (targets**2).sum(dim=-1, keepdim=True) + tiny
    wanted = (estimates * targets).sum(dim=-1, keepdim=True) / energy * targets
    unwanted = estimates - wanted
    return 10.0 * torch.log10(((wanted**2).sum(dim=-1) + tiny) / ((unwanted**2).sum(dim=-1) + tiny))


def _under(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}

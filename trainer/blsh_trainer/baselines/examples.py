# SPDX-License-Identifier: Apache-2.0
"""Make the networks' training examples: the hash systems' mixtures, mixed anew in every epoch, never all in memory."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.baselines.architecture import FC, Architecture
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import Mixture, NamedMixture, draw_mixtures
from blsh_trainer.signals.features import features
from blsh_trainer.signals.masks import ideal_binary_mask
from blsh_trainer.signals.spectra import BINS, SAMPLE_RATE_HZ, stft

Values = NDArray[np.float32]
Example: TypeAlias = tuple[Values, Values, Values]
"""Inputs, targets and weights, the weights being 0 for padding. A batch has one more axis."""

SEQUENCE = 128  # frames of a training sequence for a BiLSTM, 2 s
SEGMENT = SAMPLE_RATE_HZ  # samples of a training segment for Conv-TasNet, 1 s, as in the paper
BATCH = {"fc": 128, "bilstm": 8, "conv-tasnet": 4}
_SHUFFLED = {"fc": 32_768, "bilstm": 256, "conv-tasnet": 256}  # examples that are shuffled together, 130 MB


def training_mixtures(corpus: Corpus, snr_db: float, passes: int, seed: int) -> Iterator[NamedMixture]:
    """Yield the mixtures from which `train_model` makes its dictionary, given the same SNR, passes and seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[0])
    return draw_mixtures(corpus, "train", passes * len(corpus.select("speech", "train")), snr_db, rng)


def validation_mixtures(corpus: Corpus, snr_db: float, seed: int) -> Iterator[NamedMixture]:
    """Yield one mixture for each utterance of the valid split, the same for the same seed."""
    return draw_mixtures(corpus, "valid", None, snr_db, np.random.default_rng(seed))


def examples_of(signals: Mixture, chosen: Architecture) -> Example:
    """Return the examples of a mixture, perhaps none, stacked along the first axis.

    For "fc" they are frames (n, 513), their IBMs and ones, without frames of digital silence. For "bilstm" they are
    sequences (n, 128, 513), the last one padded, their IBMs, and weights (n, 128, 1). For "conv-tasnet" they are
    seconds (n, 16000), the speech and the noise in them (n, 2, 16000) and ones (n, 1), without seconds in which speech
    or noise is silent.
    """
    if not chosen.is_mask:
        return _seconds(signals)
    spectrum = stft(signals.mixture)
    heard = features(spectrum, "stft").astype(np.float32)
    mask = ideal_binary_mask(stft(signals.speech), stft(signals.noise)).astype(np.float32)
    if chosen.kind == FC:
        sounding = heard.any(axis=1)
        return heard[sounding], mask[sounding], np.ones((int(sounding.sum()), 1), dtype=np.float32)
    count = -(-len(heard) // SEQUENCE)
    weights = np.ones((len(heard), 1), dtype=np.float32)
    inputs, targets, weights = (_in_sequences(rows, count) for rows in (heard, mask, weights))
    return inputs, targets, weights


def batches(
    mixtures: Iterator[NamedMixture],
    chosen: Architecture,
    rng: np.random.Generator | None = None,
    mixed: Callable[[], None] | None = None,
) -> Iterator[Example]:
    """Yield batches of the mixtures' examples; `rng` shuffles as many examples at a time as some hundred MB hold.

    `mixed` is called after each mixture. With `rng` a last batch that would be too small is left out, because batch
    norm needs several examples; without `rng` it is yielded.
    """
    size = BATCH[chosen.kind]
    most = _SHUFFLED[chosen.kind] if rng is not None else size
    parts: list[Example] = []
    for named in mixtures:
        parts.append(examples_of(named.signals, chosen))
        if mixed is not None:
            mixed()
        if sum(len(part[0]) for part in parts) >= most:
            held = _joined(parts, rng)
            full = len(held[0]) // size * size
            # Half of the shuffled examples stay, to be shuffled with those that come next.
            given = full if rng is None else max(size, full // 2 // size * size)
            yield from _cut(held, given, size)
            inputs, targets, weights = (values[given:] for values in held)
            parts = [(inputs, targets, weights)]
    if parts:
        held = _joined(parts, rng)
        yield from _cut(held, len(held[0]) if rng is None else len(held[0]) // size * size, size)


def level_of(mixtures: Iterator[NamedMixture], chosen: Architecture) -> float:
    """Return the RMS of the magnitudes of all the mixtures' frames."""
    energy = count = 0.0
    for named in mixtures:
        inputs, _, weights = examples_of(named.signals, chosen)
        energy += float(np.square(inputs, dtype=np.float64).sum())
        count += BINS * float(weights.sum())
    return float(np.sqrt(energy / count)) if energy else 1.0


def _seconds(signals: Mixture) -> Example:
    count = signals.mixture.size // SEGMENT
    speech, noise, mixture = (
        part[: count * SEGMENT].reshape(count, SEGMENT).astype(np.float32)
        for part in (signals.speech, signals.noise, signals.mixture)
    )
    sounding = speech.any(axis=1) & noise.any(axis=1)
    targets = np.stack([speech, noise], axis=1)[sounding]
    return mixture[sounding], targets, np.ones((len(targets), 1), dtype=np.float32)


def _in_sequences(rows: Values, count: int) -> Values:
    padded = np.zeros((count * SEQUENCE, rows.shape[1]), dtype=np.float32)
    padded[: len(rows)] = rows
    return padded.reshape(count, SEQUENCE, rows.shape[1])


def _joined(parts: list[Example], rng: np.random.Generator | None) -> Example:
    inputs, targets, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    if rng is None:
        return inputs, targets, weights
    order = rng.permutation(len(inputs))
    return inputs[order], targets[order], weights[order]


def _cut(held: Example, stop: int, size: int) -> Iterator[Example]:
    for start in range(0, stop, size):
        part = slice(start, min(start + size, stop))
        yield held[0][part], held[1][part], held[2][part]

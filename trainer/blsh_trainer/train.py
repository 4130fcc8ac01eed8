"""Training: mixtures of a corpus become a dictionary of codes and masks, and learned projections."""

from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TypeAlias

import numpy as np

from blsh_trainer.arrays import ByteArray, FloatArray, Progress
from blsh_trainer.artifact import Card, Model
from blsh_trainer.blsh import BLSH, WEIGHTINGS
from blsh_trainer.corpus import Corpus
from blsh_trainer.denoise import FloatDenoiser
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluate import SilentEstimateError, evaluate
from blsh_trainer.hashing import LSH, check_bits
from blsh_trainer.masks import ideal_binary_mask, pack_bits, unpack_bits
from blsh_trainer.mixing import MAX_SNR_DB, draw_mixtures
from blsh_trainer.pairs import TARGETS
from blsh_trainer.spectra import BINS, feature_count, features, l2_normalise, stft

LEARNERS = ("blsh", "lsh", "lsh-plain")
VALIDATION_MIXTURES = 24
VALIDATION_ENTRIES = 4096
_LIBRARIES = ("numpy", "scipy", "librosa", "soundfile", "soxr")

_Frames: TypeAlias = tuple[FloatArray, ByteArray, FloatArray]  # features, packed IBMs, lots drawn


@dataclass(frozen=True)
class TrainOptions:
    """What to train.

    `passes` mixes every training utterance so many times, each with another noise; of the resulting frames
    at most `max_frames` are kept as the dictionary, at random, and `fit_frames` of those fit the hash.
    `weighting`, `target` and `sigma2` matter to the learner "blsh" alone.
    """

    name: str = "blsh"
    feature_kind: str = "mel"
    bits: int = 50
    neighbours: int = 10
    learner: str = "blsh"
    weighting: str = "residual"
    target: str = "linear"
    sigma2: float = 0.5
    snr_db: float = 0.0
    fit_frames: int = 10_000
    passes: int = 1
    max_frames: int = 100_000
    seed: int = 0

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        if not self.name:
            raise BlshError(f"name is {self.name!r}; give the model a name, the device reports it")
        feature_count(self.feature_kind)
        check_bits(self.bits)
        for option, value, known in (
            ("learner", self.learner, LEARNERS),
            ("weighting", self.weighting, WEIGHTINGS),
            ("target", self.target, TARGETS),
        ):
            if value not in known:
                raise BlshError(f"{option} {value!r} is unknown; choose one of {', '.join(known)}")
        for option, number, least in (
            ("neighbours", self.neighbours, 1),
            ("fit_frames", self.fit_frames, 2),
            ("passes", self.passes, 1),
            ("max_frames", self.max_frames, self.neighbours),
            ("seed", self.seed, 0),
        ):
            if number < least:
                raise BlshError(f"{option} is {number}; choose {least} or more")
        if not abs(self.snr_db) <= MAX_SNR_DB:
            raise BlshError(f"snr_db is {self.snr_db}; it must be a finite number of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}")


def train_model(corpus: Corpus, options: TrainOptions | None = None, progress: Progress | None = None) -> Model:
    """Train a model on the corpus's train split; the same corpus and options give the same model.

    Its card says what it does to the valid split, if there is one.
    BlshError for bad options, audio that cannot be used, or too few frames for the neighbours.
    """
    chosen = options or TrainOptions()
    chosen.check()
    mixture_seed, keep_seed, fit_seed = np.random.SeedSequence(chosen.seed).spawn(3)
    mixture_rng, keep_rng = np.random.default_rng(mixture_seed), np.random.default_rng(keep_seed)
    H, packed, made = gather_frames(corpus, chosen, mixture_rng, keep_rng, progress)
    if len(H) < max(2, chosen.neighbours):
        raise BlshError(
            f"the training mixtures have {len(H)} frames with sound; {chosen.neighbours} or more are needed"
        )
    fit_rng = np.random.default_rng(fit_seed)
    sample = np.sort(fit_rng.permutation(len(H))[: chosen.fit_frames])
    learner = fit_learner(H[sample], chosen, fit_rng, progress)
    frames = {"made": made, "kept": len(H), "fitted": len(sample)}
    model = Model(
        name=chosen.name,
        feature_kind=chosen.feature_kind,
        neighbours=chosen.neighbours,
        projections=learner.projections_,
        biases=learner.biases_,
        betas=learner.betas_,
        code_bits=learner.transform(H),
        mask_bits=unpack_bits(packed, BINS),
        card=_card(corpus, chosen, frames),
    )
    return model.with_metrics(_metrics(model, corpus, chosen, progress))


def gather_frames(
    corpus: Corpus,
    options: TrainOptions,
    rng: np.random.Generator,
    keep_rng: np.random.Generator,
    progress: Progress | None = None,
) -> tuple[FloatArray, ByteArray, int]:
    """Return L2-normalised features float64 (T, D), packed IBMs uint8 (T, 65) and how many frames there were.

    Of the training mixtures' frames `max_frames` are kept, in their order and all with the same chance; the
    others go as the mixtures are made, so that these bound the memory. Frames that are digital silence in the
    mixture are left out: they have no direction and no mask to teach.
    """
    total = options.passes * len(corpus.select("speech", "train"))
    made = held = 0
    parts: list[_Frames] = []
    for done, named in enumerate(draw_mixtures(corpus, "train", total, options.snr_db, rng), start=1):
        signals = named.signals
        spectrum = stft(signals.mixture)
        H = l2_normalise(features(spectrum, options.feature_kind))
        sounding = H.any(axis=1)
        masks = pack_bits(ideal_binary_mask(stft(signals.speech), stft(signals.noise))[sounding])
        parts.append((H[sounding], masks, keep_rng.random(len(masks))))
        made += len(masks)
        held += len(masks)
        if held > 1.4 * options.max_frames:  # not at each mixture: every thinning copies all that is kept
            parts = [_thinned(parts, options.max_frames)]
            held = options.max_frames
        if progress is not None:
            progress("mixing", done, total)
    H, packed, _ = _thinned(parts, options.max_frames)
    return H, packed, made


def _thinned(parts: list[_Frames], most: int) -> _Frames:
    """Return all frames, or the `most` of the lowest lots: whatever comes later, the others are out."""
    H, masks, lots = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(lots) > most:
        kept = np.sort(np.argsort(lots, kind="stable")[:most])
        H, masks, lots = H[kept], masks[kept], lots[kept]
    return H, masks, lots


def fit_learner(
    H: FloatArray, options: TrainOptions, rng: np.random.Generator, progress: Progress | None = None
) -> LSH | BLSH:
    """Return the learner that `options` name, fitted to L2-normalised H (T, D)."""
    if options.learner == "blsh":
        learner = BLSH(options.bits, rng, target=options.target, weighting=options.weighting, sigma2=options.sigma2)
        return learner.fit(H, progress)
    return LSH(options.bits, rng, centred=options.learner == "lsh").fit(H)


def _metrics(model: Model, corpus: Corpus, options: TrainOptions, progress: Progress | None) -> Card:
    """Return figures on the valid split in dB, {} where there is none; a smaller dictionary bounds the time."""
    if not corpus.has("valid"):
        return {}
    part = model.subsample(min(VALIDATION_ENTRIES, model.entries), seed=options.seed)
    count = min(VALIDATION_MIXTURES, len(corpus.select("speech", "valid")))
    told: Progress | None = None if progress is None else lambda _, done, total: progress("validating", done, total)
    try:
        denoise = FloatDenoiser(part).denoise
        found = evaluate(part, corpus, "valid", options.snr_db, count, options.seed, denoise, told)
    except SilentEstimateError:  # as at an extreme SNR: all masks are empty. No reason to lose what was learned.
        return {}
    figures = {
        "mean_mixture_si_sdr_db": found.mean_mixture_si_sdr_db,
        "mean_estimate_si_sdr_db": found.mean_estimate_si_sdr_db,
        "mean_improvement_db": found.mean_improvement_db,
    }
    return {
        "valid": {
            "mixtures": count,
            "dictionary_entries": part.entries,
            "snr_db": options.snr_db,
            **{name: round(value, 3) for name, value in figures.items()},
        }
    }


def _card(corpus: Corpus, options: TrainOptions, frames: dict[str, int]) -> Card:
    """Return the provenance; nothing in it depends on the clock or the machine's paths."""
    return {
        "corpus": {"name": corpus.name, "sha256": corpus.sha256},
        "frames": frames,
        "metrics": {},
        "options": asdict(options),
        "seed": options.seed,
        "versions": {"blsh-mcu": _version("blsh-mcu"), **{name: _version(name) for name in _LIBRARIES}},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"

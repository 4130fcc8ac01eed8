"""Training: mixtures of a corpus become learned projections and a dictionary of codes and masks."""

from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from blsh_trainer.arrays import Progress
from blsh_trainer.compute.block_pool import Pool, single_threaded_blas
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import MAX_SNR_DB
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.validation import valid_metrics
from blsh_trainer.learning.boosted import BLSH
from blsh_trainer.learning.boosted import WEIGHTINGS as UNSUPERVISED
from blsh_trainer.learning.dictionary import build_dictionary
from blsh_trainer.learning.pairs import TARGETS
from blsh_trainer.learning.supervised import SupervisedBLSH
from blsh_trainer.learning.training_frames import FrameOptions, TrainingFrames, gather_frames
from blsh_trainer.model.artifact import MAX_FLOOR, MAX_SMOOTHING, Card, Model
from blsh_trainer.model.projection import LSH, Learner, check_bits
from blsh_trainer.signals.masks import find_mask_kind
from blsh_trainer.signals.spectra import feature_count

LEARNERS = ("blsh", "lsh", "lsh-plain")
WEIGHTINGS = ("masks", *UNSUPERVISED)
# librosa's filters are our own by now; its version stays, for the card's bytes are part of a model's identity.
_LIBRARIES = ("numpy", "scipy", "librosa", "soundfile", "soxr")


@dataclass(frozen=True)
class TrainOptions:
    """What to train; the defaults are the paper's system with our learner, see EXTENDED for ours.

    `passes` mixes every training utterance so many times, each with another noise; of the resulting frames
    at most `max_frames` are kept, at random, and `fit_frames` of those fit the hash. All that are kept are the
    dictionary, or at most `entries` of them.
    `weighting` says how the learner "blsh" learns: "masks" (SupervisedBLSH), or "residual" or "adaboost" (BLSH), to
    which `target` and `sigma2` matter. `ordered` belongs to "masks": bits in the order of their significance.
    `varied` mixes at many SNRs with noises coloured anew (varied.py) instead of at `snr_db`. With a banded `mask_kind`
    the masks are distilled (distil.py); `refine_steps` steps then learn projections, codes and masks together, so that
    the first entries are a dictionary of their own and the first bits, as many as `lengths` name besides all of them,
    a code of their own (refine.py). `smoothing` and `floor` are the model's: see Model.
    """

    name: str = "blsh"
    feature_kind: str = "mel"
    bits: int = 50
    neighbours: int = 10
    learner: str = "blsh"
    weighting: str = "masks"
    ordered: bool = True
    steps: int = 400
    target: str = "linear"
    sigma2: float = 0.5
    snr_db: float = 0.0
    varied: bool = False
    fit_frames: int = 40_000
    passes: int = 1
    max_frames: int = 100_000
    entries: int | None = None
    mask_kind: str = "ibm"
    refine_steps: int = 0
    lengths: tuple[int, ...] = ()
    smoothing: int = 0
    floor: int = 0
    seed: int = 0

    @property
    def frames(self) -> FrameOptions:
        """What of it concerns the training mixtures."""
        return FrameOptions(self.feature_kind, self.mask_kind, self.snr_db, self.varied, self.passes, self.max_frames)

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        if not self.name:
            raise BlshError(f"name is {self.name!r}; give the model a name, the device reports it")
        feature_count(self.feature_kind)
        find_mask_kind(self.mask_kind)
        check_bits(self.bits)
        for option, value, known in (
            ("learner", self.learner, LEARNERS),
            ("weighting", self.weighting, WEIGHTINGS),
            ("target", self.target, TARGETS),
        ):
            if value not in known:
                raise BlshError(f"{option} {value!r} is unknown; choose one of {', '.join(known)}")
        for option, number, most in (("smoothing", self.smoothing, MAX_SMOOTHING), ("floor", self.floor, MAX_FLOOR)):
            if not 0 <= number <= most:
                raise BlshError(f"{option} is {number}; choose a whole number from 0 to {most}")
        for option, number, least in (
            ("neighbours", self.neighbours, 1),
            ("fit_frames", self.fit_frames, 2),
            ("passes", self.passes, 1),
            ("steps", self.steps, 1),
            ("refine_steps", self.refine_steps, 0),
            ("max_frames", self.max_frames, self.neighbours),
            ("entries", self.max_frames if self.entries is None else self.entries, self.neighbours),
            ("seed", self.seed, 0),
        ):
            if number < least:
                raise BlshError(f"{option} is {number}; choose {least} or more")
        if not abs(self.snr_db) <= MAX_SNR_DB:
            raise BlshError(f"snr_db is {self.snr_db}; it must be a finite number of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}")
        if self.refine_steps and (self.mask_kind == "ibm" or (self.weighting, self.learner) != ("masks", "blsh")):
            raise BlshError(
                f"refine_steps is {self.refine_steps} with mask_kind {self.mask_kind!r}, learner {self.learner!r}, "
                f"weighting {self.weighting!r}; refining needs masks of bands, 'blsh' and 'masks'"
            )
        if self.lengths and not (self.refine_steps and all(1 <= length <= self.bits for length in self.lengths)):
            raise BlshError(
                f"lengths {list(self.lengths)} with {self.bits} bits and refine_steps {self.refine_steps}; "
                f"they are learned when refining, from 1 to {self.bits}"
            )


PAPER = TrainOptions()
EXTENDED = TrainOptions(
    feature_kind="tracked",
    bits=128,
    neighbours=8,
    ordered=False,
    steps=600,
    varied=True,
    fit_frames=60_000,
    passes=4,
    max_frames=300_000,
    entries=4096,
    mask_kind="bands2",
    refine_steps=1200,
    lengths=(64, 128),
    smoothing=4,
)
SYSTEMS = {"extended": EXTENDED, "paper": PAPER}
"""Whole settings by name: "paper" is the paper's pipeline, "extended" what denoises best on our `valid` split."""


def train_model(
    corpus: Corpus,
    options: TrainOptions | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    pool: Pool | None = None,
) -> Model:
    """Train a model on the corpus's train split; the same corpus and options give the same model.

    Its card says what it does to the valid split, if there is one. The learner "blsh" keeps what it has learned
    in `checkpoint`, and with an unsupervised weighting works on `pool`: see BLSH.
    BlshError for bad options, audio that cannot be used, or too few frames for the neighbours.
    """
    chosen = options or TrainOptions()
    chosen.check()
    mixture_seed, keep_seed, fit_seed = np.random.SeedSequence(chosen.seed).spawn(3)
    mixture_rng, keep_rng = np.random.default_rng(mixture_seed), np.random.default_rng(keep_seed)
    frames = gather_frames(corpus, chosen.frames, mixture_rng, keep_rng, progress)
    if len(frames) < max(2, chosen.neighbours):
        raise BlshError(
            f"the training mixtures have {len(frames)} frames with sound; {chosen.neighbours} or more are needed"
        )
    fit_rng = np.random.default_rng(fit_seed)
    sample = np.sort(fit_rng.permutation(len(frames))[: chosen.fit_frames])
    with single_threaded_blas():  # more threads would add up in another order, and give another model
        learner = fit_learner(frames.take(sample), chosen, fit_rng, progress, checkpoint, pool)
        dictionary = build_dictionary(frames, learner, chosen, fit_rng, progress)
    counts = {"made": frames.made, "kept": len(frames), "fitted": len(sample)}
    model = Model(
        name=chosen.name,
        feature_kind=chosen.feature_kind,
        neighbours=chosen.neighbours,
        projections=dictionary.projections,
        biases=dictionary.biases,
        betas=learner.betas_,
        code_bits=dictionary.code_bits,
        mask_levels=dictionary.mask_levels,
        mask_kind=chosen.mask_kind,
        smoothing=chosen.smoothing,
        floor=chosen.floor,
        nested=dictionary.nested,
        card=_card(corpus, chosen, counts),
    )
    metrics = valid_metrics(model, corpus, chosen.lengths, chosen.snr_db, chosen.seed, progress)
    return model.with_metrics(metrics)


def fit_learner(
    frames: TrainingFrames,
    options: TrainOptions,
    rng: np.random.Generator,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    pool: Pool | None = None,
) -> Learner:
    """Return the learner that `options` name, fitted to the frames."""
    if options.learner != "blsh":
        return LSH(options.bits, rng, centred=options.learner == "lsh").fit(frames.H)
    if options.weighting == "masks":
        supervised = SupervisedBLSH(options.bits, rng, ordered=options.ordered, steps=options.steps)
        return supervised.fit(frames.H, frames.band_masks, frames.band_weights, frames.mixture, progress, checkpoint)
    learner = BLSH(
        options.bits, rng, target=options.target, weighting=options.weighting, sigma2=options.sigma2, pool=pool
    )
    return learner.fit(frames.H, progress, checkpoint)


def _card(corpus: Corpus, options: TrainOptions, frames: dict[str, int]) -> Card:
    """Return the provenance; nothing in it depends on the clock or the machine's paths."""
    return {
        "corpus": {"name": corpus.name, "sha256": corpus.sha256},
        "frames": frames,
        "metrics": {},
        "options": {**asdict(options), "lengths": list(options.lengths)},  # JSON has no tuples
        "seed": options.seed,
        "versions": {"blsh-mcu": _version("blsh-mcu"), **{name: _version(name) for name in _LIBRARIES}},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"

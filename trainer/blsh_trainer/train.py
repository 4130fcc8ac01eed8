"""Training: mixtures of a corpus become a dictionary of codes and masks, and learned projections."""

from dataclasses import asdict, dataclass
from importlib import metadata

import numpy as np

from blsh_trainer.arrays import BoolArray, ByteArray, FloatArray, Progress
from blsh_trainer.artifact import Card, Model
from blsh_trainer.blsh import BLSH, WEIGHTINGS
from blsh_trainer.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.hashing import LSH, check_bits
from blsh_trainer.masks import ideal_binary_mask, pack_bits, unpack_bits
from blsh_trainer.mixing import draw_mixtures
from blsh_trainer.pairs import TARGETS
from blsh_trainer.spectra import BINS, feature_count, features, l2_normalise, stft

LEARNERS = ("blsh", "lsh", "lsh-plain")
_LIBRARIES = ("numpy", "scipy", "librosa", "soundfile", "soxr")


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
        if not np.isfinite(self.snr_db):
            raise BlshError(f"snr_db is {self.snr_db}; it must be a finite number")


def train_model(corpus: Corpus, options: TrainOptions | None = None, progress: Progress | None = None) -> Model:
    """Train a model on the corpus's train split; the same corpus and options give the same model.

    BlshError for bad options, audio that cannot be used, or too few frames for the neighbours.
    """
    chosen = options or TrainOptions()
    chosen.check()
    mixture_seed, keep_seed, fit_seed = np.random.SeedSequence(chosen.seed).spawn(3)
    H, packed = gather_frames(corpus, chosen, np.random.default_rng(mixture_seed), progress)
    if len(H) < max(2, chosen.neighbours):
        raise BlshError(
            f"the training mixtures have {len(H)} frames with sound; {chosen.neighbours} or more are needed"
        )
    made = len(H)
    if made > chosen.max_frames:
        kept = np.sort(np.random.default_rng(keep_seed).permutation(made)[: chosen.max_frames])
        H, packed = H[kept], packed[kept]
    fit_rng = np.random.default_rng(fit_seed)
    sample = np.sort(fit_rng.permutation(len(H))[: chosen.fit_frames])
    learner = fit_learner(H[sample], chosen, fit_rng, progress)
    frames = {"made": made, "kept": len(H), "fitted": len(sample)}
    return Model(
        name=chosen.name,
        feature_kind=chosen.feature_kind,
        neighbours=chosen.neighbours,
        projections=learner.projections_,
        biases=learner.biases_,
        betas=learner.betas_,
        code_bits=learner.transform(H),
        mask_bits=_unpacked(packed),
        card=_card(corpus, chosen, frames),
    )


def gather_frames(
    corpus: Corpus, options: TrainOptions, rng: np.random.Generator, progress: Progress | None = None
) -> tuple[FloatArray, ByteArray]:
    """Return L2-normalised features float64 (T, D) and packed IBMs uint8 (T, 65) of the training mixtures.

    Frames that are digital silence in the mixture are left out: they have no direction and no mask to teach.
    """
    total = options.passes * len(corpus.select("speech", "train"))
    rows: list[FloatArray] = []
    masks: list[ByteArray] = []
    for done, named in enumerate(draw_mixtures(corpus, "train", total, options.snr_db, rng), start=1):
        signals = named.signals
        spectrum = stft(signals.mixture)
        H = l2_normalise(features(spectrum, options.feature_kind))
        sounding = H.any(axis=1)
        rows.append(H[sounding])
        masks.append(pack_bits(ideal_binary_mask(stft(signals.speech), stft(signals.noise))[sounding]))
        if progress is not None:
            progress("mixing", done, total)
    return np.concatenate(rows), np.concatenate(masks)


def fit_learner(
    H: FloatArray, options: TrainOptions, rng: np.random.Generator, progress: Progress | None = None
) -> LSH | BLSH:
    """Return the learner that `options` name, fitted to L2-normalised H (T, D)."""
    if options.learner == "blsh":
        learner = BLSH(options.bits, rng, target=options.target, weighting=options.weighting, sigma2=options.sigma2)
        return learner.fit(H, progress)
    return LSH(options.bits, rng, centred=options.learner == "lsh").fit(H)


def _unpacked(packed: ByteArray) -> BoolArray:
    return unpack_bits(packed, BINS)


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

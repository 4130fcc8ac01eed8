# SPDX-License-Identifier: Apache-2.0
"""Draw the pictures of how-it-works.md: the integers of the model `intercom` on a synthetic recording.

make pictures        writes docs/explain/passage.png and docs/explain/hop.png; needs espeak-ng
"""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.reference_voting import limited_votes
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.stages import HopVectors
from blsh_trainer.corpora.mixing import mix_at_snr
from blsh_trainer.corpora.mixture_sources import read_speech
from blsh_trainer.corpora.synthetic_corpus import CorpusSize, make_corpus
from blsh_trainer.corpora.synthetic_noise import make_noise
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import model_file
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.plotting import new_figure
from blsh_trainer.signals.audio import to_int16

HERE = Path(__file__).parent
MODEL, SEED = Path("intercom"), 0
NOISE, SNR_DB = "vacuum", 3.0
SMALL = CorpusSize(utterances=(6, 2, 2), noises=(3, 2, 2), noise_seconds=6.0)
SHOWN_DICTIONARY = 0
LEAD_S, MOST_S = 1.0, 4.0
COLOURS = {"found": "#d1495b", "other": "#9aa5b1", "line": "#2a6f97"}


def main() -> int:
    artifact = load_model(model_file(MODEL))
    assert isinstance(artifact, VotingModel)
    model = VotingIntegers.from_model(artifact)
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_corpus(Path(folder) / "corpus", SEED, size=SMALL)
        voice = read_speech(corpus, corpus.select("speech", "test")[0])
    rate = model.geometry.rate_hz
    speech = np.concatenate([np.zeros(int(LEAD_S * rate)), voice])[: int(MOST_S * rate)]
    noise = make_noise(NOISE, speech.size, np.random.default_rng(SEED))
    samples = to_int16(mix_at_snr(speech, noise, SNR_DB).mixture)
    vectors = VectorisedDenoiser(model).stages(samples[: len(samples) // model.geometry.hop * model.geometry.hop])
    hops = [vectors.hop(t) for t in range(len(vectors.mask))]
    loudest = int(np.argmax([np.abs(hop.spectrum.astype(float)).sum() * 2.0 ** -int(hop.window[0]) for hop in hops]))
    draw_passage(model, hops, loudest)
    draw_hop(model, hops[loudest])
    return 0


def bits_of(model: VotingIntegers, hop: HopVectors) -> list[bool]:
    """Return the code of a hop, L bits."""
    return [bool(int(hop.code[bit // 32]) >> bit % 32 & 1) for bit in range(model.bits)]


def pairs_of(hop: HopVectors) -> list[tuple[int, int]]:
    """Return index and distance of each neighbour of each dictionary."""
    return [(int(index), int(distance)) for index, distance in hop.neighbours.reshape(-1, 2)]


def levels(hop: HopVectors) -> npt.NDArray[np.float64]:
    """Return the level of each bin in dB of full scale, (N / 2 + 1,)."""
    parts = hop.spectrum.astype(np.float64).reshape(-1, 2) * 2.0 ** -int(hop.window[0])
    size = np.hypot(parts[:, 0], parts[:, 1])
    return np.asarray(20 * np.log10(size + 1e-6))


def draw_passage(model: VotingIntegers, hops: list[HopVectors], shown: int) -> None:
    """Write passage.png: spectrogram, codes, mask and masked spectrogram of all hops; the line is at hop.png's."""
    heard = np.array([levels(hop) for hop in hops])
    gains = np.array([hop.mask / 16384 for hop in hops])
    left = heard + 20 * np.log10(np.maximum(gains, 1e-3))
    codes = np.array([bits_of(model, hop) for hop in hops])
    top = float(heard.max())
    seconds, khz = len(hops) * model.geometry.hop_s, model.geometry.rate_hz / 2000
    panels: tuple[tuple[str, Any, float, str, tuple[float, float]], ...] = (
        ("spectrum of each hop: speech in noise", heard, khz, "magma", (top - 70, top)),
        (f"its code: {model.bits} bits", codes, model.bits, "Greys", (0, 1)),
        ("mask: the gain of each bin", gains, khz, "viridis", (0, 1)),
        ("spectrum times mask", left, khz, "magma", (top - 70, top)),
    )
    figure, axes = new_figure((9, 9), len(panels), 1, sharex=True)
    for axis, (title, values, height, colours, limits) in zip(axes, panels, strict=True):
        axis.imshow(
            values.T, origin="lower", aspect="auto", interpolation="nearest", cmap=colours,
            extent=(0, seconds, 0, height), vmin=limits[0], vmax=limits[1],
        )  # fmt: skip
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylabel("bit" if height == model.bits else "kHz")
        axis.axvline((shown + 0.5) * model.geometry.hop_s, color="white", linewidth=0.8, linestyle="--")
    axes[-1].set_xlabel("s")
    save(figure, "passage.png")


def draw_hop(model: VotingIntegers, hop: HopVectors) -> None:
    """Write hop.png: the spectrum of one hop, its code, the distances of a dictionary, the votes and the mask."""
    khz = np.arange(len(hop.mask)) * model.geometry.rate_hz / model.geometry.window / 1000
    edges = model.band_edges.astype(float) * model.geometry.rate_hz / model.geometry.window / 1000
    figure, axes = new_figure((9, 10), 5, 1)
    spectrum, code, distances, votes, mask = axes
    spectrum.plot(khz, levels(hop), color=COLOURS["line"])
    spectrum.set(title=f"1. Spectrum: {len(khz)} bins", xlabel="kHz", ylabel="dB", xlim=(0, khz[-1]))
    bits, projections = np.array(bits_of(model, hop)), len(model.projection_q7)
    code.imshow(bits.reshape(projections, -1).T, cmap="Greys", aspect="auto", interpolation="nearest", vmin=0, vmax=1)
    code.set(
        title=f"2. Code: {projections} projections, {model.thresholds_each} thresholds each",
        xlabel="projection",
        yticks=[],
    )
    draw_distances(model, hop, distances)
    sums = limited_votes(bits.tolist(), pairs_of(hop), 0, model)
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    votes.bar(middle, sums, width, color=[COLOURS["found" if each > 0 else "other"] for each in sums])
    votes.set(title="4. Votes for each band: above 0 for speech", xlabel="kHz", ylabel="votes", xlim=(0, khz[-1]))
    mask.step(khz, hop.mask / 16384, where="mid", color=COLOURS["line"])
    mask.set(title="5. Mask: the gain of each bin", xlabel="kHz", ylabel="gain", xlim=(0, khz[-1]), ylim=(0, 1.02))
    for axis in axes:
        axis.title.set(fontsize=10, ha="left", x=0)
    save(figure, "hop.png")


def draw_distances(model: VotingIntegers, hop: HopVectors, axis: Any) -> None:
    """Draw the Hamming distance of each entry of one dictionary, and colour the neighbours."""
    first = SHOWN_DICTIONARY * model.entries
    query = sum(bit << number for number, bit in enumerate(bits_of(model, hop)))
    far = [(query ^ entry).bit_count() for entry in model.code_integers[first : first + model.entries]]
    found = {index - first for index, _ in pairs_of(hop)}
    colours = [COLOURS["found" if entry in found else "other"] for entry in range(model.entries)]
    axis.bar(np.arange(model.entries), far, color=colours)
    title = f"3. Distances to the {model.entries} entries of one of {model.dictionaries} dictionaries"
    axis.set(title=f"{title}; the nearest {model.neighbours} vote", xlabel="entry", ylabel="bits that differ")


def save(figure: Any, name: str) -> None:
    """Write the picture in few colours, with nothing in it that another run would change."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=80, metadata={"Software": None})
    Image.open(drawn).convert("RGB").quantize(64).save(HERE / name, optimize=True)


if __name__ == "__main__":
    raise SystemExit(main())

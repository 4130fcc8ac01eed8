# SPDX-License-Identifier: Apache-2.0
"""Measure a model where it was not made to shine: low SNRs, impulses, music, a second talker, echoes of a room.

nice python trainer/benchmarks/limits.py shared/corpus --music shared/corpus-extra --output docs/explain/limits
Speech and noises are those of the test split, as many for each row as --count says, drawn with the seed 0. Music is the
noise of the type `music` of the training split; the models of the box heard these pieces in their training. The model
runs in floats. With --output the figures go to NAME.json, and the table into NAME.md between its two marks.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import fftconvolve

from blsh_hil.wire.markdown import table, with_written_part
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures, mix_at_snr
from blsh_trainer.corpora.mixture_sources import NoiseSource, read_speech
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviour import pass_through, power_db
from blsh_trainer.evaluation.clean_speech import speech_gain_db
from blsh_trainer.evaluation.evaluate import Denoiser
from blsh_trainer.evaluation.metrics import estoi, si_sdr
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import model_file
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

WRITER = "trainer/benchmarks/limits.py"
SEED = 0
CLICKS_PER_S, CLICK_DECAY_S = 4.0, 0.005


@dataclass(frozen=True)
class Trial:
    """What goes in, and what is wished for, (n,) each; `other` (n,) is a sound whose gain is of interest besides."""

    heard: FloatArray
    wished: FloatArray
    other: FloatArray


@dataclass(frozen=True)
class Sources:
    """The recordings that trials are made of."""

    corpus: Corpus
    music: Corpus
    count: int

    def voices(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield `count` utterances (n,) of the test split, each of another speaker than the one before."""
        entries = self.corpus.select("speech", "test")
        last = None
        for _ in range(self.count):
            others = [entry for entry in entries if entry.speaker_or_type != last]
            entry = others[int(rng.integers(len(others)))]
            last = entry.speaker_or_type
            yield read_speech(self.corpus, entry)

    def pieces(self, samples: int, rng: np.random.Generator) -> FloatArray:
        """Return a cut (samples,) of a piece of music. BlshError where the corpus has none."""
        music = [entry for entry in self.music.select("noise", "train") if entry.speaker_or_type == "music"]
        if not music:
            raise BlshError(f"{self.music.place} has no training noise of the type music; name a corpus that has")
        _, cut = NoiseSource(self.music, music[int(rng.integers(len(music)))]).sounding_cut(samples, rng)
        return cut


Case = Callable[[Sources, np.random.Generator], Iterator[Trial]]


def in_noise(snr_db: float, kinds: tuple[str, ...] = ()) -> Case:
    """Return speech in test noise at `snr_db`, of the types `kinds`, or of all."""

    def trials(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
        made = 0
        for named in draw_mixtures(sources.corpus, "test", 50 * sources.count, snr_db, rng):
            if not kinds or named.noise_type in kinds:
                yield Trial(named.signals.mixture, named.signals.speech, named.signals.noise)
                made += 1
            if made == sources.count:
                return

    return trials


def in_clicks(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield speech with clicks at 0 dB: white noise that decays with 5 ms, four times a second, at random."""
    for voice in sources.voices(rng):
        starts = rng.random(voice.size) < CLICKS_PER_S / SAMPLE_RATE_HZ
        starts[voice.size // 2] = True
        shape = np.exp(-np.arange(int(8 * CLICK_DECAY_S * SAMPLE_RATE_HZ)) / (CLICK_DECAY_S * SAMPLE_RATE_HZ))
        clicks = fftconvolve(starts, shape)[: voice.size] * rng.standard_normal(voice.size)
        mixed = mix_at_snr(voice, clicks, 0.0)
        yield Trial(mixed.mixture, mixed.speech, mixed.noise)


def in_music(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield speech with music at 0 dB."""
    for voice in sources.voices(rng):
        mixed = mix_at_snr(voice, sources.pieces(voice.size, rng), 0.0)
        yield Trial(mixed.mixture, mixed.speech, mixed.noise)


def music_alone(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield music as the wish: five seconds at -26 dBFS."""
    for _ in range(sources.count):
        cut = sources.pieces(5 * SAMPLE_RATE_HZ, rng)
        cut = mix_at_snr(cut, cut, 0.0).speech
        yield Trial(cut, cut, cut)


def second_talker(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield two talkers at 0 dB, the first of which is wished for."""
    voices = list(sources.voices(rng))
    for first, second in zip(voices, voices[1:] + voices[:1], strict=True):
        mixed = mix_at_snr(first, second, 0.0)
        yield Trial(mixed.mixture, mixed.speech, mixed.noise)


def two_talkers_in_noise(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
    """Yield two talkers in test noise at 0 dB, both of whom are wished for; the second is the other sound."""
    noises = [trial.other for trial in in_noise(0.0)(sources, rng)]
    for talkers, noise in zip(second_talker(sources, rng), noises, strict=True):
        mixed = mix_at_snr(talkers.heard, noise, 0.0)
        yield Trial(mixed.mixture, mixed.speech, talkers.other)


def in_room(decay_s: float, snr_db: float | None = None) -> Case:
    """Return speech in a room whose echoes are as strong as the direct sound and decay by 60 dB in `decay_s`.

    Without an SNR the direct sound is wished for. With one, test noise comes besides, and the speech in its room is
    wished for.
    """

    def trials(sources: Sources, rng: np.random.Generator) -> Iterator[Trial]:
        noises = None if snr_db is None else [trial.other for trial in in_noise(snr_db)(sources, rng)]
        for number, voice in enumerate(sources.voices(rng)):
            times = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
            response = rng.standard_normal(times.size) * 10.0 ** (-3.0 * times / decay_s)
            response /= float(np.sqrt(np.sum(response**2)))
            echoes = fftconvolve(voice, response)[: voice.size]
            if noises is None:
                mixed = mix_at_snr(voice, echoes, 0.0)
                yield Trial(mixed.mixture, mixed.speech, mixed.noise)
            else:
                mixed = mix_at_snr(voice + echoes, noises[number], snr_db or 0.0)
                yield Trial(mixed.mixture, mixed.speech, mixed.noise)

    return trials


CASES: dict[str, tuple[str, str, Case]] = {
    "noise at 0 dB, to compare with": ("speech", "noise", in_noise(0.0)),
    "noise at -5 dB": ("speech", "noise", in_noise(-5.0)),
    "noise at -10 dB": ("speech", "noise", in_noise(-10.0)),
    "noise at -15 dB": ("speech", "noise", in_noise(-15.0)),
    "dishes at 0 dB": ("speech", "dishes", in_noise(0.0, ("dishes",))),
    "clicks at 0 dB": ("speech", "clicks", in_clicks),
    "music at 0 dB": ("speech", "music", in_music),
    "music alone": ("music", "music", music_alone),
    "a second talker at 0 dB": ("first talker", "second talker", second_talker),
    "two talkers in noise at 0 dB": ("both talkers", "second talker", two_talkers_in_noise),
    "a room of 0.3 s": ("direct sound", "echoes", in_room(0.3)),
    "a room of 1 s": ("direct sound", "echoes", in_room(1.0)),
    "a room of 0.3 s, noise at 0 dB": ("speech in its room", "noise", in_room(0.3, 0.0)),
    "a room of 1 s, noise at 0 dB": ("speech in its room", "noise", in_room(1.0, 0.0)),
}
"""What is wished for, the other sound whose gain is measured, and the trials, by what is heard."""


def measured(denoiser: Denoiser, case: Case, sources: Sources) -> dict[str, float]:
    """Return the means over the trials of a case: SI-SDR and ESTOI before and after, and gains in dB."""
    rows = []
    for trial in case(sources, np.random.default_rng(SEED)):
        heard, output = pass_through(denoiser, trial.heard)
        row = [si_sdr(trial.wished, heard), si_sdr(trial.wished, output)]
        row += [estoi(trial.wished, heard), estoi(trial.wished, output)]
        row += [speech_gain_db(trial.wished, output), speech_gain_db(trial.other, output)]
        rows.append([*row, power_db(output) - power_db(heard)])
    if len(rows) != sources.count:
        raise BlshError(f"{len(rows)} trials of {sources.count}; name a corpus with more recordings")
    names = ("si_sdr_before", "si_sdr_after", "estoi_before", "estoi_after", "wished_db", "other_db", "level_db")
    clipped = np.clip(np.array(rows), -100.0, 100.0)  # music alone is its own wish: +inf before
    return dict(zip(names, np.round(clipped.mean(axis=0), 4).tolist(), strict=True))


def limits_table(cases: dict[str, Any]) -> str:
    """Return the figures of the report's `cases` as a Markdown table."""
    rows = []
    for heard, found in cases.items():
        wished, other, _ = CASES[heard]
        pair = (wished, "") if wished == other else (wished, f"{other}: {found['other_db']:+.1f}")
        same = wished == other
        before = "-" if same else f"{round(found['si_sdr_before'], 1) + 0.0:.1f}"
        change = "-" if same else f"{found['si_sdr_after'] - found['si_sdr_before']:+.1f}"
        words = f"{found['estoi_before']:.2f} → {found['estoi_after']:.2f}" if wished != "music" else "-"
        gains = "; ".join(part for part in (f"{pair[0]}: {found['wished_db']:+.1f}", pair[1]) if part)
        after = f"{round(found['si_sdr_after'], 1) + 0.0:.1f}"
        rows.append([heard, before, after, change, words, gains])
    header = ["what is heard", "SI-SDR before, dB", "after", "change", "ESTOI", "what becomes of it, dB"]
    return table(header, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--music", type=Path, required=True, help="a corpus that has noises of the type music")
    parser.add_argument("--model", type=Path, default=Path("intercom"))
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--output", type=Path, help="a page: NAME.md is renewed, NAME.json written")
    asked = parser.parse_args()
    try:
        denoiser = FloatDenoiser(load_model(model_file(asked.model)))
        sources = Sources(load_corpus(asked.corpus), load_corpus(asked.music), asked.count)
        cases = {heard: measured(denoiser, case, sources) for heard, (_, _, case) in CASES.items()}
    except BlshError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(limits_table(cases))
    if asked.output is not None:
        report = {"cases": cases, "count": asked.count, "model": asked.model.stem, "seed": SEED}
        asked.output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        page = asked.output.with_suffix(".md")
        page.write_text(with_written_part(page.read_text("utf-8"), [limits_table(cases)], WRITER), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: Apache-2.0
"""docs/explain/limits.md shows the figures that its script measured, and the script's signals are what it says."""

import importlib.util
import json
from types import ModuleType

import numpy as np
import pytest

from blsh_hil.wire.markdown import END, begin
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import load_corpus

from .conftest import MadeOnce
from .pages import ROOT
from .tiny_corpus import corpus_rows, write_corpus, write_manifest

PAGE = ROOT / "docs" / "explain" / "limits.md"


@pytest.fixture(scope="module")
def limits() -> ModuleType:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("limits", ROOT / "trainer" / "benchmarks" / "limits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Through:
    """A denoiser that leaves everything as it is."""

    def denoise(self, x: FloatArray, /) -> FloatArray:
        return x


def test_the_page_has_the_measured_figures(limits: ModuleType) -> None:
    report = json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))
    written = PAGE.read_text(encoding="utf-8").split(begin(limits.WRITER))[1].split(END)[0].strip()
    assert written == limits.limits_table(report["cases"])
    assert list(report["cases"]) == list(limits.CASES)
    assert (report["model"], f"over {report['count']} recordings" in PAGE.read_text(encoding="utf-8")) == (
        "intercom",
        True,
    )


def test_what_the_page_says_in_words_follows_from_the_figures() -> None:
    cases = json.loads(PAGE.with_suffix(".json").read_text(encoding="utf-8"))["cases"]
    gained = {heard: each["si_sdr_after"] - each["si_sdr_before"] for heard, each in cases.items()}
    plain = gained["noise at 0 dB, to compare with"]
    talkers = cases["a second talker at 0 dB"]
    assert abs(talkers["wished_db"] - talkers["other_db"]) < 0.5 and abs(gained["a second talker at 0 dB"]) < 0.5
    assert gained["two talkers in noise at 0 dB"] > 2
    for decay in ("0.3", "1"):
        echoes = cases[f"a room of {decay} s"]
        assert abs(echoes["wished_db"] - echoes["other_db"]) < 1 and abs(gained[f"a room of {decay} s"]) < 0.5
    assert 2 < gained["a room of 1 s, noise at 0 dB"] < gained["a room of 0.3 s, noise at 0 dB"]
    assert cases["music alone"]["level_db"] < -6 and cases["music alone"]["si_sdr_after"] < 5
    assert gained["music at 0 dB"] < plain - 1
    speech = [cases[f"noise at {snr} dB"]["wished_db"] for snr in ("-5", "-10", "-15")]
    assert 0 > speech[0] > speech[1] > speech[2] and gained["noise at -15 dB"] < 1.5
    assert gained["clicks at 0 dB"] > plain > gained["dishes at 0 dB"] > 0


def test_signals_are_what_they_are_called(limits: ModuleType, made_once: MadeOnce) -> None:
    def write(folder: object) -> None:
        rows = corpus_rows()
        for row in rows:
            if row["kind"] == "noise":
                row["speaker_or_type"] = "music" if row["split"] == "train" else "dishes"
        write_corpus(folder)  # type: ignore[arg-type]
        write_manifest(folder, rows)  # type: ignore[arg-type]

    corpus = load_corpus(made_once("corpus-of-limits", write))
    sources = limits.Sources(corpus, corpus, 2)
    for heard, (_, _, case) in limits.CASES.items():
        found = limits.measured(Through(), case, sources)
        assert found["si_sdr_before"] == found["si_sdr_after"] and found["level_db"] == 0, heard
    low = next(limits.in_noise(-10.0)(sources, np.random.default_rng(0)))
    assert 10 * np.log10(np.mean(low.wished**2) / np.mean(low.other**2)) == pytest.approx(-10)
    dry = next(limits.in_room(0.3)(sources, np.random.default_rng(0)))
    assert np.allclose(dry.heard, dry.wished + dry.other)

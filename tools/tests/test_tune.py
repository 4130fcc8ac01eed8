# SPDX-License-Identifier: Apache-2.0
"""`blsh tune`: what is heard is the fixed engine's, and what is chosen is written to blsh.toml and used."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.audio.engines import FixedEngine
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.attenuation import ATTENUATION_OFF
from blsh_trainer.model.tuning import Tuning, tuned
from blsh_trainer.signals.audio import to_int16

from . import chromium
from .blsh_command import Blsh
from .chromium import Chromium
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy

MODEL = random_voting_model(settling=(4, 3, 10, 20))
COMMENTED = """# mine
[model]
from = "own.npz"  # trained on Monday

[tuning]
# by ear
attenuation = "model"  # so far

[outputs]
model = "out/model.npz"
"""


@pytest.fixture
def project(blsh: Blsh, noisy: Samples) -> Blsh:
    """Return `blsh` in a project of a small voting model, with a recording."""
    save_model(blsh.cwd / "own.npz", MODEL)
    soundfile.write(blsh.cwd / "noisy.wav", noisy, 16_000, subtype="PCM_16")
    (blsh.cwd / "blsh.toml").write_text(COMMENTED)
    return blsh


@contextmanager
def page(blsh: Blsh, *arguments: object) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run `blsh tune` and yield the address of its page, and the process; it is ended at the end of the block."""
    with blsh.start("tune", "noisy.wav", "--no-browser", *arguments) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split()[-1], process
        finally:
            process.terminate()
            process.communicate(timeout=60)


def post(address: str, content: Any) -> Any:
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(content).encode()), timeout=60) as answer:
        return json.load(answer)


def heard(address: str, folder: Path) -> Samples:
    with urllib.request.urlopen(address, timeout=60) as answer:
        (folder / "heard.wav").write_bytes(answer.read())
    return np.asarray(soundfile.read(folder / "heard.wav", dtype="int16")[0])


def test_values_are_written_without_a_page_and_used(project: Blsh) -> None:
    result = project.json("tune", "noisy.wav", "--attenuation", "12", "--smoothing", "6", "--write")
    assert result["written"] == {"attenuation": 12, "smoothing": 6, "smoothing_down": 6}
    text = (project.cwd / "blsh.toml").read_text()
    assert text == COMMENTED.replace('"model"  # so far\n', "12  # so far\nsmoothing = 6\nsmoothing_down = 6\n"), (
        "comments and order stay"
    )
    project.json("run")
    assert load_model(project.cwd / "out/model.npz").sha256 == tuned(MODEL, Tuning(12, 6, 6)).sha256
    result = project.json("tune", "noisy.wav", "--smoothing-down", "3", "--attenuation", "off", "--write")
    assert result["written"] == {"attenuation": "model", "smoothing": 6, "smoothing_down": "model"}, "its own are named"


def test_what_cannot_be_tuned_is_refused(project: Blsh) -> None:
    project.refuse("--write without a value", "tune", "noisy.wav", "--write")
    project.refuse(
        "attenuation '61'; expected a whole number of dB", "tune", "noisy.wav", "--attenuation", 61, "--write"
    )
    project.refuse("--smoothing 16; choose 0 to 15", "tune", "noisy.wav", "--smoothing", 16, "--write")
    project.refuse("there is no audio file none.wav", "tune", "none.wav", "--attenuation", 3, "--write")
    project.refuse("there is no out/blsh.toml", "tune", "noisy.wav", "--folder", "out")
    (project.cwd / "recordings").mkdir()
    (project.cwd / "blsh.toml").write_text('[model]\ncorpora = ["recordings"]\n')
    project.refuse("is still to be learned; run: blsh run model", "tune", "noisy.wav", "--attenuation", 3, "--write")


def test_a_model_with_masks_has_one_smoothing(project: Blsh, model: Path) -> None:
    change = COMMENTED.replace("own.npz", str(model))
    (project.cwd / "blsh.toml").write_text(change)
    result = project.json("tune", "noisy.wav", "--smoothing", "6", "--write")
    assert result["written"] == {"attenuation": "model", "smoothing": 6}
    project.refuse("which has one smoothing", "tune", "noisy.wav", "--smoothing-down", "6", "--write")


def test_the_page_is_served_to_those_who_know_its_word(project: Blsh, noisy: Samples) -> None:
    with page(project, "--json") as (address, process):
        samples = to_int16(noisy)
        assert np.array_equal(heard(f"{address}noisy.wav", project.cwd), samples)
        for tuning, query in ((Tuning(9, 2, 15), "attenuation=9&smoothing=2&smoothing_down=15"), (Tuning(), "")):
            expected = to_int16(FixedEngine(tuned(MODEL, tuning), GenerateOptions()).denoise(noisy))
            assert np.array_equal(heard(f"{address}denoised.wav?{query}", project.cwd), expected), tuning
        root, word = address.rstrip("/").rsplit("/", 1)
        for place in (f"{root}/", f"{root}/{word[:-1]}/", f"{root}/{word}/blsh.toml", f"{root}/{word}/../noisy.wav"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(place, timeout=60)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(f"{root}/wrong/write", {"attenuation": 3})
        for wrong in ({"attenuation": 61}, {"gain": 3}, [], {"smoothing": "x"}):
            with pytest.raises(urllib.error.HTTPError, match="400"):
                post(f"{address}write", wrong)
        assert (project.cwd / "blsh.toml").read_text() == COMMENTED
        chosen = {"attenuation": "off", "smoothing": 5, "smoothing_down": 3}
        assert "smoothing = 5" in post(f"{address}write", chosen)["told"]
        post(f"{address}done", {})
        assert process.stdout is not None and process.wait(60) == 0
        written = json.loads(process.stdout.read())["written"]
        assert written == {"attenuation": "model", "smoothing": 5, "smoothing_down": "model"}


@pytest.mark.slow
@pytest.mark.skipif(chromium.PROGRAM is None, reason="chromium is not installed: tools/setup.sh --with-test-tools")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)], ids=["desktop", "phone"])
def test_the_page_switches_in_place_and_writes(project: Blsh, tmp_path: Path, width: int, dark: bool) -> None:
    with page(project) as (address, process), Chromium(tmp_path / "profile") as browser:
        browser.open(address, width, 800, dark)
        browser.wait_for("document.body.dataset.ready === 'true'")
        assert browser.run("choices.map((each) => each.label)") == ["Noisy", "no limit, smoothing 4/3"]
        browser.run("showValues({attenuation: 12, smoothing: 8, smoothing_down: 2}); tryValues()")
        browser.wait_for("choices.length === 3 && heard === 2")
        browser.run("find('position').value = 0.2; find('position').dispatchEvent(new Event('input'))")
        browser.run("play()")
        browser.wait_for("position() > 0.25")
        moved = browser.run(
            "(() => { const before = position(); find('choices').children[0].click(); return position() - before; })()"
        )
        assert abs(moved) < 0.05, "another choice goes on at the same position"
        assert browser.run("heard") == 0 and browser.run("find('attenuation').value") == "12"
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        unnamed = "[...document.querySelectorAll('input')].filter((each) => !each.labels.length && !each.ariaLabel)"
        assert browser.run(f"{unnamed}.length") == 0
        browser.run("find('write').click()")
        browser.wait_for("find('status').textContent.startsWith('Written to blsh.toml')")
        browser.run("find('done').click()")
        assert process.wait(60) == 0
        assert not browser.complaints and {each.split("/")[2] for each in browser.requests} == {address.split("/")[2]}
    text = (project.cwd / "blsh.toml").read_text()
    assert "attenuation = 12  # so far" in text and "smoothing = 8\nsmoothing_down = 2\n" in text


@pytest.mark.slow
def test_off_is_written_as_a_word(project: Blsh) -> None:
    save_model(project.cwd / "own.npz", tuned(MODEL, Tuning(attenuation=20)))
    result = project.json("tune", "noisy.wav", "--attenuation", "off", "--write")
    assert result["written"]["attenuation"] == "off"
    project.json("run")
    assert load_model(project.cwd / "out/model.npz").attenuation == ATTENUATION_OFF

# SPDX-License-Identifier: Apache-2.0
"""The page about a model: what it holds, that it is whole or not there, and how it does in headless Chromium."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blsh_tools.report import make_report
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models

from . import chromium
from .blsh_command import Blsh
from .chromium import Chromium
from .conftest import MadeOnce
from .score_files import scores_of

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("report-page")]  # one page and one browser for all

needs_browser = pytest.mark.skipif(
    chromium.PROGRAM is None, reason="chromium is not installed: tools/setup.sh --with-test-tools"
)


@pytest.fixture(scope="session")
def made(made_once: MadeOnce, corpus: Path, empty_project: Path) -> Path:
    """Return a folder with the page about a model of the box, page.html, and what the command printed, page.json."""

    def fill(folder: Path) -> None:
        model = load_model(boxed_models()["intercom"])
        (folder / "scores.json").write_text(json.dumps(scores_of(model)))
        options = ("--corpus", corpus, "--scores", "scores.json", "--device", "fixed", "--board", "netduinoplus2")
        found = Blsh(folder, empty_project).json("report", "intercom", *options, "-o", "page.html")
        (folder / "page.json").write_text(json.dumps(found))

    return made_once("report-page", fill)


@pytest.fixture
def told(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made / "page.json").read_text())
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


# ---- what it holds ---------------------------------------------------------------------------------------------------


def test_the_page_is_one_small_file_and_the_json_has_no_sound(made: Path, told: dict[str, Any]) -> None:
    page = (made / "page.html").read_text(encoding="utf-8")
    assert told["bytes"] == len(page.encode()) < 8_000_000
    assert len(re.findall(r'src="data:audio/wav;base64,UklGR', page)) == len(re.findall(r"<img ", page)) == 20
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script" not in page and ' style="' not in page
    assert len((made / "page.json").read_text()) < 100_000 and "base64" not in json.dumps(told)


def test_the_json_has_the_figures_of_the_page(made: Path, told: dict[str, Any]) -> None:
    page = (made / "page.html").read_text(encoding="utf-8")
    assert (told["model"], told["board"], told["synthetic"]) == ("intercom", "netduinoplus2", False)
    assert told["scores"]["counted"] == {"better": 12, "worse": 12, "open": 12}
    assert [each["name"] for each in told["budgets"]][:2] == ["Flash", "RAM with stack"]
    assert [each["stage"] for each in told["stages"]][-1] == "output"
    assert told["frontier"]["scored"] and told["frontier"]["points"][0]["figures"]["si_sdr_db"] == 2.0
    assert [each["differing_samples"] for each in told["recordings"]] == [0] * 5
    for each in told["recordings"]:
        assert f"{each['si_sdr_db']['device']:+.1f} dB" in page and each["speech"] in page
    assert "CC BY 4.0" in told["attribution"] and "blsh train corpus/ corpus-extra/" in told["card"]["trained by"]
    assert all(re.sub("['<>&`].*", "", each["text"]) in page for each in told["summary"])


def test_a_model_without_scores_is_scored_on_the_corpus_or_has_none(blsh: Blsh, corpus: Path, model: Path) -> None:
    quick = ("--corpus", corpus, "--device", "fixed", "--entries", 200, "--jobs", 1)
    found = blsh.json("report", model, *quick, "--mixtures", 2, "-o", "a.html")
    levels = [each for each in found["scores"]["levels"] if each["metric"] == "si_sdr_db"]
    assert {each["n"] for each in levels} == {2} and "on 2 mixtures" in found["scores"]["where"]
    assert found["scores"]["differences"] == [] and not found["frontier"]["scored"]
    assert "<code>blsh evaluate" in (page := (blsh.cwd / "a.html").read_text()) and "200 entries of 20 bits" in page


def test_what_cannot_be_used_is_refused_and_nothing_is_left(
    blsh: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (blsh.cwd / "scores.json").write_text(json.dumps(scores_of(load_model(boxed_models()["phone"]))))
    other = ("--corpus", corpus, "--scores", "scores.json")
    blsh.refuse("scores.json has scores of the model with SHA-256", "report", "intercom", *other)
    blsh.refuse("scores.json is the scores itself", "report", "intercom", *other, "-o", "scores.json")
    blsh.refuse("--device 'chip' is unknown", "report", "--device", "chip")

    def stopped(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(make_report, "draw_sources", stopped)
    outcome = blsh("report", "intercom", "--corpus", corpus, "-o", "page.html")
    assert outcome.code == 130 and [each.name for each in blsh.cwd.iterdir()] == ["scores.json"]


# ---- in a browser ------------------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_the_width_in_light_and_dark(browser: Chromium, made: Path, width: int, dark: bool) -> None:
    address = (made / "page.html").as_uri()
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(address, width, 800, dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    ink, paper = browser.run("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    bright = [sum(map(int, each[4:-1].split(","))) for each in (ink, paper)]
    assert (bright[0] > bright[1]) is dark, "the style did not pass the page's policy"
    assert browser.complaints == []
    assert [each for each in browser.requests if not each.startswith("data:")] == [address]


@needs_browser
def test_pictures_and_players_load(browser: Chromium, made: Path, told: dict[str, Any]) -> None:
    browser.open((made / "page.html").as_uri())
    browser.wait_for("[...document.querySelectorAll('audio')].every((each) => each.readyState >= 1)")
    seconds = browser.run("[...document.querySelectorAll('audio')].map((each) => each.duration)")
    expected = [each["samples"] / 16_000 for each in told["recordings"] for _ in range(4)]
    assert seconds == pytest.approx(expected, abs=0.001)
    assert browser.run("[...document.images].every((each) => each.complete && each.naturalWidth > 20)")
    for title in ("Summary", "Card", "Scores", "Latency", "Needs on netduinoplus2", "Quality against instructions",
                  "What the integers lose", "Listen", "Licences and attribution"):  # fmt: skip
        assert title in browser.run("[...document.querySelectorAll('h2')].map((each) => each.textContent)")


@needs_browser
def test_the_keyboard_reaches_the_players_and_everything_has_a_name(browser: Chromium, made: Path) -> None:
    browser.open((made / "page.html").as_uri())
    seen: list[str] = []
    for _ in range(60):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        seen.append(browser.run("document.activeElement.tagName"))
        if seen[-1] == "AUDIO":
            break
    assert {"A", "DIV", "SUMMARY"} <= set(seen) and seen[-1] == "AUDIO"
    outline = "getComputedStyle(document.activeElement)"
    assert browser.run(f"[{outline}.outlineStyle, parseFloat({outline}.outlineWidth) >= 2]") == ["solid", True]
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "link", "image", "Audio", "region", "heading")
    found = [each for each in nodes if not each["ignored"] and each["role"]["value"] in roles]
    nameless = [each["role"]["value"] for each in found if not each.get("name", {}).get("value")]
    assert len(found) > 60 and nameless == []

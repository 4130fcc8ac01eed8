# SPDX-License-Identifier: Apache-2.0
"""The playground in headless Chromium: its bits are the reference's, it reaches for nothing, anybody can use it."""

import base64
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import encode_image
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, Vectors, padded_to_hops
from blsh_codegen.spec.constants import ATTENUATION_OFF
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_hil.prove.random_model import random_voting_model
from blsh_suite.recordings import noisy_recording
from blsh_tools.playground.build_page import write_page
from blsh_tools.playground.carried_models import CarriedModel, carried_model, sizes
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.signals.audio import write_wav
from blsh_trainer.signals.geometry import CLASSES

from . import chromium
from .chromium import Chromium
from .conftest import MadeOnce

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.xdist_group("playground"),  # one page and one browser for all
    pytest.mark.needs("clang", "wasm-ld"),
    pytest.mark.skipif(chromium.PROGRAM is None, reason="chromium is not installed: tools/setup.sh --with-test-tools"),
]

Samples = npt.NDArray[np.int16]
MASKS = "masks"
MODELS = (*CLASSES, MASKS)
SIGNAL_S = 0.08
"""Seconds of each edge signal: more than a frame of every class."""


@pytest.fixture(scope="session")
def artifacts(made_once: MadeOnce, model: Path) -> dict[str, Path]:
    """Return a voting model of random tables for each class, and one with masks, by their names."""

    def fill(folder: Path) -> None:
        for seed, (name, geometry) in enumerate(CLASSES.items()):
            save_model(folder / f"{name}.npz", random_voting_model(seed, geometry=geometry))

    folder = made_once("playground-models", fill)
    return {**{name: folder / f"{name}.npz" for name in CLASSES}, MASKS: model}


@pytest.fixture(scope="session")
def carried(artifacts: dict[str, Path]) -> dict[str, CarriedModel]:
    return {name: carried_model(name, file) for name, file in artifacts.items()}


@pytest.fixture(scope="session")
def page(made_once: MadeOnce, carried: dict[str, CarriedModel], noisy: npt.NDArray[np.float64]) -> Path:
    """Return the page with all models, and a sample to try it with."""

    def fill(folder: Path) -> None:
        write_wav(folder / "sample.wav", np.tile(noisy, 6))
        write_page(list(carried.values()), folder / "index.html", (folder / "sample.wav").read_bytes())

    return made_once("playground", fill) / "index.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def playground(browser: Chromium, page: Path) -> Iterator[Chromium]:
    """Return the browser with the page just opened. It must have had no fault, and asked for no other file."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(page.as_uri())
    browser.wait_for("!!window.playground?.page && document.getElementById('facts').textContent !== ''")
    yield browser
    assert browser.complaints == []
    elsewhere = [each for each in browser.requests if each != page.as_uri() and not each.startswith(("data:", "blob:"))]
    assert elsewhere == []


# ---- what a reader does, and what comes out ------------------------------------------------------------------------


def choose(browser: Chromium, control: str, value: object) -> None:
    """Set a control of the page to a value, and for a list to the entry of this number, as a reader would."""
    browser.run(
        f"""(() => {{
            playground.page.trace = null;
            const control = document.getElementById({json.dumps(control)});
            const kind = control.type === "checkbox" ? "checked" : control.options ? "selectedIndex" : "value";
            control[kind] = {json.dumps(value)};
            control.dispatchEvent(new Event("input"));
            control.dispatchEvent(new Event("change"));
        }})()"""
    )


def play(browser: Chromium, folder: Path, samples: Samples, rate_hz: int) -> None:
    """Choose a recording, and wait until it has been denoised."""
    write_wav(folder / "recording.wav", samples, rate_hz)
    browser.run("void (playground.page.trace = null)")
    browser.choose_file("file", folder / "recording.wav")
    wait_for_trace(browser)


def wait_for_trace(browser: Chromium) -> None:
    browser.wait_for("playground.page.trace !== null || document.getElementById('fault').textContent !== ''")
    assert browser.run("document.getElementById('fault').textContent") == ""


def array(browser: Chromium, expression: str, dtype: str) -> npt.NDArray[Any]:
    """Return a typed array of the page."""
    address = browser.run(
        f"""new Promise((resolve) => {{
            const reader = new FileReader();
            reader.onload = () => resolve(reader.result);
            reader.readAsDataURL(new Blob([{expression}]));
        }})"""
    )
    return np.frombuffer(base64.b64decode(address.split(",", 1)[1] if "," in address else ""), dtype)


def reference(model: IntegerModel, samples: Samples, attenuation: int | None = None) -> Vectors:
    """Return what the fixed reference makes of a recording; attenuation: the limit, None for the model's own."""
    padded = padded_to_hops(samples, model.geometry)
    limits = None if attenuation is None else [attenuation] * (len(padded) // model.geometry.hop)
    return VectorisedDenoiser(model).stages(padded, limits)


def assert_same_as(expected: Vectors, browser: Chromium) -> None:
    """Fail unless the trace of the page has the output, codes, neighbours and meters of the reference, bit for bit."""
    trace = "playground.page.trace"
    for name, dtype, values in (
        ("stream", "<i2", expected.output),
        ("codes", "<u4", expected.code),
        ("found", "<u4", expected.neighbours),
        ("activity", "u1", expected.activity),
        ("reduction", "u1", expected.reduction_db),
    ):
        shown = array(browser, f"{trace}.{name}", dtype)
        wanted = np.asarray(values).astype(dtype).ravel()
        assert shown.shape == wanted.shape, f"{name}: {shown.shape} values, expected {wanted.shape}"
        different = np.flatnonzero(shown != wanted)
        assert len(different) == 0, f"{name}[{different[0]}] is {shown[different[0]]}, not {wanted[different[0]]}"


def hard_recording(rate_hz: int, rng: np.random.Generator) -> Samples:
    """Return all edge signals, one after the other; the last hop is not whole."""
    parts = [edge_signal(name, int(SIGNAL_S * rate_hz), rng) for name in EDGE_SIGNALS]
    return np.concatenate([*parts, parts[-1][:17]])


def integers(file: Path, options: GenerateOptions | None = None) -> IntegerModel:
    model = load_model(file)
    return integer_model(model, options or next(iter(sizes(model))))


# ---- bit for bit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_reference_does(
    playground: Chromium, artifacts: dict[str, Path], rng: np.random.Generator, tmp_path: Path, name: str
) -> None:
    model = integers(artifacts[name])
    recording = hard_recording(model.geometry.rate_hz, rng)
    choose(playground, "model", MODELS.index(name))
    play(playground, tmp_path, recording, model.geometry.rate_hz)
    expected = reference(model, recording)
    assert_same_as(expected, playground)
    saved = np.frombuffer(playground.download("download", tmp_path / "saved").read_bytes(), "<i2")
    after = expected.output.astype(np.int16).ravel()[model.geometry.lag :][: len(recording)]
    assert np.array_equal(saved[22:], after), "the WAV file to save"


@pytest.mark.parametrize("name", CLASSES)
def test_it_denoises_recordings_as_the_reference_does(
    playground: Chromium, artifacts: dict[str, Path], any_corpus: Corpus, tmp_path: Path, name: str
) -> None:
    model = integers(artifacts[name])
    rate_hz = model.geometry.rate_hz
    choose(playground, "model", MODELS.index(name))
    for seed, snr_db in ((7, 0.0), (8, 10.0)):
        recording = noisy_recording(any_corpus, 2.0, snr_db, seed, rate_hz)
        play(playground, tmp_path, recording, rate_hz)
        assert_same_as(reference(model, recording), playground)


@pytest.mark.parametrize(("name", "neighbours"), [("headset", 1), ("hearing", 32), (MASKS, 1), (MASKS, 7)])
def test_another_number_of_neighbours_is_that_of_generate(
    playground: Chromium,
    artifacts: dict[str, Path],
    rng: np.random.Generator,
    tmp_path: Path,
    name: str,
    neighbours: int,
) -> None:
    file = artifacts[name]
    model = integers(file, GenerateOptions(entries=integers(file).entries, neighbours=neighbours))
    recording = hard_recording(model.geometry.rate_hz, rng)
    play(playground, tmp_path, recording, model.geometry.rate_hz)
    choose(playground, "model", MODELS.index(name))
    wait_for_trace(playground)
    choose(playground, "neighbours", neighbours)
    wait_for_trace(playground)
    assert_same_as(reference(model, recording), playground)


def test_every_dictionary_of_a_model_with_masks_is_that_of_generate(
    playground: Chromium, artifacts: dict[str, Path], rng: np.random.Generator, tmp_path: Path
) -> None:
    model = load_model(artifacts[MASKS])
    recording = edge_signal("starts_mid_word", 8000, rng)
    choose(playground, "model", MODELS.index(MASKS))
    play(playground, tmp_path, recording, 16_000)
    offered = list(sizes(model))
    assert len(offered) > 1 and len({(each.entries, each.bits) for each in offered}) == len(offered)
    for place, options in enumerate(offered):
        choose(playground, "dictionary", place)
        wait_for_trace(playground)
        assert_same_as(reference(integers(artifacts[MASKS], options), recording), playground)


def test_a_limit_of_attenuation_holds_until_there_is_none(
    playground: Chromium, artifacts: dict[str, Path], rng: np.random.Generator, tmp_path: Path
) -> None:
    model = integers(artifacts["intercom"])
    recording = edge_signal("speech_like", 8000, rng)
    play(playground, tmp_path, recording, 16_000)
    found = []
    steps = (("no-limit", False, 20), ("limit", 9, 9), ("limit", 3, 3), ("no-limit", True, ATTENUATION_OFF))
    for control, value, limit in steps:
        choose(playground, control, value)
        wait_for_trace(playground)
        assert_same_as(expected := reference(model, recording, limit), playground)
        found.append(expected.output.tobytes())
    assert len(set(found)) >= 3, "the limits must differ for the test to mean anything"


def test_a_model_image_of_one_s_own_can_be_loaded(
    playground: Chromium, rng: np.random.Generator, tmp_path: Path, test_seed: int
) -> None:
    model = integer_model(random_voting_model(test_seed, entries=150, bit_votes=False), GenerateOptions())
    image = encode_image(model)
    recording = edge_signal("speech_like", 6000, rng)
    play(playground, tmp_path, recording, 16_000)
    (tmp_path / "own.bin").write_bytes(image)
    playground.run("void (playground.page.trace = null)")
    playground.choose_file("image-file", tmp_path / "own.bin")
    wait_for_trace(playground)
    assert_same_as(reference(model, recording), playground)


@pytest.mark.parametrize(
    ("place", "why"), [(0, "does not begin like a model image"), (1000, "its SHA-256 is not that of its content")]
)
def test_a_damaged_image_is_refused_in_words(
    playground: Chromium, carried: dict[str, CarriedModel], tmp_path: Path, place: int, why: str
) -> None:
    image = bytearray(carried["phone"].images[0][1])
    image[place] ^= 1
    (tmp_path / "damaged.bin").write_bytes(image)
    playground.choose_file("image-file", tmp_path / "damaged.bin")
    playground.wait_for("document.getElementById('fault').textContent !== ''")
    assert why in playground.run("document.getElementById('fault').textContent")


def test_the_microphone_goes_through_the_audio_thread_with_the_same_bits(
    playground: Chromium, artifacts: dict[str, Path]
) -> None:
    model = integers(artifacts["intercom"])
    playground.run("playground.page.toggleMicrophone()")
    assert playground.run("document.getElementById('fault').textContent") == ""
    playground.wait_for("(playground.page.live?.hops.length ?? 0) > 40")
    assert playground.run("document.getElementById('microphone').getAttribute('aria-pressed')") == "true"
    choose(playground, "no-limit", True)
    playground.run("playground.page.toggleMicrophone()")
    wait_for_trace(playground)
    heard, denoised = (array(playground, f"playground.page.take.{name}", "<i2") for name in ("before", "after"))
    assert np.abs(heard.astype(int)).max() > 100, "the browser's own beeps"
    expected = VectorisedDenoiser(model).stages(heard.astype(np.int16)).output.astype(np.int16).ravel()
    assert np.array_equal(denoised, expected)
    assert_same_as(reference(model, heard.astype(np.int16)), playground)


# ---- anybody can use it --------------------------------------------------------------------------------------------


def test_what_is_no_sound_is_refused_in_words(playground: Chromium, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_bytes(b"RIFF, but no sound")
    playground.choose_file("file", tmp_path / "text.wav")
    playground.wait_for("document.getElementById('fault').textContent !== ''")
    assert "finds no sound in the file" in playground.run("document.getElementById('fault').textContent")


def test_another_rate_and_two_channels_are_made_fit(playground: Chromium, tmp_path: Path) -> None:
    import soundfile

    tone = np.sin(np.arange(44_100) * 0.1)[:, None] * [0.5, 0.1]
    soundfile.write(tmp_path / "tone.flac", tone, 44_100)
    playground.choose_file("file", tmp_path / "tone.flac")
    wait_for_trace(playground)
    before = array(playground, "playground.page.trace.before", "<i2")
    assert abs(len(before) - 16_000) <= 1
    assert np.abs(before.astype(float)).max() == pytest.approx(0.3 * 32768, rel=0.02), "the mean of the channels"


def test_two_minutes_are_taken(playground: Chromium, tmp_path: Path) -> None:
    choose(playground, "model", MODELS.index("phone"))
    play(playground, tmp_path, np.zeros(8000 * 121, np.int16), 8000)
    assert playground.run("playground.page.trace.before.length") == 8000 * 120


def test_the_keyboard_switches_between_before_and_after(playground: Chromium) -> None:
    playground.run("document.getElementById('sample').click()")
    wait_for_trace(playground)
    playing = "[...document.querySelectorAll('audio')].filter((each) => !each.paused).map((each) => each.id).join()"
    for expected in ("player-after", "player-before"):
        for kind in ("keyDown", "keyUp"):
            playground.call("Input.dispatchKeyEvent", type=kind, key="s", code="KeyS", text="s" * (kind == "keyDown"))
        playground.wait_for(f"{playing} === {expected!r}")
    playground.run("document.querySelectorAll('audio').forEach((each) => each.pause())")


def test_every_control_has_a_name(playground: Chromium) -> None:
    playground.run("document.getElementById('sample').click()")
    wait_for_trace(playground)
    playground.call("Accessibility.enable")
    nodes = playground.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "combobox", "slider", "checkbox", "spinbutton", "meter", "image", "link", "Audio")
    seen = [each for each in nodes if not each["ignored"] and each["role"]["value"] in roles]
    nameless = [each["role"]["value"] for each in seen if not each.get("name", {}).get("value")]
    assert len(seen) > 15 and nameless == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_the_width_in_light_and_dark(playground: Chromium, page: Path, width: int, dark: bool) -> None:
    playground.open(page.as_uri(), width, 800, dark)
    playground.wait_for("!!window.playground?.page")
    playground.run("document.getElementById('sample').click()")
    wait_for_trace(playground)
    assert playground.run("document.documentElement.scrollWidth") <= width
    ink, paper = playground.run(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    bright = [sum(map(int, each[4:-1].split(","))) for each in (ink, paper)]
    assert (bright[0] > bright[1]) is dark
    pixels = "new Set(document.getElementById('spectrogram-after').getContext('2d').getImageData(0, 0, 200, 256).data)"
    assert playground.run(f"{pixels}.size") > 20, "an empty picture has one colour"


def test_it_works_from_a_file_server_too(browser: Chromium, page: Path) -> None:
    handler = partial(QuietHandler, directory=str(page.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.complaints.clear()
        browser.requests.clear()
        address = f"http://127.0.0.1:{server.server_port}/index.html"
        browser.open(address)
        browser.wait_for("!!window.playground?.page")
        browser.run("playground.page.toggleMicrophone()")
        browser.wait_for("(playground.page.live?.hops.length ?? 0) > 4")
        browser.run("playground.page.toggleMicrophone()")
        wait_for_trace(browser)
        server.shutdown()
    assert browser.complaints == []
    assert [each for each in browser.requests if not each.startswith(("data:", "blob:"))] == [address]


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that writes nothing to the tests' output."""

    def log_message(self, *_arguments: object) -> None:
        pass

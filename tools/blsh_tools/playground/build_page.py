# SPDX-License-Identifier: Apache-2.0
"""Write the playground as one HTML page that needs no other file and no network."""

import json
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from blsh_hil.report.html import html_environment
from blsh_tools.playground.bundle import bundle
from blsh_tools.playground.carried_models import CarriedModel, attributions
from blsh_tools.playground.wasm_core import compile_wasm
from blsh_tools.playground.wire_data import image_faults, wire_data
from blsh_trainer.corpora.synthetic_corpus import CorpusSize, make_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.listening_passage import make_listening
from blsh_trainer.files import replacing
from blsh_trainer.own_files import read_own
from blsh_trainer.signals.audio import write_wav
from blsh_trainer.signals.geometry import CLASSES

PAGE: Final = Path(__file__).with_name("page")
POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' data:; worker-src data:; "
    "style-src 'unsafe-inline'; img-src data: blob:; media-src blob:"
)
"""What the browser lets the page do: nothing that reaches the network."""
_SAMPLE_SECONDS: Final = 6.0
_SAMPLE_SNR_DB: Final = 5.0
_SAMPLE_SEED: Final = 14


def style_sheet(*files: Path) -> str:
    """Return the style sheets `files` as one, behind the colours and the rules that all pages have."""
    return "".join(read_own(file).decode() for file in (PAGE / "colours.css", PAGE / "shared.css", *files))


def write_page(models: Sequence[CarriedModel], output: Path, sample: bytes | None) -> dict[str, Any]:
    """Write the page with `models` to `output`, whole or not at all. Return a record of it, as JSON values.

    sample: a WAV file that the page carries to be tried with. Raises BlshError where WebAssembly cannot be compiled.
    """
    wasm = compile_wasm()
    data = {
        "wasm": b64encode(wasm).decode(),
        "models": [model.to_dict() for model in models],
        "wire": wire_data(),
        "faults": image_faults(),
        "sample": None if sample is None else b64encode(sample).decode(),
    }
    environment = html_environment("blsh_tools", "playground/page")
    page = environment.get_template("index.html.j2").render(
        policy=POLICY,
        style=style_sheet(PAGE / "style.css"),
        script=bundle(PAGE, "main.js"),
        worklet=bundle(PAGE, "worklet.js"),
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        attributions=attributions(models),
        version=version("blsh-mcu"),
        sample_credit="" if sample is None else "The sample is synthetic: espeak-ng speaks, and the noise is computed.",
    )
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    images = {model.name: [len(image) for _, image in model.images] for model in models}
    return {"page": str(output), "bytes": len(page.encode()), "wasm_bytes": len(wasm), "image_bytes": images}


def synthetic_sample() -> bytes:
    """Return a few seconds of synthetic speech in noise as a WAV file. Raises BlshError without espeak-ng."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_corpus(Path(folder, "corpus"), _SAMPLE_SEED, size=CorpusSize((1, 1, 3), (1, 1, 2), 8.0))
        noisy = make_listening(corpus, _SAMPLE_SECONDS, _SAMPLE_SNR_DB, _SAMPLE_SEED).noisy
        file = Path(folder, "sample.wav")
        write_wav(file, noisy)
        return file.read_bytes()


def named_models(files: Sequence[Path]) -> list[tuple[str, Path]]:
    """Return the name, and the file, of each model of `files`: artifacts, or folders of them.

    The names of CLASSES come first, in their order. Raises BlshError where a folder holds no artifact, or two models
    have one name.
    """
    found: list[tuple[str, Path]] = []
    for file in files:
        inside = sorted(file.glob("*.npz")) if file.is_dir() else [file]
        if not inside:
            raise BlshError(f"{file} holds no model (*.npz); train one first: blsh train")
        found += [(each.stem, each) for each in inside]
    names = [name for name, _ in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise BlshError(f"two models are named {', '.join(doubled)}; rename a file, the page lists models by name")
    order = {name: place for place, name in enumerate(CLASSES)}
    return sorted(found, key=lambda each: order.get(each[0], len(order)))

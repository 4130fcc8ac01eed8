# SPDX-License-Identifier: Apache-2.0
"""The manifests by which build systems take an exported library: each in the form that its tool reads."""

import json
from importlib.metadata import metadata
from typing import Any, Final

from blsh_codegen.emit.c_code import text_environment

PACK_VENDOR: Final = "blsh-mcu"
PACK_NAME: Final = "blsh-denoiser"
PACK_FILE: Final = f"{PACK_VENDOR}.{PACK_NAME}.pdsc"
METHOD_URL: Final = "https://arxiv.org/abs/2002.06239"
"""The paper of the method: manifests ask for a page, and the project has none of its own."""

ARDUINO_ARCHITECTURES: Final = (
    *(
        "apollo3",
        "esp32",
        "nRF5",
        "nrf52",
        "renesas_portenta",
        "renesas_uno",
        "rp2040",
        "sam",
        "samd",
        "silabs",
        "stm32",
    ),
    *(
        "mbed",
        "mbed_edge",
        "mbed_giga",
        "mbed_nano",
        "mbed_nicla",
        "mbed_opta",
        "mbed_portenta",
        "mbed_rp2040",
        "zephyr",
    ),
)
"""Cores of Arduino with 32 bits that read tables from flash: not avr and megaavr, where an `int` has 16 bits, nor
esp8266, which copies tables to its RAM."""

_TEMPLATES: Final = {
    "CMakeLists.txt": "CMakeLists.txt",
    "library.properties": "library.properties",
    "idf_component.yml": "idf_component.yml",
    "zephyr/module.yml": "zephyr/module.yml",
    "zephyr/Kconfig": "zephyr/Kconfig",
    "zephyr/CMakeLists.txt": "zephyr/CMakeLists.txt",
    PACK_FILE: "pack.pdsc",
}
"""The template of each manifest, by its path in the library."""

_PROOF_TEMPLATES: Final = {"Kconfig": "Kconfig"}
"""What a library with a proof has besides: ESP-IDF reads the options of a component there."""


def package_files(context: dict[str, Any]) -> dict[str, str]:
    """Return the manifests of a library by path. context: what the other templates of the library are rendered with."""
    environment = text_environment("blsh_codegen")
    names = {
        "pack_vendor": PACK_VENDOR,
        "pack_name": PACK_NAME,
        "method_url": METHOD_URL,
        "arduino_architectures": ARDUINO_ARCHITECTURES,
    }
    templates = _TEMPLATES | (_PROOF_TEMPLATES if context["proof"] else {})
    texts = {
        path: environment.get_template(f"export/{name}.j2").render(context, **names) for path, name in templates.items()
    }
    return {**texts, "library.json": _library_json(context)}


def _library_json(context: dict[str, Any]) -> str:
    headers = [part["header"] for part in context["parts"]]
    manifest = {
        "name": context["library"],
        "version": context["version"],
        "description": metadata("blsh-mcu")["Summary"],
        "license": "Apache-2.0",
        "keywords": ["audio", "dsp", "noise suppression", "speech"],
        "headers": headers if context["several"] else headers[0],
        "frameworks": "*",
        "platforms": "*",
        "build": {"srcDir": "src", "includeDir": "src", "flags": ["-O2"]},  # frameworks compile for size
        "examples": [
            {"name": "Denoise", "base": "examples/Denoise", "files": ["Denoise.ino"]},
            {"name": "stream", "base": "examples", "files": ["stream.c"]},
        ],
    }
    return json.dumps(manifest, indent=2) + "\n"

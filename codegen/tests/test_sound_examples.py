# SPDX-License-Identifier: Apache-2.0
"""Examples within an export: all that they include is there, and nothing that was built."""

import re
from pathlib import PurePosixPath

import pytest

from blsh_codegen.emit import sound_examples
from blsh_codegen.emit.sound_examples import sound_example_files
from blsh_codegen.project import project_root
from blsh_trainer.errors import BlshError

INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
OF_THE_LIBRARY = {"blsh_model.h"}
OF_IDF = {"driver/gpio.h", "driver/i2s_std.h", "freertos/FreeRTOS.h", "freertos/task.h"}


@pytest.mark.parametrize("name", sound_examples.sound_examples())
def test_every_file_that_is_included_is_there(name: str) -> None:
    files = sound_example_files([name])
    folders = {PurePosixPath(path).parts[1] for path in files if path.startswith("examples/")}
    assert folders == {name, "audio"}
    known = {PurePosixPath(path).name for path in files} | OF_THE_LIBRARY | OF_IDF
    for path, content in files.items():
        included = set(INCLUDE.findall(content.decode()))
        assert included <= known, f"{path} includes {sorted(included - known)}"
        assert not path.endswith(".md") or b"](../" not in content, f"{path} links to what an export lacks"


def test_only_the_named_part_of_the_firmware_goes_along() -> None:
    files = sound_example_files(["nrf52840-dk"])
    of_firmware = {path for path in files if path.startswith("firmware/")}
    assert {"firmware/hal/clock_nrf52.c", "firmware/boards/nrf52840_dk/board.h"} <= of_firmware and len(of_firmware) < 8
    assert not any(path.startswith("firmware/") for path in sound_example_files(["rp2040"]))
    assert sound_example_files([]) == {}


def test_what_was_built_stays_behind(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (
        "rp2040/README.md",
        "rp2040/Makefile",
        "audio/main.c",
        "rp2040/out-rp2350/sound.elf",
        "rp2040/out/x.o",
    ):
        (tmp_path / "examples" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "examples" / path).write_text("")
    monkeypatch.setattr(sound_examples, "project_data", lambda: tmp_path)
    assert sorted(sound_example_files(["rp2040"])) == [
        "examples/audio/main.c",
        "examples/rp2040/Makefile",
        "examples/rp2040/README.md",
    ]


def test_an_unknown_example_is_refused() -> None:
    with pytest.raises(BlshError, match=r"--example pico is unknown; choose one of .*, rp2040, "):
        sound_example_files(["pico"])


def test_a_project_without_examples_says_so(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_examples, "project_data", lambda: tmp_path)
    with pytest.raises(BlshError, match=r"has no examples/; install the package again"):
        sound_example_files(["rp2040"])


def test_each_example_has_a_row_in_the_table() -> None:
    table = (project_root() / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}]({name}/README.md)" in table for name in sound_examples.sound_examples())


@pytest.mark.parametrize("name", sound_examples.sound_examples())
def test_a_page_says_what_to_call_in_the_export(name: str) -> None:
    page = sound_example_files([name])[f"examples/{name}/README.md"].decode()
    commands = "".join(re.findall(r"^ *```sh\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL))
    assert re.search(r"^(?:make|idf\.py)\b", commands, re.MULTILINE), commands
    for of_a_checkout in ("BLSH=", "blsh export", "make -C", "cd ", "examples/"):
        assert of_a_checkout not in commands, commands
    assert "BLSH=" not in page and "<!--" not in page
    checkout = (project_root() / "examples" / name / "README.md").read_text(encoding="utf-8")
    assert "BLSH=~/lib/blsh" in checkout, "there a page names the export"

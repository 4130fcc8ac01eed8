# SPDX-License-Identifier: Apache-2.0
"""Sound on the ESP32-S3, for form alone: it compiles against stand-ins for ESP-IDF, and its build names real files."""

import re
import subprocess
from pathlib import Path

import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.library import LibraryModel, library_files
from blsh_codegen.project import project_root
from blsh_hil.prove.random_model import random_model

EXAMPLES = project_root() / "examples"
OWN, AUDIO = EXAMPLES / "esp32s3" / "main", EXAMPLES / "audio"
STAND_INS = Path(__file__).parent / "idf"


@pytest.mark.heavy
@pytest.mark.needs("gcc")
def test_it_compiles_against_stand_ins_for_idf(tmp_path: Path) -> None:
    for path, content in library_files([LibraryModel(random_model(), GenerateOptions())]).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    command = ["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{OWN}", f"-I{AUDIO}"]
    command += [f"-I{STAND_INS}", f"-I{tmp_path / 'src'}", str(OWN / "sound.c"), str(AUDIO / "main.c")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_build_names_files_that_exist() -> None:
    text = (OWN / "CMakeLists.txt").read_text(encoding="utf-8").replace("${audio}", str(AUDIO))
    own, *others = re.findall(r"(?<=[\s/])([\w-]+\.c)(?=\s)", text)
    assert (OWN / own).is_file() and others == ["main.c", "audio_stream.c"]
    assert all((AUDIO / name).is_file() for name in others)

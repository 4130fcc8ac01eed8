# SPDX-License-Identifier: Apache-2.0
"""The core's results have one text each, which the host reads from the core's headers."""

import ctypes
from pathlib import Path

import pytest

from blsh_codegen.host_core import compile_core
from blsh_codegen.project import core_folder
from blsh_codegen.spec.error_texts import error_texts
from blsh_trainer.errors import BlshError


def test_the_texts_are_those_that_the_core_itself_gives() -> None:
    library = ctypes.CDLL(str(compile_core()))
    library.blsh_error_text.restype = ctypes.c_char_p
    texts = error_texts(core_folder())
    assert sorted(texts) == list(range(-12, 1))
    assert texts == {number: library.blsh_error_text(number).decode() for number in texts}


def test_headers_without_the_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "blsh.h").write_text("#define BLSH_ERRORS(X)\n")
    with pytest.raises(BlshError, match=r"no header in .* lists the core's results"):
        error_texts(tmp_path)

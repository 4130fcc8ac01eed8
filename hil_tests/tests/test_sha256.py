# SPDX-License-Identifier: Apache-2.0
"""Compare the firmware's SHA-256 with hashlib's, also with sanitizers and with bytes that end where memory does."""

import ctypes
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.project import project_root

Digest = Callable[[bytes], str]


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> Digest:
    app = project_root() / "firmware" / "app"
    library = tmp_path_factory.mktemp("sha256") / "sha256.so"
    checks = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command = ["gcc", "-std=c11", "-O2", "-fPIC", "-shared", *checks, *C_WARNINGS, f"-I{app}", str(app / "sha256.c")]
    subprocess.run([*command, "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))

    def compute(data: bytes) -> str:
        found = ctypes.create_string_buffer(32)
        loaded.blsh_sha256(data, ctypes.c_size_t(len(data)), found)
        return found.raw.hex()

    return compute


@pytest.mark.parametrize("length", range(200))
def test_every_length_around_the_blocks(digest: Digest, length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    assert digest(data) == hashlib.sha256(data).hexdigest()


def test_the_standards_own_example(digest: Digest) -> None:
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest(b"a" * 1_000_000) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=700))
def test_any_bytes(digest: Digest, data: bytes) -> None:
    assert digest(data) == hashlib.sha256(data).hexdigest()


def test_nothing_beyond_the_bytes_is_read(tmp_path: Path) -> None:
    app = project_root() / "firmware" / "app"
    (tmp_path / "main.c").write_text(
        "#include <stdlib.h>\n#include <string.h>\n#include \"sha256.h\"\n"
        "int main(void) {\n    uint8_t digest[32];\n    for (size_t n = 1; n < 300; n++) {\n"
        "        uint8_t *data = malloc(n);\n        memset(data, 7, n);\n        blsh_sha256(data, n, digest);\n"
        "        free(data);\n    }\n    return 0;\n}\n"
    )  # fmt: skip
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [str(tmp_path / "main.c"), str(app / "sha256.c")]
    program = tmp_path / "main"
    subprocess.run(["gcc", "-std=c11", "-O1", *checks, f"-I{app}", *sources, "-o", str(program)], check=True)
    subprocess.run([str(program)], check=True)

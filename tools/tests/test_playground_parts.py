# SPDX-License-Identifier: Apache-2.0
"""What the playground is made of: modules joined, models named, colours that can be read, memory functions in C."""

import ctypes
import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.project import core_folder, project_root
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.playground.build_page import PAGE, named_models
from blsh_tools.playground.bundle import bundle
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import save_model

from .blsh_command import Blsh

# ---- modules -------------------------------------------------------------------------------------------------------


def modules(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def test_a_module_follows_those_that_it_imports(tmp_path: Path) -> None:
    modules(
        tmp_path,
        main='// SPDX-License-Identifier: X\nimport { b } from "./b.js";\nimport {\n    a,\n} from "./a.js";\nb(a);\n',
        b='import { a } from "./a.js";\nexport function b() {\n    return a; // import it\n}\n',
        a="export const a = 1;\nexport class A {}\n",
    )
    text = bundle(tmp_path, "main.js")
    assert text.index("const a = 1;") < text.index("function b()") < text.index("b(a);")
    assert text.count("const a = 1;") == 1
    assert not re.search(r"^\s*(import|export)\b", text, re.MULTILINE) and "SPDX" not in text


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({"main": 'import { a } from "./main.js";\n'}, "main.js imports main.js: modules must not import each other"),
        ({"main": 'import { a } from "./a.js";\n'}, "main.js imports a.js: No such file"),
        ({"main": 'import a from "./a.js";\n', "a": ""}, r"main.js: 'import a from"),
        ({"main": 'import { a } from "./a.js";\nconst b = 1;\n', "a": "let b = 2;\n"}, "name b; they share one scope"),
        ({"main": 'const end = "</script>";\n'}, "holds </script, which would end it in the page"),
        ({"main": "if (a <!--b) {}\n"}, "holds <!--, which would end it in the page"),
    ],
)
def test_what_cannot_be_joined_is_an_error(tmp_path: Path, texts: dict[str, str], why: str) -> None:
    with pytest.raises(BlshError, match=why):
        bundle(modules(tmp_path, **texts), "main.js")


def test_every_module_of_the_page_is_used() -> None:
    text = bundle(PAGE, "main.js") + bundle(PAGE, "worklet.js")
    assert set(re.findall(r"^// ([\w-]+\.js)$", text, re.MULTILINE)) == {path.name for path in PAGE.glob("*.js")}


# ---- models --------------------------------------------------------------------------------------------------------


def test_models_are_named_by_their_files_and_the_classes_come_first(tmp_path: Path) -> None:
    for name in ("own", "phone", "recorder", "another"):
        (tmp_path / f"{name}.npz").touch()
    found = named_models([tmp_path])
    assert [name for name, _ in found] == ["recorder", "phone", "another", "own"]
    with pytest.raises(BlshError, match="two models are named own"):
        named_models([tmp_path, tmp_path / "own.npz"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(BlshError, match=r"empty holds no model \(\*.npz\)"):
        named_models([tmp_path / "empty"])


@pytest.mark.heavy
@pytest.mark.needs("clang", "wasm-ld")
def test_the_command_writes_the_same_page_again(blsh: Blsh, tmp_path: Path) -> None:
    blsh = replace(blsh, project=project_root())  # where the module is compiled already, if other tests have run
    save_model(blsh.cwd / "own.npz", random_voting_model())
    first = blsh.json("playground", "own.npz", "-o", "a.html", "--no-sample")
    assert list(first["image_bytes"]) == ["own"] and first["bytes"] == (blsh.cwd / "a.html").stat().st_size
    blsh.succeed("playground", "own.npz", "-o", "b.html", "--no-sample")
    assert (blsh.cwd / "a.html").read_bytes() == (blsh.cwd / "b.html").read_bytes()
    assert "own: 64 ms, 16 kHz" in (blsh.cwd / "a.html").read_text()
    blsh.refuse("own.npz is the own itself", "playground", "own.npz", "-o", "own.npz")


def test_without_a_compiler_the_command_says_what_to_install(blsh: Blsh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    blsh.refuse(r"no clang and no wasm-ld here.*apt-get install clang lld", "playground", "out/model.npz")


# ---- colours -------------------------------------------------------------------------------------------------------


def themes() -> dict[str, dict[str, str]]:
    """Return the colours of the light and of the dark theme, by their names in the style sheet."""
    light, dark = re.findall(r":root \{(.*?)\}", (PAGE / "colours.css").read_text(), re.DOTALL)
    return {name: dict(re.findall(r"--(\S+): (#\w{6});", text)) for name, text in (("light", light), ("dark", dark))}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        return float(
            np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_and_meters_stand_out(theme: str) -> None:
    colours = themes()[theme]
    texts = [("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"), ("ink", "cell")]
    texts += [("on-accent", "accent"), ("fault", "card")]
    shapes = [("accent", "cell"), ("accent", "card"), ("reduction", "cell")]
    low = [(*pair, least) for pairs, least in ((texts, 4.5), (shapes, 3.0)) for pair in pairs
           if contrast(colours[pair[0]], colours[pair[1]]) < least]  # fmt: skip
    assert low == []


# ---- memory functions ----------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.needs("clang")
def test_the_memory_functions_are_those_of_the_library(tmp_path: Path, rng: np.random.Generator) -> None:
    names = ("memcpy", "memmove", "memset", "memcmp")
    wasm = core_folder().parent / "wasm"
    renamed = [f"-D{name}=blsh_{name}" for name in names]
    command = ["clang", "-O3", "-shared", "-fPIC", *renamed, f"-I{wasm / 'include'}", wasm / "memory.c"]
    subprocess.run([*command, "-o", tmp_path / "memory.so"], check=True)
    library = ctypes.CDLL(str(tmp_path / "memory.so"))
    for size, move in itertools.product((0, 1, 7, 64), (-9, -1, 0, 1, 9)):
        data = bytes(rng.integers(0, 256, 128, np.uint8))
        buffer = ctypes.create_string_buffer(data, 128)
        at = ctypes.addressof(buffer)
        library.blsh_memmove(ctypes.c_void_p(at + 32 + move), ctypes.c_void_p(at + 32), ctypes.c_size_t(size))
        moved = bytearray(data)
        moved[32 + move : 32 + move + size] = data[32 : 32 + size]
        assert buffer.raw == bytes(moved), f"memmove of {size} bytes by {move}"
    target = ctypes.create_string_buffer(b"x" * 16, 16)
    library.blsh_memcpy(target, ctypes.create_string_buffer(b"12345", 5), ctypes.c_size_t(5))
    library.blsh_memset(ctypes.byref(target, 8), 0x1C3, ctypes.c_size_t(4))
    assert target.raw == b"12345xxx\xc3\xc3\xc3\xc3xxxx"
    for one, other, sign in ((b"ab", b"ab", 0), (b"ab", b"b\0", -1), (b"\xff", b"\x01", 1)):
        found = library.blsh_memcmp(one, other, ctypes.c_size_t(len(one)))
        assert np.sign(found) == sign

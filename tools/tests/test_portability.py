# SPDX-License-Identifier: Apache-2.0
"""What Windows and macOS ask of our files: no POSIX without a guard, names that every file system takes.

ruff (encodings, shells, /tmp, os.path) and `mypy --platform win32` (functions that Windows lacks) hold the rest.
"""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import soundfile

from .as_on_windows import MODULES
from .blsh_command import ENVIRONMENT
from .test_house import CHECKOUT, tracked_files
from .tiny_corpus import SEED, noise

SHIPPED = ("trainer/blsh_trainer/", "codegen/", "hil_tests/blsh_hil/", "hil_tests/blsh_suite/", "tools/blsh_")
HELPER = Path(__file__).with_name("as_on_windows.py")
TAKING_APART = ("split", "rsplit", "partition", "rpartition", "find", "rfind", "index")
NOT_IN_NAMES = re.compile(r'[<>:"|?*\\]|[ .]$')


@cache
def shipped() -> list[tuple[str, list[ast.AST]]]:
    """Return each module of the wheel by its path, with all nodes of its syntax tree."""
    names = [name for name in tracked_files("*.py") if name.startswith(SHIPPED) and "/tests/" not in name]
    return [(name, list(ast.walk(ast.parse((CHECKOUT / name).read_text(encoding="utf-8"))))) for name in names]


def guarded(nodes: list[ast.AST]) -> set[ast.AST]:
    """Return all nodes under an `if` or `else` that asks for sys.platform."""
    asks = (node for node in nodes if isinstance(node, ast.If) and "sys.platform" in ast.unparse(node.test))
    return {inner for each in asks for inner in ast.walk(each)}


def unguarded_imports(nodes: list[ast.AST]) -> list[ast.AST]:
    """Return the imports of modules that Windows lacks, those behind a guard left out."""
    safe = guarded(nodes)
    return [node for node in nodes if imported(node) & MODULES and node not in safe]


def imported(node: ast.AST) -> set[str]:
    """Return the top names of the modules that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()


def test_posix_modules_are_imported_behind_a_guard() -> None:
    found = [f"{name}: {ast.unparse(node)}" for name, nodes in shipped() for node in unguarded_imports(nodes)]
    assert not found, f"ask for sys.platform first: {found}"


def test_a_guard_is_told_from_none() -> None:
    tree = ast.parse("import fcntl\nif sys.platform == 'win32':\n    import msvcrt\nelse:\n    import tty\n")
    assert [ast.unparse(node) for node in unguarded_imports(list(ast.walk(tree)))] == ["import fcntl"]


def test_paths_are_not_taken_apart_as_text() -> None:
    """A text with / may be a geometry or the name of an array; what is called a path, or was made from one, is none."""
    found = []
    for name, nodes in shipped():
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                apart = node.func.attr in TAKING_APART and isinstance(first, ast.Constant) and first.value == "/"
                if apart and re.search(r"^str\(|path|file|folder", ast.unparse(node.func.value)):
                    found.append(f"{name}:{node.lineno} {ast.unparse(node)}")
    assert not found, f"use pathlib: {found}"


def is_taken(name: str) -> bool:
    """Return whether Windows takes a name, or a path of names."""
    return not any(NOT_IN_NAMES.search(part) or PureWindowsPath(part).is_reserved() for part in Path(name).parts)


def test_files_have_names_that_every_system_takes() -> None:
    names = tracked_files()
    parts = {part for name in names for part in Path(name).parts}
    bad = [part for part in parts if not is_taken(part)]
    assert not bad, f"Windows refuses {bad}"
    alike = [name for name, count in Counter(name.lower() for name in names).items() if count > 1]
    assert not alike, f"{alike} differ in capitals alone, which Windows and macOS do not tell apart"


def test_names_that_are_written_are_taken_by_windows() -> None:
    """What stands right of `folder / ...` in our code, where it is a text."""
    found = []
    for name, nodes in shipped():
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                pieces = node.right.values if isinstance(node.right, ast.JoinedStr) else [node.right]
                texts = [each.value for each in pieces if isinstance(each, ast.Constant)]
                found += [
                    f"{name}:{node.lineno} {text!r}" for text in map(str, texts) if not is_taken(text.rstrip("."))
                ]
    assert not found, f"Windows refuses {found}"


@pytest.mark.heavy
def test_blsh_works_without_posix(tmp_path: Path) -> None:
    """Every module is imported, and what needs no board is done."""
    samples = noise(16_000, np.random.default_rng(SEED))
    soundfile.write(tmp_path / "in.wav", samples, 16_000)
    lines = (
        ["denoise", "in.wav", "out.wav"],
        ["denoise", "in.wav", "fixed.wav", "--engine", "fixed"],
        ["export", "--to", "lib"],
        ["card", "hearing"],
        ["boards", "--json"],
    )
    command = [sys.executable, str(HELPER), *map(json.dumps, lines)]
    done = subprocess.run(command, cwd=tmp_path, env={**ENVIRONMENT}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 0, 0, 0], done.stderr

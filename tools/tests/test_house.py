# SPDX-License-Identifier: Apache-2.0
"""The house rules that no linter knows: how long a file and a function may be, and how much a function may ask for."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LICENCE = "SPDX-License-Identifier: Apache-2.0"
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_PARAMETERS = 8
COMMANDS = "tools/blsh_tools/commands/"


def tracked_files(*patterns: str) -> list[str]:
    """Return the files that git knows and that are there, by their path in the checkout."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=CHECKOUT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no checkout of git, which tells our files from others'")
    return [name for name in listed.stdout.splitlines() if (CHECKOUT / name).is_file()]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a module, methods and inner ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a caller gives; a method's own object is none of them."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(each.arg not in ("self", "cls") for each in given)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines after the signature: a command's signature holds the help of its options."""
    return (function.end_lineno or function.lineno) - function.body[0].lineno + 1


def test_files_functions_and_signatures_stay_short() -> None:
    found = []
    for name in tracked_files("*.py"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        if text.count("\n") > MOST_FILE_LINES:
            found.append(f"{name}: {text.count(chr(10))} lines, at most {MOST_FILE_LINES}; split it by subject")
        for function in functions(ast.parse(text)):
            place = f"{name}:{function.lineno} {function.name}"
            if body_lines(function) > MOST_FUNCTION_LINES:
                found.append(f"{place}: {body_lines(function)} lines, at most {MOST_FUNCTION_LINES}; name its parts")
            if parameters(function) > MOST_PARAMETERS and not name.startswith(COMMANDS):
                found.append(f"{place}: {parameters(function)} parameters, at most {MOST_PARAMETERS}; group them")
    assert not found, "\n".join(found)


def test_every_source_file_names_its_licence() -> None:
    files = tracked_files("*.py", "*.c", "*.h", "*.sh", "*.ld", "*.css", "*.js", "Makefile", ".ci/run")
    texts = {name: (CHECKOUT / name).read_text(encoding="utf-8") for name in files}
    lacking = [name for name, text in texts.items() if text and LICENCE not in text[:400]]
    assert not lacking, f"{lacking}: begin with a comment, {LICENCE}"

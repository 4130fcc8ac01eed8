# SPDX-License-Identifier: Apache-2.0
"""Rules of the C that no compiler knows: where a number may stand, what may ask for a core, what the manual says."""

import json
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from blsh_codegen.project import core_folder, core_sources, project_root
from blsh_codegen.spec.c_structs import layout_check

CONSTANTS = "blsh_constants.h"
ARCH = "arch"
CORES = {
    "M0": "cortex-m0",
    "M3": "cortex-m3",
    "M4": "cortex-m4",
    "M7": "cortex-m7",
    "M33": "cortex-m33",
    "M55": "cortex-m55",
}


def code(path: Path) -> str:
    """Return a C file without its comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def c_files() -> list[Path]:
    """Return all C of the project that is written by hand."""
    root = project_root()
    folders = [root / "firmware", root / "hil_tests" / "tests", root / "tools" / "tests"]
    files = [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".c", ".h", ".S", ".ld")
    ]
    return [path for path in files if path.relative_to(root).parts[:2] != ("firmware", "generated")]


def test_every_file_names_its_licence() -> None:
    files = c_files()
    assert len(files) > 60
    lacking = [
        path.name for path in files if "SPDX-License-Identifier: Apache-2.0" not in path.read_text().split("\n")[0]
    ]
    assert not lacking, f"first line is not `// SPDX-License-Identifier: Apache-2.0`: {lacking}"


def test_lines_are_short_and_nothing_changes_the_optimisation_of_a_file() -> None:
    for path in c_files():
        text = path.read_text(encoding="utf-8")
        assert max(map(len, text.split("\n"))) <= 120, path.name
        assert "GCC optimize" not in text, f"{path.name}: give the compiler a flag, or write code that needs none"


def test_only_arch_asks_for_the_core_that_is_compiled_for() -> None:
    for path in core_sources():
        text = code(path)
        if path.parent.name == ARCH:
            continue
        assert not re.search(r"__asm__|__ARM|__arm|__thumb|BLSH_ARCH_|BLSH_ASM_|arm_\w+\.h|#pragma", text), path.name
        if path.suffix == ".c":
            assert not re.search(r"^#\s*(if|ifdef|ifndef|else)\b", text, re.MULTILINE), f"{path.name} has an #if"


def test_a_number_of_the_specification_stands_once_and_is_python_s() -> None:
    """Each name of blsh_constants.h is claimed by layout_check, which every build of the host library compiles."""
    header = (core_folder() / CONSTANTS).read_text(encoding="utf-8")
    names = set(re.findall(r"^#define (BLSH_\w+) +\S", header, re.MULTILINE))
    assert len(names) > 30
    claimed = set(re.findall(r"BLSH_\w+", layout_check()))
    assert names <= claimed, f"spec/c_structs.py does not name {sorted(names - claimed)}"
    numbers = set(re.findall(r"\b\d{4,}\b", header))
    assert {"16314", "10017", "21845"} <= numbers
    for path in core_sources():
        if path.name != CONSTANTS:
            again = numbers & set(re.findall(r"\b\d{4,}\b", code(path)))
            assert not again, f"{path.name} repeats {sorted(again)} of {CONSTANTS}"


def test_the_version_is_the_package_s() -> None:
    header = code(core_folder() / "blsh.h")
    numbers = re.findall(r"#define BLSH_VERSION_(MAJOR|MINOR|PATCH) +(\d+)u", header)
    assert [name for name, _ in numbers] == ["MAJOR", "MINOR", "PATCH"]
    assert ".".join(number for _, number in numbers) == version("blsh-mcu")


def test_the_manual_s_table_is_what_was_measured() -> None:
    """Rounded there: within 2 % of the published figures."""
    results = project_root() / "docs" / "results" / "bench-firmware.json"
    if not results.is_file():
        pytest.skip("only a checkout has the published figures")
    rows = [
        row for row in json.loads(results.read_text())["rows"] if row["case"] == "budget" and row["entries"] == 4096
    ]
    measured = {row["core"]: row for row in rows}
    manual = (core_folder() / "blsh.h").read_text(encoding="utf-8")
    table = re.findall(r"\| (M\d+) +\| +([\d ]+) \| +([\d ]+) \| +([\d ]+) \| +([\d ]+) \| +([\d ]+) \|", manual)
    assert [name for name, *_ in table] == list(CORES)
    for name, *figures in table:
        row = measured[CORES[name]]
        expected = [
            row["instructions"]["mean"],
            row["instructions"]["maximum"],
            row["flash"]["core_code"],
            row["ram"]["stack_of_a_hop"],
            row["ram"]["state"],
        ]
        stated = [int(figure.replace(" ", "")) for figure in figures]
        assert stated == pytest.approx(expected, rel=0.02), f"{name}: correct the table of blsh.h"


@pytest.mark.parametrize("header", ["blsh.h", "blsh_format.h", "blsh_state.h", CONSTANTS, "blsh_capacity.h"])
def test_a_header_compiles_alone(header: str) -> None:
    command = [
        "gcc",
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{core_folder()}",
        "-include",
        header,
        "-xc",
        "/dev/null",
    ]
    done = subprocess.run([*command, "-fsyntax-only"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_order_of_reading_leaves_no_file_out() -> None:
    readme = (core_folder() / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(blsh_?\w*\.[ch])`", readme))
    files = {path.name for path in core_sources() if path.parent.name != ARCH}
    contracts = {path.name for path in (core_folder() / ARCH).glob("*.h") if "#include" in path.read_text()}
    assert files - named <= {"blsh_crc32.h"}
    assert named <= files | contracts | {"blsh_model.c", "blsh_tables.c"}, "a file that is not there"

# SPDX-License-Identifier: Apache-2.0
"""The figures of size and time in the README of examples/rp2040, made again for the models of the box."""

import re
import subprocess

import pytest

from blsh_codegen.project import project_root

from .blsh_command import Blsh

README = (project_root() / "examples" / "rp2040" / "README.md").read_text(encoding="utf-8")
TIMED = re.compile(r"^\| ([\w-]+) \| ([\d.]+) million a second \| (\d+) % \| (\d+) % \|$", re.MULTILINE)
SIZED = re.compile(r"^\| ([\w-]+) \| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \| ([\d ]+) \|$", re.MULTILINE)
CORE_HZ = 128_000_000


@pytest.mark.heavy
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row[0], marks=() if row[0] == "intercom" else pytest.mark.slow)
        for row in TIMED.findall(README)
    ],
)
def test_shares_of_the_time(row: tuple[str, ...], blsh: Blsh) -> None:
    model, millions, share, share_of_two = row
    estimate = blsh.json("estimate", model, "--board", "microbit")
    rate = estimate["cpu_share"] * estimate["clock_hz"]
    assert float(millions) == pytest.approx(rate / 1e6, abs=0.06)
    assert [int(share), int(share_of_two)] == [round(100 * cycles * rate / CORE_HZ) for cycles in (1, 2)]


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("row", SIZED.findall(README)[:-1], ids=lambda row: row[0])
def test_sizes_of_the_image(row: tuple[str, ...], blsh: Blsh) -> None:
    """Within a hundredth, for compilers differ; the last row of the table is what the parts have."""
    model, *told = row
    Blsh(blsh.cwd, project_root()).succeed("export", model, "--to", "library", "--example", "rp2040")
    found = []
    for part in ("rp2040", "rp2350"):
        example = blsh.cwd / "library" / "examples" / "rp2040"
        subprocess.run(["make", "-s", "-C", str(example), f"PART={part}"], check=True, capture_output=True)
        built = example / f"out-{part}"
        command = ["arm-none-eabi-size", "-A", str(built / "sound.elf")]
        sections = dict(re.findall(r"^\.(image|bss) +(\d+)", subprocess.check_output(command, text=True), re.MULTILINE))
        found += [(built / "sound.bin").stat().st_size, int(sections["image"]) + int(sections["bss"])]
    assert [int(number.replace(" ", "")) for number in told] == pytest.approx(found, rel=0.01)

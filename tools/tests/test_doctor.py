# SPDX-License-Identifier: Apache-2.0
"""`blsh doctor` finds what is missing, and tells one command that mends it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen import project
from blsh_hil.boards.attached import Attached
from blsh_tools import doctor
from blsh_tools.doctor import MISSING, OK, OPTIONAL, Finding, examine

from .blsh_command import Blsh

PORT = Attached("port", ("nucleo_f446re",), usb="0483:374b", product="ST-LINK")


def found(folder: Path) -> dict[str, Finding]:
    return {each.name.split()[0]: each for each in examine(folder)}


def programs(folder: Path, **output: str) -> str:
    """Return a folder of programs, each of which prints its output, whatever it is asked."""
    for name, text in output.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\necho '{text}'\n")
        program.chmod(0o755)
    return f"{folder}"


def test_everything_is_found_where_it_is(blsh: Blsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = programs(
        tmp_path,
        arm_none_eabi_gcc="/usr/lib/nano.specs",
        **{"gcc": "gcc 12", "espeak_ng": "1.51", "clang": "14"},
        qemu_system_arm="microbit x\nmps2-an385\nmps2-an386\nmps2-an500\nmps2-an505\nmps3-an547\nnetduinoplus2",
    )
    monkeypatch.setenv("PATH", f"{every}:/usr/bin")
    monkeypatch.setattr(doctor, "attached", lambda _boards: [])
    told = blsh.json("doctor")
    assert told["complete"] is True
    states = {each["name"]: each["state"] for each in told["findings"]}
    assert states["serial ports"] == OPTIONAL and set(states.values()) == {OK, OPTIONAL}
    assert all(bool(each["mend"]) == (each["state"] != OK) for each in told["findings"])


def test_each_miss_has_its_command(blsh: Blsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path, qemu_system_arm="microbit x", arm_none_eabi_gcc="nano.specs"))
    monkeypatch.setattr(doctor, "attached", lambda _boards: [])
    outcome = blsh("doctor")
    assert outcome.code == 1 and "gcc MISSING; to mend it: sudo apt-get install gcc libc6-dev" in outcome.stderr
    of = found(tmp_path)
    assert (of["newlib"].state, of["newlib"].mend) == (MISSING, "sudo apt-get install libnewlib-arm-none-eabi")
    assert of["virtual"].state == MISSING and "mps2-an385 (mps2-an385)" in of["virtual"].told
    assert of["espeak-ng"].state == OPTIONAL and of["arm-none-eabi-gcc"].state == OK


def test_old_packages_a_full_disk_and_a_lost_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda _name: ["numpy>=99", "nowhere-to-be-found", "typer"])
    monkeypatch.setattr(doctor, "_FREE_BYTES", 1 << 60)
    monkeypatch.setenv("BLSH_PROJECT", str(tmp_path / "none"))
    of = found(tmp_path)
    assert "numpy is " in of["blsh-mcu"].told and "nowhere-to-be-found is not installed" in of["blsh-mcu"].told
    assert "typer" not in of["blsh-mcu"].told and "pip install --upgrade" in of["blsh-mcu"].mend
    assert of["disk"].state == MISSING and str(tmp_path) in of["disk"].mend
    assert of["project"].state == MISSING and str(tmp_path / "none") in of["project"].told


def test_looking_makes_no_project(blsh: Blsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "_existing", lambda: None)
    place = tmp_path / "blsh-project"
    monkeypatch.setattr(project, "MADE_FOLDER", place)
    assert found(tmp_path)["project"].told == f"{place}, made by the first command that builds"
    assert not place.exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may open every port")
def test_a_port_that_may_not_be_opened_names_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_port(tmp_path, monkeypatch, 0o000, MISSING, "usermod -a -G")


@pytest.mark.parametrize(
    ("holder", "state", "mend"), [("", OK, ""), ("`minicom` (pid 7)", OPTIONAL, "end that program")]
)
def test_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holder: str, state: str, mend: str) -> None:
    check_port(tmp_path, monkeypatch, 0o600, state, mend, held_by=holder)


def check_port(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int, state: str, mend: str, **has: Any) -> None:
    device = folder / "ttyACM0"
    device.touch(mode)
    monkeypatch.setattr(doctor, "attached", lambda _boards: [replace(PORT, port=str(device), **has)])
    finding = found(folder)[str(device)]
    assert finding.state == state and mend in finding.mend and bool(mend) == bool(finding.mend)

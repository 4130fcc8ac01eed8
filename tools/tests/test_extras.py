# SPDX-License-Identifier: Apache-2.0
"""The extras: what needs a package that is not installed names the command that installs it, before any work."""

import json
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.extras import EXTRAS, require

from .blsh_command import Blsh

CHECKOUT = Path(__file__).resolve().parents[2]


def lost(monkeypatch: pytest.MonkeyPatch, package: str) -> str:
    """Let `package` be as if it were not installed; return a pattern of the command that installs it."""
    monkeypatch.setitem(sys.modules, package, None)
    return re.escape(f"{sys.executable} -m pip install 'blsh-mcu[{EXTRAS[package].name}]'")


def test_extras_are_those_of_pyproject() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package, extra in EXTRAS.items():
        assert any(package in each for each in project["optional-dependencies"][extra.name]), package
        assert not any(package in each for each in project["dependencies"]), package


@pytest.mark.parametrize("package", sorted(EXTRAS))
def test_lack_names_the_command(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    command = lost(monkeypatch, package)
    with pytest.raises(BlshError, match=f"needs the package {package}, which is not installed: {command}"):
        require(package)


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("jax", "train nowhere"),
        ("jax", "demo --train"),
        ("jax", "experiment dense nowhere"),
        ("pesq", "experiment table2 nowhere"),
        ("pesq", "evaluate intercom nowhere"),
        ("pesq", "evaluate intercom nowhere --metrics clean"),
        ("distributed", "train nowhere --system extended --scheduler tcp://localhost:1"),
    ],
)
def test_commands_refuse_at_once(
    blsh: Blsh, monkeypatch: pytest.MonkeyPatch, corpus: Path, package: str, line: str
) -> None:
    words = [corpus if word == "nowhere" else word for word in line.split()]
    blsh.refuse(lost(monkeypatch, package), *words)


def test_other_metrics_need_no_pesq(blsh: Blsh, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lost(monkeypatch, "pesq")
    told = blsh.refuse("", "evaluate", "intercom", tmp_path)
    chosen = re.search(r"--metrics (\S+)", told)
    assert chosen is not None and chosen[1] == "sdr_db,si_sdr_db,estoi"
    blsh.refuse("fits none of the layouts", "evaluate", "intercom", tmp_path, "--metrics", chosen[1])


def test_doctor_lists_extras(blsh: Blsh, monkeypatch: pytest.MonkeyPatch) -> None:
    command = lost(monkeypatch, "jax")
    found = {each["name"]: each for each in json.loads(blsh("doctor", "--json").stdout)["findings"]}
    assert found["blsh-mcu[train]"]["state"] == "not here"
    assert re.fullmatch(command, found["blsh-mcu[train]"]["mend"])
    assert f"blsh-mcu {version('blsh-mcu')}" in found

# SPDX-License-Identifier: Apache-2.0
"""The package as it is installed from its wheel: away from any checkout, with the firmware that it carries."""

import json
import os
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_trainer.signals.geometry import CLASSES

from .blsh_command import ENVIRONMENT, TIMEOUT_S
from .projects import BOARD
from .tiny_corpus import TRAINING

pytestmark = pytest.mark.heavy

CHECKOUT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("BLSH_PROJECT", "PYTHONPATH")}
    return subprocess.run(
        command,
        cwd=folder,
        env={**inherited, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def _done(command: list[str], folder: Path) -> str:
    ended = _run(command, folder)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that holds the wheel and, by a path, the packages that the wheel needs."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is in the extra `dev`")
    place = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(place)]
    _done([*build, str(CHECKOUT)], place)
    venv.create(place / "env", symlinks=True)
    (packages,) = (place / "env" / "lib").glob("python3*/site-packages")
    (wheel,) = place.glob("*.whl")
    _done([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), str(wheel)], place)
    # The folder's own .pth files are not read this way: the checkout, installed there for editing, stays unseen.
    (packages / "needed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return place / "env" / "bin" / "python"


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is in the extra `dev`")
    for place in ("one", "two"):
        _done([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / place)], CHECKOUT)
    one, two = (next((tmp_path / place).glob("*.whl")).read_bytes() for place in ("one", "two"))
    assert one == two


@pytest.fixture
def blsh(python: Path, tmp_path: Path) -> Run:
    """Return a function that runs the installed `blsh` in an empty folder and returns its standard output."""
    return lambda *arguments: _done([str(python), "-m", "blsh_tools.cli", *map(str, arguments)], tmp_path)


def test_packages_come_from_the_wheel(python: Path, tmp_path: Path) -> None:
    names = ("blsh_trainer", "blsh_codegen", "blsh_hil", "blsh_firmware", "blsh_suite", "blsh_tools")
    script = "import importlib, sys; print(*[importlib.import_module(n).__file__ for n in sys.argv[1:]], sep='\\n')"
    files = _done([str(python), "-c", script, *names], tmp_path).split()
    assert [Path(file).parent.name for file in files] == list(names)
    assert all(python.parents[1] in Path(file).parents for file in files), files


def test_facts_are_read_without_making_a_project(blsh: Run, tmp_path: Path) -> None:
    assert BOARD in {board["name"] for board in json.loads(blsh("boards", "--json"))["boards"]}
    assert set(CLASSES) <= set(json.loads(blsh("models", "--json"))["models"]), "the wheel carries the box"
    shown = (CHECKOUT / "docs" / "howto" / "new-board.md").read_text(encoding="utf-8")
    assert blsh("docs", "howto/new-board") == shown, "the wheel carries the pages"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("arm-none-eabi-gcc", "gcc")
def test_installed_package_goes_the_whole_way(blsh: Run, corpus: Path, tmp_path: Path) -> None:
    blsh("train", corpus, *TRAINING)
    blsh("generate", "out/model.npz")
    blsh("export", "out/model.npz", "--to", "library", "--example", "rp2040")
    _done(["make", "-s", "-C", "library/examples/rp2040"], tmp_path)
    blsh("build", "--board", BOARD)
    arguments = ("--corpus", corpus, "--minutes", 0.02, "--generated", 0, "-m", "not slow", "-k", "recording or edge")
    found = json.loads(blsh("hil", "--board", "host", "--model", "out/model.npz", "--json", *arguments))
    project = tmp_path / "blsh-project"
    assert found["passed"] and found["hops"] > 0 and found["mismatches"] == 0, found
    assert (project / ".pio" / "build" / BOARD / "firmware.elf").is_file()
    assert (project / "firmware" / "generated" / "blsh_model.c").is_file()
    assert {"LICENSE", "NOTICE"} <= {path.name for path in (tmp_path / "library").iterdir()}
    assert (tmp_path / "library" / "src" / "blsh.h").is_file()
    assert (tmp_path / "library" / "examples" / "rp2040" / "out-rp2040" / "sound.uf2").is_file()


def test_project_of_another_version_is_refused(python: Path, tmp_path: Path) -> None:
    generated = [str(python), "-c", "from blsh_codegen.project import project_root; print(project_root())"]
    assert _done(generated, tmp_path).strip() == str(tmp_path / "blsh-project")
    (tmp_path / "blsh-project" / ".made-from").write_text("another")
    ended = _run([str(python), "-m", "blsh_tools.cli", "boards"], tmp_path)
    assert ended.returncode == 2
    assert "was made by another version of blsh-mcu; move it away for a new one, or set BLSH_PROJECT=" in ended.stderr

# SPDX-License-Identifier: Apache-2.0
"""The workflow of examples/ci: its form, that its commands exist, and that its steps do what they say."""

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from blsh_codegen.project import VARIABLE, project_root
from blsh_firmware.build.project_files import copy_project
from blsh_hil.report.schema import JUNIT_NAME, REPORT_NAME
from blsh_tools.bench.history import read_history
from blsh_tools.cli import app

from .blsh_command import ENVIRONMENT

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra `dev`")

ROOT = project_root()
WORKFLOW = ROOT / "examples" / "ci" / "github-workflow.yml"
PAGE = ROOT / "docs" / "howto" / "own-ci.md"
CONTENT = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
VARIABLES: dict[str, str] = CONTENT["env"]
(JOB,) = CONTENT["jobs"].values()
RUN_STEPS = [step for step in JOB["steps"] if "run" in step]
OURS_ALONE = {"Install"}
"""Steps that are for GitHub's machine alone: here all is installed."""
COMMANDS = [
    shlex.split(re.sub(r"\$(\w+)", lambda found: VARIABLES[found[1]], line))
    for step in RUN_STEPS
    for line in step["run"].splitlines()
]


def schema_check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_form_is_that_of_the_schema(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema comes with the extra `dev`")
    checked = schema_check(WORKFLOW)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text(encoding="utf-8").replace("runs-on:", "runs_on:"), encoding="utf-8")
    assert schema_check(wrong).returncode == 1, "the check itself notices nothing"


def test_actions_are_pinned_by_commit() -> None:
    lines = [line for line in WORKFLOW.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(lines) == len(JOB["steps"]) - len(RUN_STEPS) == 5
    wrong = [
        line for line in lines if not re.fullmatch(r"\s+(- )?uses: actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
    ]
    assert wrong == []


def test_it_installs_this_version() -> None:
    assert VARIABLES["BLSH"] == f"blsh-mcu=={version('blsh-mcu')}"
    packages = next(words for words in COMMANDS if "apt-get" in words and "install" in words)
    setup = (ROOT / "tools" / "setup.sh").read_text(encoding="utf-8")
    assert [name for name in packages[packages.index("-y") + 1 :] if not re.search(rf"\becho {name}\b", setup)] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_and_options_exist(words: list[str], pytestconfig: pytest.Config) -> None:
    if words[0] == "blsh":
        command = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert [word for word in words if word.startswith("-") and word not in known] == []
        context = command.make_context(words[1], words[2:])
        assert context.args == [], "arguments that the command does not know"
    elif words[:3] == ["python", "-m", "pytest"]:
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            pytestconfig.getoption({"--junitxml": "xmlpath"}.get(option, option))  # ValueError: there is none
    else:
        assert words[0] in ("sudo", "python")


def test_what_is_kept_is_what_steps_write() -> None:
    (upload,) = (step for step in JOB["steps"] if "upload-artifact" in step.get("uses", ""))
    kept = {f"{folder}/" for folder in upload["with"]["path"].split()}
    assert upload["if"] == "always()"
    places = [
        word.partition("=")[2] or word for words in COMMANDS for word in words if re.search(r"(^|=)(out|bench)/", word)
    ]
    assert len(places) == 5 and all(place.startswith(tuple(kept)) for place in places)


@pytest.mark.slow
@pytest.mark.needs("arm-none-eabi-gcc", "qemu-system-arm", "espeak-ng", "bash")
def test_the_steps_run(tmp_path: Path) -> None:
    """Run the steps one after the other, as GitHub does, in a repository with the test of the page."""
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    here = tmp_path / "repository"
    (here / "tests").mkdir(parents=True)
    (here / "tests" / "test_denoiser.py").write_text(example, encoding="utf-8")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    project = copy_project(ROOT, here / "blsh-project")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment: dict[str, Any] = {**inherited, **ENVIRONMENT, **VARIABLES, "PATH": programs, VARIABLE: str(project)}
    for step in RUN_STEPS:
        if step["name"] not in OURS_ALONE:
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{step['name']}\n{done.stdout}\n{done.stderr}"
    board = VARIABLES["BOARD"]
    for name in (f"hil/{board}/{JUNIT_NAME}", f"hil/{board}/{REPORT_NAME}", "hil/report.html", "own-tests.xml"):
        assert (here / "out" / name).stat().st_size > 0
    (run,) = read_history(here / "bench" / "history.jsonl")
    assert run.board == board and run.model == VARIABLES["MODEL"]
    assert (here / "bench" / "history.svg").is_file()

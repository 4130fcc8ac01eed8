# SPDX-License-Identifier: Apache-2.0
"""`blsh emulate` keeps a virtual board, `blsh flash` restarts it, and two programs cannot talk to one board."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_firmware.build.images import built_image
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard

from .blsh_command import TIMEOUT_S, Blsh
from .processes import is_running, running
from .projects import BOARD, copy_built

pytestmark = pytest.mark.heavy


def test_flash_restarts_the_emulator_that_runs(built_project: Path, blsh: Blsh, tmp_path: Path, emulator: None) -> None:
    """It keeps its port, has the new image, and no other program can take its port in between."""
    project = copy_built(built_project, tmp_path / "project")
    blsh = Blsh(blsh.cwd, project, {"XDG_RUNTIME_DIR": str(tmp_path)})
    first = f"{built_image(find_board(BOARD), project).build_id:08x}"
    with running(blsh, "emulate", "--pty", "--json") as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        assert started["build_id"] == first
        with (project / "firmware" / "app" / "main.c").open("a") as stream:
            stream.write("/* changed */\n")
        second = blsh.json("build")
        assert second["build_id"] != first
        assert blsh.json("flash")["build_id"] == second["build_id"]
        (virtual,) = (each for each in blsh.json("boards")["attached"] if each["kind"] == "virtual")
        assert (virtual["boards"], virtual["port"], virtual["stale"]) == ([BOARD], started["url"], False)
        assert f"`blsh emulate --pty --json` (pid {process.pid}," in virtual["held_by"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        (left,) = (each for each in blsh.json("boards")["attached"] if each["kind"] == "virtual")
        assert left["stale"]
        assert "restarted" not in blsh.succeed("flash").stderr
        kinds = [each["kind"] for each in blsh.json("boards")["attached"]]
        assert "virtual" not in kinds, "who came next has swept it"


def test_emulator_ends_with_its_command(built: Blsh, tmp_path: Path, emulator: None) -> None:
    blsh = replace(built, environment={"XDG_RUNTIME_DIR": str(tmp_path)})
    for number in (signal.SIGTERM, signal.SIGINT):
        with running(blsh, "emulate", "--json") as process:
            assert process.stdout is not None and json.loads(process.stdout.readline())["url"].startswith("socket://")
            (lock,) = (tmp_path / "blsh").iterdir()
            emulator_pid = int(lock.stem.removeprefix("emulator_"))
            assert is_running(emulator_pid)
            process.send_signal(number)
            assert process.wait(TIMEOUT_S) == 0
        assert not is_running(emulator_pid) and not lock.exists()


def test_no_emulator_without_an_image(generated: Blsh) -> None:
    generated.refuse(f"there is no firmware for {BOARD}", "emulate")
    generated.refuse("there is no firmware for nucleo_f446re", "emulate", "--board", "nucleo_f446re")


# ---- two programs -------------------------------------------------------------------------------------------


HOLDER = """
import sys, time
from blsh_hil.link.client import BoardClient
with BoardClient.open(sys.argv[1]) as client:
    client.hello()
    print("holds", flush=True)
    time.sleep(600)
"""


@pytest.mark.xdist_group("probe")
def test_two_programs_cannot_talk_to_one_board(built: Blsh, tmp_path: Path, model: Path, emulator: None) -> None:
    """Every command that opens a port says who holds it; when the holder is killed, the next command gets it."""
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    blsh = replace(built, environment=environment)
    soundfile.write(built.cwd / "in.wav", 0.1 * np.sin(np.arange(4000)), 16_000)
    image = built_image(find_board(BOARD), built.project)
    with VirtualBoard(image.board, image.elf, link="pty") as virtual:
        command = [sys.executable, "-c", HOLDER, virtual.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environment}) as holder:
            try:
                assert holder.stdout is not None and holder.stdout.readline() == b"holds\n"
                expected = (
                    rf"^{virtual.url} is in use by `python -c {virtual.url}` \(pid {holder.pid}, since .*`blsh boards`"
                )
                blsh.refuse(expected, "flash", "--port", virtual.url)
                blsh.refuse(expected, "hil", "--model", model, "--port", virtual.url)
                denoise = ("denoise", "in.wav", "out.wav", "--engine", "device", "--model", model)
                blsh.refuse(expected, *denoise, "--port", virtual.url)
            finally:
                holder.kill()
        assert blsh.json("flash", "--port", virtual.url)["build_id"] == f"{image.build_id:08x}"

# SPDX-License-Identifier: Apache-2.0
"""`blsh doctor`: what this machine lacks, and how to mend it."""

from pathlib import Path

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import AsJson


def doctor(as_json: AsJson = False) -> None:
    """Look for all that the commands need: packages, compiler, emulator, serial ports, disk, and a place to build in.

    For each thing that is missing, the command is shown that brings it. Exit code 1: something is missing that is
    needed; what only some commands want does not count.
    """
    from blsh_tools.doctor import MISSING, OK, examine, findings_as_json

    found = examine(Path())
    header = ("", "state", "found", "for")
    rows = [(each.name, each.state, each.told, each.what) for each in found]
    show(findings_as_json(found), as_json, rows, "This machine", header)
    for each in found:
        if each.state != OK:
            say(f"{each.name} {each.state}; to mend it: {each.mend}")
    if any(each.state == MISSING for each in found):
        raise typer.Exit(1)

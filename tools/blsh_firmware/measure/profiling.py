# SPDX-License-Identifier: Apache-2.0
"""Count the instructions that passages of an image execute, one by one, with a plugin for QEMU's translator."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blsh_codegen.project import project_root
from blsh_firmware.measure.disassembly import Function, return_addresses
from blsh_hil.boards.board import Memory
from blsh_trainer.errors import BlshError

PLUGIN_SOURCE = "firmware/bench/profile_plugin.c"


@dataclass(frozen=True)
class Passage:
    """A part of a run: from the function at address `begin` to one of the addresses `ends` that its calls return to."""

    begin: int
    ends: tuple[int, ...]


@dataclass
class Profile:
    """Exact counts over all passages of a run.

    passes: instructions of each passage, in order, by the number of the Passage. Of each address, executed: how often
    it was executed; taken: how often the program went on elsewhere than at the next instruction; flash_reads: how often
    the instruction read data from flash. lines: lines of 32 bytes of flash that were read as data, each counted once a
    passage.
    """

    passes: dict[int, list[int]] = field(default_factory=dict)
    executed: Counter[int] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    flash_reads: Counter[int] = field(default_factory=Counter)
    lines: int = 0

    @property
    def count(self) -> int:
        """The number of passages."""
        return sum(map(len, self.passes.values()))


def passage_of(functions: dict[str, Function], name: str) -> Passage:
    """Return the passage of each run of the function `name`. Raises BlshError where nothing calls it directly."""
    return Passage(functions[name].address, return_addresses(functions, name))


def build_plugin(folder: Path) -> Path:
    """Build the plugin in `folder`; returns the shared library.

    Raises BlshError if the host's compiler is missing or refuses it.
    """
    library = folder / "profile.so"
    command = ["gcc", "-O2", "-shared", "-fPIC", str(project_root() / PLUGIN_SOURCE), "-o", str(library)]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise BlshError("gcc is missing; install the Debian package gcc") from error
    except subprocess.CalledProcessError as error:
        raise BlshError(f"the profiling plugin does not compile: {error.stderr.strip()}") from error
    return library


def plugin_arguments(library: Path, output: Path, passages: Sequence[Passage], flash: Memory | None = None) -> str:
    """Return the value of QEMU's option -plugin.

    output: the file that the plugin writes. flash: where reads of data are counted; None: nowhere, which is faster.
    """
    for path in (library, output):
        if "," in str(path):
            raise BlshError(f"{path} has a comma, which ends a value on QEMU's command line; choose another folder")
    places = [f"from={passage.begin:#x}" + "".join(f",to={end:#x}" for end in passage.ends) for passage in passages]
    watched = [f"flash={flash.origin:#x},size={flash.size:#x}"] if flash is not None else []
    return ",".join([str(library), f"out={output}", *places, *watched])


def read_profile(path: Path, functions: dict[str, Function]) -> Profile:
    """Read the plugin's file `path` about an image with `functions`. Raises BlshError if it is not complete."""
    sizes = {i.address: i.size for function in functions.values() for i in function.instructions}
    profile, complete = Profile(), False
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, *fields = line.split()
        numbers = [int(each, 0) for each in fields]
        if kind == "pass":
            profile.passes.setdefault(numbers[0], []).append(numbers[1])
        elif kind == "block":
            _add_block(profile, sizes, *numbers)
        elif kind == "read":
            profile.flash_reads[numbers[0]] += numbers[1]
        elif kind == "lines":
            profile.lines, complete = numbers[0], True
    if not complete:
        raise BlshError(f"{path} is not whole: the emulator ended before the plugin had written it; measure again")
    return profile


def _add_block(profile: Profile, sizes: dict[int, int], start: int, instructions: int, runs: int, taken: int) -> None:
    address = last = start
    for _ in range(instructions):
        if address not in sizes:
            raise BlshError(f"{address:#x} was executed, but the image has no instruction there; build it again")
        profile.executed[address] += runs
        last = address
        address += sizes[address]
    profile.taken[last] += taken

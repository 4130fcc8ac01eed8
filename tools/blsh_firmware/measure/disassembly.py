# SPDX-License-Identifier: Apache-2.0
"""Read the functions and instructions of an ELF file for Cortex-M, by the disassembler of binutils."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from blsh_trainer.errors import BlshError

OBJDUMP = "arm-none-eabi-objdump"
_HEAD = re.compile(r"^([0-9a-f]+) <(.+)>:$")
_LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)(?:\s+(.*))?$")
_NOTE = re.compile(r"\s*(?:@|;).*$")
_TARGET = re.compile(r"^(?:[a-z]\w*, )*([0-9a-f]+) <([^>+]+)(?:\+0x([0-9a-f]+))?>")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    size: its bytes. name: its mnemonic, without a suffix for its width. operands: as text. target: the address that a
    branch or call with a fixed destination goes to, and the function in which that lies; None for other instructions.
    """

    address: int
    size: int
    name: str
    operands: str
    target: tuple[int, str] | None


@dataclass(frozen=True)
class Function:
    """A function of the image. instructions: in the order of their addresses."""

    name: str
    address: int
    instructions: tuple[Instruction, ...]

    @property
    def size(self) -> int:
        """Bytes of the instructions, without tables between or behind them."""
        return sum(instruction.size for instruction in self.instructions)


@cache
def disassemble(elf: Path, written_ns: int | None = None) -> dict[str, Function]:
    """Return the functions of `elf` by name; where several have one name, each name has the function's address behind.

    written_ns: when the file was written; a file that was written again is read again.
    Raises BlshError if the disassembler is missing or refuses the file.
    """
    try:
        command = [OBJDUMP, "-d", "-z", str(elf)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BlshError(f"{OBJDUMP} is missing; install the Debian package binutils-arm-none-eabi") from error
    if done.returncode:
        raise BlshError(f"{OBJDUMP} cannot read {elf}: {done.stderr.strip()}; build it again")
    return parse_disassembly(done.stdout)


def functions_of(elf: Path) -> dict[str, Function]:
    """Return the functions of `elf` as it is now, as disassemble."""
    return disassemble(elf, elf.stat().st_mtime_ns if elf.exists() else None)


def parse_disassembly(text: str) -> dict[str, Function]:
    """Return the functions in the output of objdump -d, by name."""
    heads: list[tuple[int, str, list[Instruction]]] = []
    for line in text.splitlines():
        if (head := _HEAD.match(line)) is not None:
            heads.append((int(head[1], 16), head[2], []))
        elif heads and (found := _LINE.match(line)) is not None and not found[3].startswith("."):
            heads[-1][2].append(_instruction(found))
    names = [name for _, name, _ in heads]
    return {
        name if names.count(name) == 1 else f"{name}@{address:#x}": Function(name, address, tuple(body))
        for address, name, body in heads
        if body
    }


def return_addresses(functions: dict[str, Function], callee: str) -> tuple[int, ...]:
    """Return the addresses that direct calls of `callee` return to. Raises BlshError if there is no direct call."""
    places = tuple(
        instruction.address + instruction.size
        for function in functions.values()
        for instruction in function.instructions
        if instruction.name in ("bl", "blx") and instruction.target
        if instruction.target[0] == functions[callee].address
    )
    if not places:
        raise BlshError(f"nothing in the image calls {callee}; expected a call, to measure there")
    return places


def _instruction(found: re.Match[str]) -> Instruction:
    operands = _NOTE.sub("", found[4] or "").strip()
    target = _TARGET.match(operands)
    return Instruction(
        address=int(found[1], 16),
        size=len(found[2].replace(" ", "")) // 2,
        name=found[3].removesuffix(".n").removesuffix(".w"),
        operands=operands,
        target=(int(target[1], 16), target[2]) if target else None,
    )

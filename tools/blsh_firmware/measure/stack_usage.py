# SPDX-License-Identifier: Apache-2.0
"""Compute the most stack that an image can use: frames from -fstack-usage, calls from the linked code.

The compiler's .su files tell the size of each function's frame. The ELF file tells the calls, after inlining and
linking. Functions without a .su file (libgcc, newlib, assembler) are measured by their own instructions.

A figure is a bound, because everything that could break it is an error: recursion, a frame of unknown size, a call
through a pointer of a function that `indirect_calls` does not name. The declarations are checked in both directions.
A declared name that the image does not hold is an error. So is a function of ours that no declared call reaches,
because the linker has dropped all functions without a reference.

GCC's -fcallgraph-info=su is no substitute. It has one placeholder for all calls through pointers, and neither frames
nor calls of library functions. It knows no calls of inline assembler, and not which functions the linker has dropped.
"""

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section, SymbolTableSection

from blsh_firmware.measure.disassembly import Function, Instruction, functions_of
from blsh_trainer.errors import BlshError

ENCODERS = ("blsh_frame_begin", "blsh_frame_put", "blsh_frame_end", "close_block", "write_delimiter")
OUTPUT = ("write_uart",)
PROBES = {"blsh_server_hop": "observe", "handle_push": "add_stage"}
"""The function that watches the stages of a hop, for each handler of a request that runs one."""

REQUESTS, VECTORS = "requests", "vectors"
"""Names of the tables in the image with all that the server can call, and all that the processor itself can."""

RESET, FAULT = "reset_handler", "fault_handler"
_PUSHED_BY_CORE = 32 + 4  # bytes of an interrupt: eight registers, and the word that may align the stack
_PUSHED_FLOATS = 72  # more where the image uses floats or Helium: 16 registers, FPSCR and a word
_COPY = re.compile(r"\.(?:constprop|isra|part|cold)(?:\.\d+)?")
_SU_LINE = re.compile(r"^(.+):(\d+):(\d+):(\S+)\t(\d+)\t(\S+)$")
_REGISTER_SPAN = re.compile(r"\b([rsdq])(\d+)-[rsdq](\d+)\b")
_MINUS = re.compile(r"\[sp, #-(\d+)\]!")


@dataclass(frozen=True)
class StackUsage:
    """The deepest chain of calls from a function. bytes: of all its frames. chain: the functions on the way."""

    bytes: int
    chain: tuple[str, ...]


@dataclass(frozen=True)
class ImageStack:
    """Worst cases of an image.

    thread: of the start-up code, main and all below. interrupt: of the deepest handler, with what the processor pushes.
    total_bytes: the sum of both. hop: of blsh_hop without a probe, the core's need of a user's stack.
    """

    thread: StackUsage
    interrupt: StackUsage
    hop: StackUsage
    total_bytes: int


class CallGraph:
    """The calls in an image, and the stack of each function.

    functions: as functions_of returns them. frames: bytes of each function's frame, as read_frames returns them; a
    function that is not in it is measured by its instructions. indirect: for each function that calls through pointers,
    the functions that these calls can reach.
    """

    def __init__(
        self, functions: Mapping[str, Function], frames: Mapping[str, int], indirect: Mapping[str, Sequence[str]]
    ) -> None:
        self._functions = functions
        self._by_address = {function.address: name for name, function in functions.items()}
        self._frames = frames
        self._indirect = indirect
        self._known: dict[str, StackUsage] = {}

    def worst_case(self, name: str) -> StackUsage:
        """Return the deepest chain from the function `name`.

        Raises BlshError for recursion, a function that is not in the image, and a call through a pointer in a function
        that `indirect` does not name.
        """
        return self._deepest(name, ())

    def _deepest(self, name: str, above: tuple[str, ...]) -> StackUsage:
        if name in above:
            loop = " -> ".join((*above[above.index(name) :], name))
            raise BlshError(f"recursion: {loop}; its depth is unknown, so no stack is enough: write it as a loop")
        if name not in self._known:
            below = [self._deepest(callee, (*above, name)) for callee in self._callees(name)]
            deepest = max(below, key=lambda usage: usage.bytes, default=StackUsage(0, ()))
            self._known[name] = StackUsage(self.frame(name) + deepest.bytes, (name, *deepest.chain))
        return self._known[name]

    def check_reached(self) -> None:
        """Raise BlshError for a function with a .su file that no chain asked for so far has reached."""
        missed = [name for name in self._functions if _plain_name(name) in self._frames and name not in self._known]
        if missed:
            raise BlshError(
                f"no declared call reaches {', '.join(sorted(missed))}, which the image holds; "
                "declare in indirect_calls (stack_usage.py) who calls it through a pointer"
            )

    def frame(self, name: str) -> int:
        """Return the bytes of the function's own frame."""
        known = self._frames.get(_plain_name(name))
        return known if known is not None else measured_frame(self._function(name))

    def _function(self, name: str) -> Function:
        if name not in self._functions:
            raise BlshError(f"function {name} is not in the image; correct the declared calls")
        return self._functions[name]

    def _callees(self, name: str) -> list[str]:
        function = self._function(name)
        called: dict[str, None] = {}
        for instruction in function.instructions:
            if instruction.target is not None and (callee := self._reached(function, instruction)) is not None:
                called[callee] = None
            elif _through_pointer(instruction):
                called |= dict.fromkeys(self._declared(name, instruction))
        return list(called)

    def _reached(self, function: Function, instruction: Instruction) -> str | None:
        """Return the function that a branch enters; None where it stays in its own function."""
        assert instruction.target is not None
        address, _ = instruction.target
        callee = self._by_address.get(address)
        is_call = instruction.name in ("bl", "blx")
        if callee is None:
            last = function.instructions[-1]
            if function.address <= address <= last.address:
                return None
            library = self._in_library(address)
            if library is not None:
                return library
            raise BlshError(f"{function.name} branches to {address:#x}, the middle of another function; not understood")
        return callee if is_call or address != function.address else None

    def _in_library(self, address: int) -> str | None:
        """Return the function of the compiler's library whose middle lies there: it takes its whole frame at most."""
        for name, function in self._functions.items():
            if name.startswith("__") and function.address < address <= function.instructions[-1].address:
                return name
        return None

    def _declared(self, name: str, instruction: Instruction) -> Sequence[str]:
        declared = self._indirect.get(_plain_name(name))
        if declared is None:
            raise BlshError(
                f"{name} calls through a pointer at {instruction.address:#x}; "
                "declare in indirect_calls (stack_usage.py) which functions it can reach"
            )
        return declared


def read_frames(files: Iterable[Path]) -> dict[str, int]:
    """Return the bytes of each function's frame, from .su files of -fstack-usage; of two with one name, the larger.

    Raises BlshError for a line of another form, and for a frame whose size is unknown when compiling.
    """
    frames: dict[str, int] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            found = _SU_LINE.match(line)
            if found is None:
                raise BlshError(f"{file}: {line!r} is no line of -fstack-usage; build again")
            if found[6] not in ("static", "dynamic,bounded"):
                raise BlshError(f"{found[1]}:{found[2]}: the frame of {found[4]} is {found[6]}; give it a fixed size")
            name = _plain_name(found[4])
            frames[name] = max(frames.get(name, 0), int(found[5]))
    if not frames:
        raise BlshError("no .su files; build with -fstack-usage")
    return frames


def image_stack(elf: Path, su_files: Iterable[Path]) -> ImageStack:
    """Return the worst cases of a firmware image.

    All its interrupts have one priority, so at most one is on top of the thread; a fault does not need the stack below.
    Raises BlshError for whatever CallGraph and indirect_calls refuse.
    """
    functions = functions_of(elf)
    frames = read_frames(su_files)
    declared = indirect_calls(elf, functions)
    graph = CallGraph(functions, frames, declared)
    vectors = pointers_of(elf, VECTORS, functions)
    thread = graph.worst_case(RESET)
    graph.worst_case(FAULT)  # the call refuses recursion and unknown calls there, too
    interrupts = [graph.worst_case(name) for name in vectors if name not in (RESET, FAULT)]
    interrupt = max(interrupts, key=lambda usage: usage.bytes)
    graph.check_reached()
    alone = CallGraph(functions, frames, {**declared, "blsh_hop": ()})
    floats = any(i.name.startswith("v") for f in functions.values() for i in f.instructions)
    pushed = _PUSHED_BY_CORE + (_PUSHED_FLOATS if floats else 0)
    return ImageStack(
        thread=thread,
        interrupt=StackUsage(interrupt.bytes + pushed, interrupt.chain),
        hop=alone.worst_case("blsh_hop"),
        total_bytes=thread.bytes + interrupt.bytes + pushed,
    )


def indirect_calls(elf: Path, functions: Mapping[str, Function]) -> dict[str, tuple[str, ...]]:
    """Return the functions that calls through pointers can reach: requests, probes of a hop, output of the encoder.

    The requests are read from the image's own table, so they include those of the slots where the firmware has slots.
    Raises BlshError for a declared function that is not in the image. A declared caller may have been inlined: it is
    also looked for in the debug information.
    """
    requests = pointers_of(elf, REQUESTS, functions)
    probes = tuple(probe for handler, probe in PROBES.items() if handler in requests)
    calls = {"blsh_server_receive": requests, "blsh_hop": probes, **dict.fromkeys(ENCODERS, OUTPUT)}
    held = {_plain_name(name) for name in functions}
    known = held | _debug_names(elf, calls.keys() - held)
    for name in (*calls, *(callee for callees in calls.values() for callee in callees)):
        if name not in (known if name in calls else held):
            raise BlshError(f"function {name} is not in {elf.name}; correct the declared calls in stack_usage.py")
    return calls


def pointers_of(elf: Path, table: str, functions: Mapping[str, Function]) -> tuple[str, ...]:
    """Return the functions that the words of the constant `table` point to, each once. Raises BlshError for none."""
    thumb = {function.address | 1: name for name, function in functions.items()}
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        symbols = image.get_section_by_name(".symtab")
        found = symbols.get_symbol_by_name(table) if isinstance(symbols, SymbolTableSection) else None
        if found is None or len(found) != 1:
            raise BlshError(f"{elf.name} holds no one table {table}; correct the names in stack_usage.py")
        at, size = found[0]["st_value"], found[0]["st_size"]
        section: Section = image.get_section(found[0]["st_shndx"])
        content = section.data()[at - section["sh_addr"] :][:size]
    words = struct.unpack(f"<{size // 4}I", content)
    names = tuple(dict.fromkeys(thumb[word] for word in words if word in thumb))
    if not names:
        raise BlshError(f"the table {table} of {elf.name} points to no function; expected pointers in it")
    return names


def _debug_names(elf: Path, names: Iterable[str]) -> set[str]:
    """Return the `names` that the image's debug information holds; inlined functions are there."""
    with elf.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".debug_str")
        strings = set(section.data().split(b"\0")) if section is not None else set()
    return {name for name in names if name.encode() in strings}


def measured_frame(function: Function) -> int:
    """Return the bytes of stack that the instructions of `function` take, added up."""
    return sum(_taken(instruction) for instruction in function.instructions)


def _taken(instruction: Instruction) -> int:
    name, operands = instruction.name, instruction.operands
    if name == "push" or (name in ("stmdb", "stmfd") and operands.startswith("sp!")):
        return 4 * register_count(operands)
    if name in ("vpush", "vstmdb") and (name == "vpush" or operands.startswith("sp!")):
        return (4 if "s" in operands.replace("sp", "") else 8) * register_count(operands)
    if name.startswith("sub") and operands.startswith("sp, "):
        amount = operands.rsplit("#", 1)
        if len(amount) != 2:
            raise BlshError(f"{instruction.address:#x}: {name} {operands}: a frame of unknown size; make it fixed")
        return int(amount[1], 0)
    if name.startswith("str") and (found := _MINUS.search(operands)) is not None:
        return int(found[1])
    return 0


def register_count(operands: str) -> int:
    """Return the number of registers in a list of operands, like 5 for {r4-r7, lr}."""
    inside = operands[operands.index("{") + 1 : operands.index("}")]
    return sum(
        int(span[3]) - int(span[2]) + 1 if (span := _REGISTER_SPAN.fullmatch(part.strip())) else 1
        for part in inside.split(",")
    )


def _through_pointer(instruction: Instruction) -> bool:
    """Return whether `instruction` calls through a register, or jumps through one other than to return.

    `mov pc` is neither: the compiler uses it within a function, for a table of jumps.
    """
    if instruction.target is not None:
        return False
    return instruction.name == "blx" or (instruction.name.startswith("bx") and instruction.operands != "lr")


def _plain_name(name: str) -> str:
    """Return `name` without the suffix that the compiler gives a copy, or functions_of a name that occurs twice."""
    return _COPY.sub("", name.split("@")[0])

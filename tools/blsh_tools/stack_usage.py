"""The most stack that an image can use: frames from -fstack-usage, calls from the linked code.

The compiler's .su files say how large each function's frame is; who calls whom stands in the ELF file itself, after
inlining and linking. Calls through pointers have to be declared, function by function; recursion, a frame of unknown
size and an undeclared call are errors, so a figure is a bound. Functions without a .su file (libgcc, newlib, assembly)
are measured by their own instructions.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blsh_tools.disassembly import Function, Instruction, functions_of
from blsh_trainer.errors import BlshError

PROBES = ("observe",)
INDIRECT_CALLS: Mapping[str, Sequence[str]] = {
    "blsh_hop": PROBES,
    "blsh_frame_begin": ("write_uart",),
    "blsh_frame_put": ("write_uart",),
    "blsh_frame_end": ("write_uart",),
    "close_block": ("write_uart",),
    "write_delimiter": ("write_uart",),
    "blsh_server_receive": (
        "handle_hello",
        "blsh_server_reset_stream",
        "blsh_server_hop",
        "handle_count_loop",
        "handle_reset",
        "handle_check",
    ),
}
"""What the firmware's calls through pointers can reach: the probe of a hop, the encoder's output, the requests."""

RESET, INTERRUPT, FAULT = "reset_handler", "hal_rx_irq", "fault_handler"
_PUSHED_BY_CORE = 32 + 4  # eight registers, and the word that may align the stack
_PUSHED_FLOATS = 72  # 16 registers, FPSCR and a word, where the image uses floats or Helium
_COPY = re.compile(r"\.(?:constprop|isra|part|cold)(?:\.\d+)?")
_SU_LINE = re.compile(r"^(.+):(\d+):(\d+):(\S+)\t(\d+)\t(\S+)$")
_REGISTER_SPAN = re.compile(r"\b([rsdq])(\d+)-[rsdq](\d+)\b")
_MINUS = re.compile(r"\[sp, #-(\d+)\]!")


@dataclass(frozen=True)
class StackUsage:
    """The deepest chain of calls from a function: its bytes and the names on the way."""

    bytes: int
    chain: tuple[str, ...]


@dataclass(frozen=True)
class ImageStack:
    """Worst cases of an image in bytes: what main and all below it need, the interrupt on top, and their sum.

    hop: of blsh_hop alone, without a probe: what the core asks of a user's stack.
    """

    thread: StackUsage
    interrupt: StackUsage
    hop: StackUsage
    total_bytes: int


class CallGraph:
    """Who calls whom in an image, and what each function takes of the stack.

    functions: of functions_of. frames: bytes by function, as `read_frames` gives them; others are measured by their
    instructions. indirect: what calls through pointers reach, by calling function.
    Raises BlshError for a call through a pointer in a function that `indirect` does not name.
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
        """The deepest chain from `name`. BlshError for recursion, and for what is not in the image."""
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

    def frame(self, name: str) -> int:
        """Bytes of the function's own frame."""
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
        """The function that a branch enters; None where it stays in its own."""
        assert instruction.target is not None
        address, _ = instruction.target
        callee = self._by_address.get(address)
        is_call = instruction.name in ("bl", "blx")
        if callee is None:
            last = function.instructions[-1]
            if function.address <= address <= last.address:
                return None
            raise BlshError(f"{function.name} branches to {address:#x}, the middle of another function; not understood")
        return callee if is_call or address != function.address else None

    def _declared(self, name: str, instruction: Instruction) -> Sequence[str]:
        declared = self._indirect.get(_plain_name(name))
        if declared is None:
            raise BlshError(
                f"{name} calls through a pointer at {instruction.address:#x}; "
                "declare in INDIRECT_CALLS (stack_usage.py) which functions it can reach"
            )
        return [callee for callee in declared if callee in self._functions]


def read_frames(files: Iterable[Path]) -> dict[str, int]:
    """Bytes of each function's frame, from .su files of -fstack-usage; the most, where a name occurs twice.

    Raises BlshError for a line that is none, and for a frame whose size is not known when compiling.
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


def image_stack(elf: Path, su_files: Iterable[Path], indirect: Mapping[str, Sequence[str]] | None = None) -> ImageStack:
    """The worst cases of a firmware image. One interrupt is ever enabled, and a fault gives the stack up."""
    functions = functions_of(elf)
    frames = read_frames(su_files)
    declared = INDIRECT_CALLS if indirect is None else indirect
    graph = CallGraph(functions, frames, declared)
    thread, interrupt = graph.worst_case(RESET), graph.worst_case(INTERRUPT)
    alone = CallGraph(functions, frames, {**declared, "blsh_hop": ()})
    floats = any(i.name.startswith("v") for f in functions.values() for i in f.instructions)
    pushed = _PUSHED_BY_CORE + (_PUSHED_FLOATS if floats else 0)
    graph.worst_case(FAULT)  # no recursion and no unknown call there either
    return ImageStack(
        thread=thread,
        interrupt=StackUsage(interrupt.bytes + pushed, interrupt.chain),
        hop=alone.worst_case("blsh_hop"),
        total_bytes=thread.bytes + interrupt.bytes + pushed,
    )


def measured_frame(function: Function) -> int:
    """Bytes that the instructions of `function` take from the stack: all that any of them takes, added up."""
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
            raise BlshError(f"{instruction.address:#x}: {name} {operands}: a frame of unknown size")
        return int(amount[1], 0)
    if name.startswith("str") and (found := _MINUS.search(operands)) is not None:
        return int(found[1])
    return 0


def register_count(operands: str) -> int:
    """How many registers stand in the list of an instruction's operands, like {r4-r7, lr}."""
    inside = operands[operands.index("{") + 1 : operands.index("}")]
    return sum(
        int(span[3]) - int(span[2]) + 1 if (span := _REGISTER_SPAN.fullmatch(part.strip())) else 1
        for part in inside.split(",")
    )


def _through_pointer(instruction: Instruction) -> bool:
    """A call of a register, or a jump to one that is not a return. `mov pc` jumps within a function, to a table's."""
    if instruction.target is not None:
        return False
    return instruction.name == "blx" or (instruction.name.startswith("bx") and instruction.operands != "lr")


def _plain_name(name: str) -> str:
    """Without what the compiler adds to the name of a copy that it made, or `functions_of` to a name used twice."""
    return _COPY.sub("", name.split("@")[0])

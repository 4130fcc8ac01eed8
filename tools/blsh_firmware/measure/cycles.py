# SPDX-License-Identifier: Apache-2.0
"""Estimate cycles from counted instructions, by the costs of their classes on M0+, M4 and M7, and of reading flash.

docs/benchmarks.md says where the costs come from. Each estimate is a pair: at best, without wait states or with all
that caches and prefetching promise; and at worst, without their help. A real part lies between the two.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from blsh_firmware.measure.disassembly import Function, Instruction
from blsh_firmware.measure.profiling import Profile
from blsh_firmware.measure.stack_usage import register_count

_CONDITIONS = "eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_BRANCH = re.compile(rf"b({_CONDITIONS})?|cbn?z|tb[bh]|bl|blx|bx|le")
_LOAD = re.compile(r"v?ldr")
_STORE = re.compile(r"v?str")
_MANY = re.compile(r"push|pop|v?ldm|v?stm|vpush|vpop")
_MULTIPLY = re.compile(r"mul|ml[as]|[su]m[lmu]|smu[al]|smm")
_DIVIDE = re.compile(r"[su]div")
_SYSTEM = re.compile(r"mrs|msr|dsb|isb|dmb")
_REGISTER = re.compile(r"\b(?:r\d+|sl|fp|ip|lr)\b")


@dataclass(frozen=True)
class Mix:
    """The instructions of an average hop.

    hops: the number of hops counted. classes: instructions of each class. The classes are:
    - alu, multiply, divide, system;
    - load and store, of one word; adjacent, a load or store right behind another; double, one of two words;
    - many, an instruction of several registers, and `registers`, the number of its registers;
    - taken and `not taken`, branches; conditional, branches that may or may not be taken;
    - calls, the taken branches that call; returns, instructions that load the PC;
    - load_use, a load whose result the next instruction needs.

    code_bytes: bytes of all instructions executed. flash_reads: words of data read from flash. flash_lines: lines of 32
    bytes in which the words read lie.
    """

    hops: int
    classes: dict[str, float]
    code_bytes: float
    flash_reads: float
    flash_lines: float

    @property
    def instructions(self) -> float:
        """All instructions of a hop."""
        counted = ("alu", "multiply", "divide", "system", "load", "store", "adjacent", "double", "many", "taken")
        return sum(self.classes.get(kind, 0.0) for kind in (*counted, "not taken"))


def measure_mix(profile: Profile, functions: dict[str, Function]) -> Mix:
    """Return the mean mix of a profile whose passages are hops."""
    classes: Counter[str] = Counter()
    code_bytes = 0
    for function in functions.values():
        before: Instruction | None = None
        for at, instruction in enumerate(function.instructions):
            runs = profile.executed[instruction.address]
            if runs:
                code_bytes += runs * instruction.size
                following = function.instructions[at + 1] if at + 1 < len(function.instructions) else None
                for kind, count in _classes(instruction, before, following).items():
                    classes[kind] += runs * count
                if _BRANCH.fullmatch(instruction.name) or _loads_pc(instruction):
                    _count_branch(classes, instruction, runs, profile.taken[instruction.address])
            before = instruction
    hops = max(profile.count, 1)
    return Mix(
        hops=profile.count,
        classes={kind: count / hops for kind, count in sorted(classes.items()) if count},
        code_bytes=code_bytes / hops,
        flash_reads=sum(profile.flash_reads.values()) / hops,
        flash_lines=profile.lines / hops,
    )


def _classes(instruction: Instruction, before: Instruction | None, following: Instruction | None) -> dict[str, int]:
    name, found = instruction.name, {}
    if _BRANCH.fullmatch(name):
        return {}
    if _MANY.match(name):
        return {"many": 1, "registers": register_count(instruction.operands)}
    if _LOAD.match(name) or _STORE.match(name):
        kind = "load" if _LOAD.match(name) else "store"
        if name[:4] in ("ldrd", "strd"):
            kind = "double"
        elif before is not None and _is_single_access(before):
            kind = "adjacent"
        found = {kind: 1}
        if following is not None and _LOAD.match(name) and _needs(instruction, following):
            found["load_use"] = 1
        return found
    for pattern, kind in ((_DIVIDE, "divide"), (_MULTIPLY, "multiply"), (_SYSTEM, "system")):
        if pattern.match(name):
            return {kind: 1}
    return {"alu": 1}


def _count_branch(classes: Counter[str], instruction: Instruction, runs: int, taken: int) -> None:
    if _loads_pc(instruction):
        classes["returns"] += taken  # the instruction itself counts in `many`
        return
    classes["taken"] += taken
    classes["not taken"] += runs - taken
    if instruction.name in ("bl", "blx"):
        classes["calls"] += taken
    if instruction.name not in ("b", "bl", "blx", "bx"):
        classes["conditional"] += runs


def _loads_pc(instruction: Instruction) -> bool:
    return instruction.name.startswith(("pop", "ldm")) and re.search(r"\bpc\b", instruction.operands) is not None


def _is_single_access(instruction: Instruction) -> bool:
    name = instruction.name
    return bool(_LOAD.match(name) or _STORE.match(name)) and name[:4] not in ("ldrd", "strd")


def _needs(load: Instruction, following: Instruction) -> bool:
    """Return whether `following` reads the register that `load` fills.

    The first operand of most instructions is taken for their result, which is written, not read.
    """
    loaded = load.operands.split(",")[0].strip()
    operands = following.operands.split(",")
    read = operands if following.name.startswith(("str", "cmp", "tst", "cb", "push", "stm")) else operands[1:]
    return loaded in _REGISTER.findall(",".join(read) if len(operands) > 1 else following.operands)


@dataclass(frozen=True)
class Cycles:
    """Cycles of a hop, at best and at worst, and the conditions that each holds under."""

    core: str
    best: float
    worst: float
    best_when: str
    worst_when: str

    def to_dict(self, hops_per_second: float) -> dict[str, Any]:
        """Return the figures as JSON values, each with the clock in MHz that it needs for real time."""
        both = {"best": (self.best, self.best_when), "worst": (self.worst, self.worst_when)}
        return {"core": self.core} | {
            name: {"cycles": round(cycles), "mhz": round(cycles * hops_per_second / 1e6, 1), "when": when}
            for name, (cycles, when) in both.items()
        }


def m0_plus(mix: Mix) -> Cycles:
    """Return the cycles on a Cortex-M0+, r0p1, with the multiplier of one cycle."""
    of = _reader(mix)
    base = of("alu") + of("multiply") + 3 * of("system") + 2 * (of("load") + of("store") + of("adjacent"))
    base += of("many") + of("registers") + 2 * of("returns")
    base += 2 * of("taken") + of("calls") + of("not taken")
    waits = mix.code_bytes / 4 + of("taken") + of("returns") + mix.flash_reads
    return Cycles(
        "Cortex-M0+", base, base + waits, "flash without wait states", "1 wait state, 32 bits wide, no prefetch"
    )


def m4(mix: Mix) -> Cycles:
    """Return the cycles on a Cortex-M4, with a refill of two cycles behind a branch."""
    of = _reader(mix)
    base = of("alu") + of("multiply") + 12 * of("divide") + 3 * of("system")
    base += 2 * of("load") + of("store") + of("adjacent") + 3 * of("double") + of("many") + of("registers")
    base += 3 * of("taken") + 2 * of("returns") + of("not taken")
    waits = 5 * (mix.code_bytes / 16 + of("taken") + of("returns") + mix.flash_reads)
    return Cycles(
        "Cortex-M4",
        base,
        base + waits,
        "flash accelerator that hides all waiting",
        "5 wait states, 128 bits wide, no cache, no prefetch",
    )


def m7(mix: Mix) -> Cycles:
    """Return the cycles on a Cortex-M7.

    At best they are the M4's, scaled by the ratio of CoreMark per MHz; at worst each instruction is issued alone.
    """
    of = _reader(mix)
    single = of("alu") + of("multiply") + 7 * of("divide") + 3 * of("system") + of("load") + of("store")
    single += of("adjacent") + of("double") + of("many") + of("registers") / 2
    single += of("taken") + of("not taken") + of("load_use")
    single += 0.05 * 9 * of("conditional") + 20 * mix.flash_lines
    return Cycles(
        "Cortex-M7",
        m4(mix).best * 3.42 / 5.01,
        single,
        "dual issue as in CoreMark, caches hit",
        "single issue, 5 % of branches mispredicted, every line of tables missed",
    )


def _reader(mix: Mix) -> Any:
    return lambda kind: mix.classes.get(kind, 0.0)

# SPDX-License-Identifier: Apache-2.0
"""The most stack of an image: small programs of known answers, and refusals where no bound is known."""

import subprocess
from pathlib import Path

import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.measure import stack_usage
from blsh_firmware.measure.calibration_models import untrained_model
from blsh_firmware.measure.disassembly import functions_of, parse_disassembly
from blsh_firmware.measure.stack_usage import CallGraph, image_stack, measured_frame, read_frames
from blsh_hil.boards.table import find_board
from blsh_tools.options.board_budgets import SLOTS_STACK_BYTES
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.heavy

FLAGS = ("-mthumb", "-O1", "-fstack-usage", "-ffreestanding", "-nostdlib", "-nostartfiles", "-Wl,-e,main")
CORES = ("cortex-m0", "cortex-m4")
PROGRAM = """\
#define APART __attribute__((noinline, noipa))
int main(void);
volatile int sink;
APART static void leaf(void) { volatile int room[10]; room[0] = 1; sink = room[0]; }
APART static void deep(void) { volatile int room[100]; room[0] = 2; leaf(); sink = room[0]; }
APART static void wide(void) { volatile int room[50]; room[0] = 3; sink = room[0]; }
APART static void through(void (*call)(void)) { call(); sink = 1; }
int main(void) { wide(); deep(); through(wide); return 0; }
"""
needs_compiler = pytest.mark.needs("arm-none-eabi-gcc")

LISTING = """
00000000 <main>:
   0:\tb510      \tpush\t{r4, lr}
   2:\tf000 f801 \tbl\t8 <first>
   6:\tbd10      \tpop\t{r4, pc}

00000008 <first>:
   8:\tb5f0      \tpush\t{r4, r5, r6, r7, lr}
   a:\tb085      \tsub\tsp, #20
   c:\tf000 f804 \tbl\t18 <second>
  10:\tb005      \tadd\tsp, #20
  12:\tbdf0      \tpop\t{r4, r5, r6, r7, pc}

00000018 <second>:
  18:\te92d 4ff0 \tstmdb\tsp!, {r4-r11, lr}
  1c:\t{call}
  20:\te8bd 8ff0 \tldmia.w\tsp!, {r4-r11, pc}
"""


def graph(call: str, **indirect: tuple[str, ...]) -> CallGraph:
    return CallGraph(parse_disassembly(LISTING.replace("{call}", call)), {}, indirect)


def test_frames_of_a_chain_of_calls_add_up() -> None:
    usage = graph("bf00      \tnop").worst_case("main")
    assert usage.bytes == (2 + 5 + 9) * 4 + 20
    assert usage.chain == ("main", "first", "second")


def test_su_files_go_before_the_instructions() -> None:
    functions = parse_disassembly(LISTING.replace("{call}", "bf00      \tnop"))
    assert CallGraph(functions, {"second": 1000}, {}).worst_case("main").bytes == 2 * 4 + 5 * 4 + 20 + 1000


def test_recursion_is_refused() -> None:
    with pytest.raises(BlshError, match="recursion: first -> second -> first"):
        graph("f7ff fff4 \tbl\t8 <first>").worst_case("main")


def test_a_jump_to_another_function_is_a_call() -> None:
    with pytest.raises(BlshError, match="recursion: main -> first -> second -> main"):
        graph("f7ff bff4 \tb.w\t0 <main>").worst_case("main")


def test_a_call_through_a_pointer_must_be_declared() -> None:
    with pytest.raises(BlshError, match="second calls through a pointer at 0x1c"):
        graph("4798      \tblx\tr3").worst_case("main")


def test_declared_calls_are_followed() -> None:
    with pytest.raises(BlshError, match="recursion"):
        graph("4798      \tblx\tr3", second=("main",)).worst_case("main")


def test_a_branch_into_another_function_is_refused() -> None:
    with pytest.raises(BlshError, match="middle of another function"):
        graph("f7ff bff4 \tb.w\tc <first+0x4>").worst_case("main")


def test_vectors_of_floats_are_counted() -> None:
    listing = "00000000 <f>:\n   0:\ted2d 8b04 \tvpush\t{d8-d9}\n   4:\tf84d ed04 \tstr.w\tlr, [sp, #-4]!\n"
    assert measured_frame(parse_disassembly(listing)["f"]) == 16 + 4


@pytest.mark.parametrize(
    ("line", "expected"),
    [("a.c:1:2:f\t16\tdynamic", "the frame of f is dynamic"), ("nonsense", "no line of -fstack-usage")],
)
def test_frames_that_are_not_known_are_refused(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "a.su").write_text(line + "\n")
    with pytest.raises(BlshError, match=expected):
        read_frames([tmp_path / "a.su"])


def test_of_two_functions_with_one_name_the_larger_frame_counts(tmp_path: Path) -> None:
    (tmp_path / "a.su").write_text("a.c:1:2:f\t16\tstatic\nb.c:1:2:f.constprop.0\t24\tstatic\n")
    assert read_frames([tmp_path / "a.su"]) == {"f": 24}


@needs_compiler
@pytest.mark.parametrize("core", CORES)
def test_a_compiled_program_takes_its_deepest_chain(tmp_path: Path, core: str) -> None:
    (tmp_path / "p.c").write_text(PROGRAM)
    command = ["arm-none-eabi-gcc", f"-mcpu={core}", *FLAGS, "p.c", "-o", "p.elf"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    functions, frames = functions_of(tmp_path / "p.elf"), read_frames(tmp_path.glob("*.su"))
    usage = CallGraph(functions, frames, {"through": ("wide",)}).worst_case("main")
    assert usage.chain == ("main", "deep", "leaf")
    assert usage.bytes == frames["main"] + frames["deep"] + frames["leaf"] > 440
    measured = {name: measured_frame(functions[name]) for name in frames}
    assert measured == frames  # so functions of libraries, which have no .su file, are measured right


# ---- the firmware -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_slots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a micro:bit's firmware that takes models over the link."""
    folder = tmp_path_factory.mktemp("slots")
    model = untrained_model(1, "mel", 20, 3, 64, "bands1", 0)
    build_alone(find_board("microbit"), model, folder, GenerateOptions(slots=True))
    return folder


def stack_of(folder: Path) -> stack_usage.ImageStack:
    return image_stack(folder / "microbit.elf", folder.glob("*.su"))


@needs_compiler
def test_trying_a_pushed_model_is_counted(with_slots: Path) -> None:
    whole = stack_of(with_slots)
    assert whole.thread.chain[3:6] == ("blsh_server_receive", "handle_push", "blsh_models_try")
    assert whole.total_bytes <= find_board("microbit").stack_bytes
    functions = functions_of(with_slots / "microbit.elf")
    calls = stack_usage.indirect_calls(with_slots / "microbit.elf", functions)
    assert {"handle_slots", "handle_push", "handle_hello"} < set(calls["blsh_server_receive"])
    assert set(calls["blsh_hop"]) == {"observe", "add_stage"}
    fewer = {**calls, "blsh_server_receive": ("blsh_server_hop",)}
    hop = CallGraph(functions, read_frames(with_slots.glob("*.su")), fewer).worst_case(stack_usage.RESET)
    assert 0 < whole.thread.bytes - hop.bytes <= SLOTS_STACK_BYTES


@needs_compiler
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "PROBES",
            {"blsh_server_hop": "observe"},
            "no declared call reaches add_stage, which the image holds; declare",
        ),
        ("PROBES", {**stack_usage.PROBES, "handle_hello": "watch"}, "function watch is not in microbit.elf; correct"),
        ("OUTPUT", (), "no declared call reaches .*write_uart"),
        ("OUTPUT", ("write_usb",), "function write_usb is not in microbit.elf; correct the declared calls"),
        ("ENCODERS", (*stack_usage.ENCODERS, "flush"), "function flush is not in microbit.elf"),
        ("REQUESTS", "answers", "microbit.elf holds no one table answers; correct the names"),
        ("REQUESTS", "nibble_table", "the table nibble_table of microbit.elf points to no function"),
    ],
)
def test_declared_calls_are_held_to_the_image(
    with_slots: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object, words: str
) -> None:
    """A missing, an unknown and a forgotten declaration are errors."""
    monkeypatch.setattr(stack_usage, name, value)
    with pytest.raises(BlshError, match=words):
        stack_of(with_slots)

# SPDX-License-Identifier: Apache-2.0
"""`blsh push` and `blsh generate --slots`, as a user types them."""

import re
from pathlib import Path

import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import encode_image, read_head
from blsh_codegen.project import project_root
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.build.platformio import measure
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.boards.table import find_board
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.options.board_budgets import SLOTS_FLASH_BYTES, SLOTS_VOTES_FLASH_BYTES, slots_ram_bytes
from blsh_trainer.model.artifact import load_model

from .blsh_command import Blsh
from .projects import BOARD
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy


@pytest.fixture
def own(tmp_path: Path, blsh: Blsh, slots_project: Path) -> Blsh:
    """Return `blsh` with a project of its own, generated with --slots."""
    return Blsh(blsh.cwd, copy_project(slots_project, tmp_path / "project", generated=True))


def test_a_model_is_pushed_to_the_host_and_back_to_the_factory(own: Blsh, model: Path, other_model: Path) -> None:
    told = own.json("push", other_model, "--board", "host", "--dry-run")
    assert (told["running"], told["slots"]) == ("factory", ["empty", "empty"])
    assert told["room_bytes"] >= told["image_bytes"] > 1000
    pushed = own.json("push", other_model, "--board", "host")
    assert pushed["model_sha256"] == load_model(other_model).sha256
    assert (pushed["slot"], pushed["mismatches"], pushed["resumed_at"]) == (0, 0, 0)
    assert pushed["hops_compared"] == 80
    assert own.json("push", other_model, "--board", "host")["sent_bytes"] == 0  # it is there
    smaller = own.json("push", other_model, "--board", "host", "--entries", "100", "--bits", "12")
    assert (smaller["slot"], smaller["dictionary_entries"], smaller["bits"]) == (1, 100, 12)
    back = own.json("push", "--factory", "--board", "host")
    assert back["model_sha256"] == load_model(model).sha256


def test_an_image_in_a_file_is_pushed_as_it_is(own: Blsh, other_model: Path) -> None:
    written = own.json("push", other_model, "--entries", "64", "--output", "small.blsm")
    content = (own.cwd / "small.blsm").read_bytes()
    artifact = load_model(other_model)
    assert content == encode_image(integer_model(artifact, GenerateOptions(entries=64)))
    assert written["image_bytes"] == len(content)
    pushed = own.json("push", "small.blsm", "--board", "host")
    assert pushed["image_sha256"] == written["image_sha256"] == read_head(content).sha256.hex()


def test_the_device_denoises_with_a_pushed_model(own: Blsh, model: Path, other_model: Path, noisy: Samples) -> None:
    soundfile.write(own.cwd / "in.wav", noisy, 16_000)
    program = build_host(own.project / "firmware" / "generated", root=own.project)
    with HostBoard(program, own.cwd / "slots.bin") as board:
        at = ("--board", "host", "--port", board.url)
        own.succeed("push", other_model, *at, "--entries", "100")
        own.succeed("denoise", "in.wav", "out.wav", "--engine", "device", "--model", other_model, *at)
        own.refuse(
            "model .SHA-256. of the board", "denoise", "in.wav", "no.wav", "--engine", "device", "--model", model, *at
        )
    own.succeed("denoise", "in.wav", "fixed.wav", "--engine", "fixed", "--model", other_model, "--entries", "100")
    assert (own.cwd / "out.wav").read_bytes() == (own.cwd / "fixed.wav").read_bytes()


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("no model given; name an artifact, as in", ["push"]),
        ("--factory takes neither a model nor options", ["push", "--factory", "MODEL"]),
        ("--factory takes neither a model nor options", ["push", "--factory", "--bits", "8"]),
        ("nothing.npz", ["push", "nothing.npz", "--board", "host"]),
        ("cannot open socket://127.0.0.1:1", ["push", "MODEL", "--port", "socket://127.0.0.1:1"]),
        ("board 'arduino' is unknown", ["push", "MODEL", "--board", "arduino"]),
        ("board 'arduino' is unknown", ["push", "MODEL", "--board", "arduino", "--port", "socket://127.0.0.1:1"]),
        (r"spoilt.blsm: the image's SHA-256 is not", ["push", "spoilt.blsm", "--board", "host"]),
        ("is an image, which is sent as it is; leave out --entries", ["push", "spoilt.blsm", "--entries", "9"]),
        ("--room-bits 64 without --slots", ["generate", "MODEL", "--room-bits", "64"]),
        ("--room-bits 9999; choose 1 to 320", ["generate", "MODEL", "--slots", "--room-bits", "9999"]),
        ("is a folder; name a file", ["push", "MODEL", "--output", "."]),
    ],
)
def test_what_cannot_be_pushed_is_refused(own: Blsh, model: Path, words: str, arguments: list[str]) -> None:
    image = bytearray(encode_image(integer_model(load_model(model), GenerateOptions(entries=64))))
    image[500] ^= 1
    (own.cwd / "spoilt.blsm").write_bytes(image)
    own.refuse(words, *(model if word == "MODEL" else word for word in arguments))


def test_firmware_without_slots_is_refused_before_it_starts(built: Blsh, model: Path) -> None:
    built.refuse(
        r"generated without --slots .*; run: blsh generate MODEL.npz .*--slots", "push", model, "--board", BOARD
    )


@pytest.mark.slow  # half a minute: two builds by PlatformIO
def test_a_model_beyond_the_firmwares_state_is_refused_with_numbers(own: Blsh, model: Path, emulator: None) -> None:
    """The firmware's state on a board is as large as was asked for, and no larger."""
    own.succeed("generate", model, "--slots", "--bits", "12")
    own.succeed("build", "--board", "microbit")
    message = own("push", model, "--board", "microbit", "--entries", "64").stderr
    assert "has 20 bits, the firmware's state holds 12; give --bits 12, or generate" in message
    assert own.json("push", model, "--board", "microbit", "--entries", "64", "--bits", "12")["mismatches"] == 0
    own.succeed("generate", model, "--slots", "--bits", "12", "--room-bits", "20")
    pushed = own.json("push", model, "--board", "microbit", "--entries", "64")
    assert (pushed["bits"], pushed["mismatches"]) == (20, 0)


@pytest.mark.parametrize(
    ("name", "votes"), [("microbit", False), pytest.param(BOARD, False, marks=pytest.mark.slow), (BOARD, True)]
)
def test_what_slots_add_is_within_what_is_planned_for(name: str, votes: bool, tmp_path: Path, model: Path) -> None:
    options = GenerateOptions() if votes else GenerateOptions(entries=200)
    integers = integer_model(random_voting_model() if votes else load_model(model), options)
    sizes = []
    for slots in (False, True):
        (tmp_path / str(slots)).mkdir()
        elf = build_alone(find_board(name), integers, tmp_path / str(slots), GenerateOptions(slots=slots))
        sizes.append(measure(elf))
    plain, with_slots = sizes
    flash, ram = with_slots.flash_bytes - plain.flash_bytes, with_slots.ram_bytes - plain.ram_bytes
    assert 2000 < flash <= (SLOTS_VOTES_FLASH_BYTES if votes else SLOTS_FLASH_BYTES)
    assert 100 < ram <= slots_ram_bytes(integers.geometry, GenerateOptions(slots=True))
    told = re.search(
        r"([\d.]+) KB of flash on a Cortex-M4 and ([\d.]+) KB on an M0, SHA-256 included, and (\d+) bytes of RAM"
        r".* makes it (\d+) to (\d+) KB",
        " ".join((project_root() / "docs" / "push.md").read_text(encoding="utf-8").split()),
    )
    assert told is not None
    on_m4, on_m0, of_ram, least, most = map(float, told.groups())
    if votes:
        assert 1000 * least < flash < 1000 * most, "docs/push.md"
    else:
        assert flash == pytest.approx(1000 * (on_m4 if name == BOARD else on_m0), abs=100), "docs/push.md"
    assert ram == pytest.approx(of_ram, abs=8), "docs/push.md"


def test_the_help_says_what_slots_take(blsh: Blsh) -> None:
    words = re.sub(r"[│\s]+", " ", blsh.succeed("generate", "--help").stdout)
    assert f"(blsh push): {SLOTS_FLASH_BYTES >> 10} KiB of code." in words


def test_a_plan_leaves_the_slots_their_flash(own: Blsh, model: Path) -> None:
    plans = [
        own.json("generate", model, "--board", "microbit", "--flash", "256K", *options)["plan"]["budgets"]["flash"]
        for options in ([], ["--slots"])
    ]
    slots = find_board("microbit").slots
    assert slots is not None
    assert plans == [256 << 10, slots.origin]

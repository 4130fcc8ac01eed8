# SPDX-License-Identifier: Apache-2.0
"""Check how the board checks model images: it refuses damaged ones, says why, and never reads outside.

The check runs in a program with sanitizers, in which every image lies in memory of exactly its size.
"""

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import GenerateOptions, integer_model, render, render_tables
from blsh_codegen.emit.model_image import HEAD, encode_image, sealed
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_codegen.spec.constants import (
    MAX_BITS,
    MAX_ENTRIES,
    MAX_MEL_BANDS,
    MAX_NEIGHBOURS,
    MAX_SMOOTHING,
    RUNTIME_FORMAT,
)
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.prove.recipes import Recipe
from blsh_hil.wire import protocol_header
from blsh_hil.wire.codes import ImageFault
from blsh_trainer.signals.geometry import RECORDER, Geometry

from .slot_models import slot_model, tiny_model

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("model images")]  # one worker builds its fixtures, once

FORMAT, FEATURES, BITS, NEIGHBOURS, ENTRIES, CRC, MASKS = range(-2, -9, -1)
KIND, GEOMETRY, ATTENUATION = range(-10, -13, -1)
FIELDS = {
    "bytes": (36, "<I"), "image_format": (40, "<H"), "runtime_format": (42, "<H"), "dictionary_crc32": (76, "<I"),
    "entries": (84, "<I"), "feature_kind": (88, "<B"), "flags": (89, "<B"), "features": (90, "<H"),
    "bits": (92, "<H"), "neighbours": (94, "<B"), "dictionaries": (95, "<B"), "radius": (96, "<H"),
    "mask_bands": (98, "<H"), "mask_level_bits": (100, "<B"), "thresholds": (101, "<B"), "smoothing": (102, "<B"),
    "smoothing_down": (103, "<B"),
    "start_votes": (104, "<H"),
    "steady_votes": (106, "<H"),
    "rate_hz": (108, "<H"),
    "window": (110, "<H"),
    "hop": (112, "<H"),
    "synthesis": (114, "<H"),
    "attenuation": (118, "<H"),
}  # fmt: skip


class Checker:
    """The sanitized program, kept running."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def check(self, image: bytes) -> tuple[int, int]:
        """Return the results of blsh_image_check and blsh_init."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack("<I", len(image)) + image)
        self._process.stdin.flush()
        answer = self._process.stdout.read(8)
        assert len(answer) == 8, "a sanitizer has ended it"
        first, second = struct.unpack("<ii", answer)
        return first, second

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    yield from started(tmp_path_factory.mktemp("checker"))


@pytest.fixture(scope="module")
def checker_of_headsets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    """Run a program with the limits of a firmware with slots whose own model has masks, and a latency of 16 ms."""
    folder = tmp_path_factory.mktemp("checker")
    room = GenerateOptions(slots=True, room_bits=MAX_BITS, room_neighbours=MAX_NEIGHBOURS, room_smoothed=HEADSET.bins)
    own = in_geometry("mel", HEADSET)
    (folder / "blsh_limits.h").write_text(render(own, room)["blsh_limits.h"], encoding="utf-8")
    yield from started(folder, "-DBLSH_MODEL_LIMITS")


def started(folder: Path, slots: str = "-DBLSH_SLOTS") -> Iterator[Checker]:
    firmware = project_root() / "firmware"
    (folder / "blsh_tables.c").write_text(render_tables(), encoding="utf-8")
    protocol_header.write(folder)
    sources = [Path(__file__).with_name("image_checker.c"), folder / "blsh_tables.c", *(firmware / "core").glob("*.c")]
    sources += [firmware / "app" / name for name in ("models.c", "sha256.c")]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = ["gcc", "-std=c11", "-O1", "-g", slots, *checks, *C_WARNINGS]
    command += [*(f"-I{path}" for path in (folder, *(firmware / name for name in ("app", "core", "hal"))))]
    program = folder / "checker"
    done = subprocess.run([*command, *map(str, sources), "-o", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    running = Checker(program)
    yield running
    running.close()


BINS, HEADSET = RECORDER.bins, Geometry(16_000, 512, 128, 256)


def in_geometry(kind: str, geometry: Geometry) -> IntegerModel:
    """Return a model of another geometry than the paper's."""
    return Recipe(5, kind, 40, 5, 90, "bands", 3, geometry=geometry).model()


PLAIN_VOTING = {"thresholds": 1, "group_edges": (0, 80), "entries": 9, "bit_votes": False, "settling": (0, 0, 0, 0)}
TINY = encode_image(tiny_model(0))
WHOLE = {
    "tiny": TINY,
    "mel": encode_image(slot_model(1)),
    "tracked": encode_image(slot_model(2, "tracked", 64, 500, 8, "bands2", 4)),
    "ibm": encode_image(slot_model(3, "mel", 50, 70, 32, "ibm", 9)),
    "long": encode_image(slot_model(4, "stft", 320, 33, 1, "bands1", 0)),
    "voting": encode_image(integer_model(random_voting_model(), GenerateOptions())),
    "large voting": encode_image(integer_model(random_voting_model(entries=130), GenerateOptions())),
    "headset": encode_image(in_geometry("mel", HEADSET)),
    "hearing": encode_image(in_geometry("tracked", Geometry(16_000, 512, 64, 128))),
    "256 samples": encode_image(in_geometry("stft", Geometry(8_000, 256, 128, 256))),
    "large lag": encode_image(in_geometry("mel", Geometry(16_000, 512, 256, 512))),
    "voting headset": encode_image(integer_model(random_voting_model(geometry=HEADSET), GenerateOptions())),
    "plain voting": encode_image(integer_model(random_voting_model(**PLAIN_VOTING), GenerateOptions())),
}


def changed(image: bytes, reseal: bool = True, **values: int) -> bytes:
    """Return `image` with other numbers in its head, and with the SHA-256 of that content."""
    content = bytearray(image)
    for name, value in values.items():
        offset, form = FIELDS[name]
        struct.pack_into(form, content, offset, value)
    return sealed(bytes(content)) if reseal else bytes(content)


@pytest.mark.parametrize("image", WHOLE.values(), ids=WHOLE)
def test_a_whole_image_is_accepted(checker: Checker, image: bytes) -> None:
    assert checker.check(image) == (0, 0)


@pytest.mark.parametrize("name", WHOLE)
def test_a_firmware_refuses_other_kinds_and_larger_frames_by_their_head(
    checker_of_headsets: Checker, name: str
) -> None:
    taken = ("headset", "hearing", "256 samples")
    wanted = KIND if "voting" in name else 0 if name in taken else GEOMETRY
    assert checker_of_headsets.check(WHOLE[name])[0] == wanted


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"image_format": 1}, ImageFault.FORMAT_UNKNOWN),
        ({"runtime_format": RUNTIME_FORMAT - 1}, FORMAT),
        ({"runtime_format": RUNTIME_FORMAT + 1}, FORMAT),
        ({"bytes": len(TINY) + 4}, ImageFault.SIZE),
        ({"bytes": 1 << 31}, ImageFault.SIZE),
        ({"bytes": HEAD.size - 4}, ImageFault.SIZE),
        ({"bytes": len(TINY) - 1}, ImageFault.SIZE),
        ({"features": BINS + 1}, FEATURES),
        ({"window": 2048}, GEOMETRY),
        ({"window": 768}, GEOMETRY),
        ({"window": 0}, GEOMETRY),
        ({"window": 128}, GEOMETRY),
        ({"synthesis": 2048}, GEOMETRY),
        ({"synthesis": 128}, GEOMETRY),
        ({"hop": 32}, GEOMETRY),
        ({"hop": 2048}, GEOMETRY),
        ({"window": 512, "features": 257, "synthesis": 512}, ImageFault.SHAPE),
        ({"synthesis": 512}, ImageFault.SHAPE),
        ({"feature_kind": 1, "features": 512}, FEATURES),
        ({"feature_kind": 1, "features": MAX_MEL_BANDS + 1}, FEATURES),
        ({"bits": MAX_BITS + 1}, BITS),
        ({"radius": 4}, BITS),
        ({"neighbours": MAX_NEIGHBOURS + 1}, NEIGHBOURS),
        ({"dictionaries": 0}, NEIGHBOURS),
        ({"dictionaries": 81}, NEIGHBOURS),
        ({"entries": 0}, ENTRIES),
        ({"entries": MAX_ENTRIES, "dictionaries": 2}, ENTRIES),
        ({"thresholds": 0}, BITS),
        ({"thresholds": 2}, BITS),
        ({"flags": 1}, MASKS),
        ({"smoothing_down": MAX_SMOOTHING + 1}, MASKS),
        ({"start_votes": 1}, MASKS),
        ({"steady_votes": 1}, MASKS),
        ({"entries": MAX_ENTRIES + 1}, ENTRIES),
        ({"mask_bands": BINS + 1}, MASKS),
        ({"mask_level_bits": 5}, MASKS),
        ({"smoothing": MAX_SMOOTHING + 1}, MASKS),
        ({"entries": 33}, ImageFault.SHAPE),
        ({"entries": MAX_ENTRIES}, ImageFault.SHAPE),
        ({"bits": 2, "radius": 1}, ImageFault.SHAPE),
        ({"feature_kind": 1, "features": MAX_MEL_BANDS}, ImageFault.SHAPE),
        ({"mask_bands": BINS}, ImageFault.SHAPE),
        ({"neighbours": MAX_NEIGHBOURS}, ImageFault.SHAPE),
    ],
    ids=str,
)
def test_another_number_in_the_head_is_refused_and_named(checker: Checker, values: dict[str, int], why: int) -> None:
    assert checker.check(changed(TINY, **values))[0] == why


@pytest.mark.parametrize("values", [{"rate_hz": 48_000}, {"hop": 512}, {"hop": 192}, {"hop": 1024}], ids=str)
def test_frames_that_fit_and_do_not_go_together_are_refused_by_the_core(
    checker: Checker, values: dict[str, int]
) -> None:
    assert checker.check(changed(TINY, **values)) == (0, GEOMETRY)


@pytest.mark.parametrize("limit", [61, 254, 256, 0xFFFF])
def test_a_limit_that_there_is_not_is_refused_by_the_core(checker: Checker, limit: int) -> None:
    assert checker.check(changed(TINY, attenuation=limit)) == (0, ATTENUATION)


def test_a_model_of_no_kind_that_the_core_knows_is_refused_by_the_core(checker: Checker) -> None:
    mel = WHOLE["mel"]
    assert checker.check(changed(mel, feature_kind=4)) in ((ImageFault.SHAPE, 0), (0, FEATURES))
    assert checker.check(changed(TINY, dictionary_crc32=1)) == (0, CRC)
    assert checker.check(changed(WHOLE["tracked"], features=127)) == (0, FEATURES)  # its rows are as long


def test_a_truncated_image_is_refused_at_every_length(checker: Checker) -> None:
    for length in range(len(TINY)):
        assert checker.check(TINY[:length])[0] in (ImageFault.SIZE, ImageFault.MAGIC_WRONG), length
    for length in range(HEAD.size, len(TINY), 4):  # also when its head says so
        assert checker.check(changed(TINY[:length], bytes=length))[0] == ImageFault.SHAPE, length


def test_what_follows_an_image_does_not_matter(checker: Checker) -> None:
    assert checker.check(TINY + b"\xff" * 100) == (0, 0)


def test_bands_outside_the_spectrum_are_refused(checker: Checker) -> None:
    edges = len(TINY) - 164  # 81 of them, at the end, and padding
    image = bytearray(TINY)
    struct.pack_into("<h", image, edges + 160, 600)
    assert checker.check(sealed(bytes(image))) == (0, MASKS)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_head_of_any_numbers_never_makes_it_read_outside(checker: Checker, name: str, data: st.DataObject) -> None:
    image = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 4))):
        offset = data.draw(st.integers(36, HEAD.size - 1))
        image[offset] = data.draw(st.integers(0, 255))
    first, second = checker.check(sealed(bytes(image)))
    assert first <= max(ImageFault) and second <= 0


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["mel", "tracked", "tiny", "voting", "large voting"]), st.data())
def test_tables_of_any_bytes_never_make_it_read_outside(checker: Checker, name: str, data: st.DataObject) -> None:
    """Damage the tables by which others are found: mel bands and edges stand at the end."""
    image = bytearray(WHOLE[name])
    start = data.draw(st.integers(HEAD.size, len(image) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=64))
    image[start : start + len(piece)] = piece[: len(image) - start]
    assert checker.check(sealed(bytes(image)))[1] <= 0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_refused(checker: Checker, data: bytes) -> None:
    assert checker.check(data)[0] > 0
    assert checker.check(b"BLSM" + data)[0] != 0


def test_every_flipped_bit_of_a_large_image_that_is_looked_at_is_caught(
    checker: Checker, rng: np.random.Generator
) -> None:
    image = encode_image(slot_model(5, "stft", 320, 1200, 10, "ibm", 0))
    assert len(image) > 200_000
    for bit in rng.choice(8 * len(image), 300, replace=False).tolist():
        flipped = bytearray(image)
        flipped[bit // 8] ^= 1 << bit % 8
        assert checker.check(bytes(flipped))[0] != 0, f"bit {bit}"

# SPDX-License-Identifier: Apache-2.0
"""Estimates against firmware that was built and run, and the commands that plan with them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.cost.cost_signal import cost_signal
from blsh_codegen.cost.estimate import Estimate, estimate, state_bytes, table_bytes
from blsh_codegen.cost.measured_costs import geometry_terms, load_costs
from blsh_codegen.cost.stage_work import HOP_STAGES, signal_codes, stage_work
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.build.platformio import measure
from blsh_firmware.build.project_files import copy_project
from blsh_firmware.measure import calibration
from blsh_firmware.measure.calibration import Measured, board_sizes, calibrate, core_costs, run_model
from blsh_firmware.measure.calibration_models import (
    MODELS,
    VOTING_MODELS,
    VotingShape,
    untrained_model,
    untrained_voting_model,
)
from blsh_hil.boards.table import find_board, load_boards
from blsh_tools.options.numbers_in_range import size_bytes
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import parse_geometry

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("estimate")]  # the builds of its fixtures are made once

VIRTUAL = [name for name, board in load_boards().items() if board.qemu_machine]
QUICK = ("microbit", "mps2-an386", "mps3-an547")
"""One board of each kind of core: M0, DSP extension, Helium."""
HOPS = 10
INTERRUPT_BYTES = 168  # the registers that an M55 pushes, floating-point ones included, and its handler
STALE = "codegen/blsh_codegen/cost/costs.json is stale: run blsh estimate --calibrate"

needs_compiler = pytest.mark.needs("arm-none-eabi-gcc")
needs_emulator = pytest.mark.needs("qemu-system-arm")


def estimated(name: str, model: IntegerModel, hops: int) -> Estimate:
    board = find_board(name)
    costs = load_costs()
    return estimate(model, costs.core(board.core), costs.board(name), cost_signal(hops, model.geometry))


@pytest.fixture(scope="module")
def untrained() -> IntegerModel:
    """Return a model of a size that the costs were not measured with."""
    return untrained_model(77, "mel", 60, 12, 900, "bands2", 2)


@pytest.fixture(scope="module")
def images(untrained: IntegerModel, tmp_path_factory: pytest.TempPathFactory):
    """Return the firmware of a board by the board's name; each is built once."""
    built: dict[str, Path] = {}

    def image(name: str) -> Path:
        if name not in built:
            built[name] = build_alone(find_board(name), untrained, tmp_path_factory.mktemp(name))
        return built[name]

    return image


# ---- against what is built and run ------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=() if each in QUICK else pytest.mark.slow) for each in VIRTUAL]
)
def test_flash_and_ram_are_those_of_the_built_firmware_within_1_percent(name, untrained, images):
    size = measure(images(name))
    found = estimated(name, untrained, 1)
    assert found.flash_bytes == pytest.approx(size.flash_bytes, rel=0.01), STALE
    assert found.ram_bytes == pytest.approx(size.ram_bytes, rel=0.01), STALE


@needs_compiler
@needs_emulator
@pytest.mark.parametrize("name", ["microbit", "mps3-an547"])
def test_instructions_are_those_of_the_emulator_within_5_percent(name, untrained, images):
    run = run_model(find_board(name), images(name), untrained, cost_signal(HOPS))
    found = estimated(name, untrained, HOPS)
    assert found.instructions == pytest.approx(run.totals.mean(), rel=0.05), STALE
    assert found.worst == pytest.approx(run.totals.max(), rel=0.05), STALE
    for stage in ("accumulators", "neighbours", "mask"):
        assert found.stages[stage] == pytest.approx(run.stages[:, STAGES.index(stage)].mean(), rel=0.1), STALE
    # if an interrupt came at the deepest place, more of the paint is gone
    assert run.stack_bytes <= 1.1 * found.stack_bytes <= 1.21 * (run.stack_bytes + INTERRUPT_BYTES), STALE


@pytest.mark.slow
@needs_compiler
@needs_emulator
@pytest.mark.parametrize("name", VIRTUAL)
@pytest.mark.parametrize(
    ("parts", "geometry"),
    [
        (("tracked", 128, 8, 2048, "bands2", 4), "recorder"),
        (("mel", 40, 10, 1800, "ibm", 0), "intercom"),
        (("stft", 200, 24, 700, "bands1", 1), "recorder"),
        (("tracked", 60, 12, 900, "bands1", 2), "headset"),
        (("mel", 50, 10, 1500, "bands", 2), "hearing"),
        (("mel", 70, 8, 800, "ibm", 3), "phone"),
        (("tracked", 40, 10, 500, "bands2", 2), "8000/256/64/128"),
    ],
    ids=lambda parts: parts[0],
)
def test_other_models_are_estimated_as_well_on_every_board(name, parts, geometry, tmp_path):
    model = untrained_model(5, *parts, parse_geometry(geometry))
    board = find_board(name)
    image = build_alone(board, model, tmp_path)
    run = run_model(board, image, model, cost_signal(100, model.geometry))
    found = estimated(name, model, 100)
    assert found.flash_bytes == pytest.approx(run.size.flash_bytes, rel=0.01), STALE
    assert found.ram_bytes == pytest.approx(run.size.ram_bytes, rel=0.01), STALE
    assert found.instructions == pytest.approx(run.totals.mean(), rel=0.05), STALE


def test_the_fit_finds_the_costs_that_counts_were_made_with():
    models = [
        untrained_model(1, "mel", 20, 3, 200, "bands2", 0),
        untrained_model(2, "mel", 50, 9, 300, "bands1", 4),
        untrained_model(3, "mel", 41, 16, 64, "bands", 0),
    ]
    made = []
    for model in models:
        works = stage_work(model, signal_codes(model, cost_signal(12)), 1)
        true = {stage: works[stage].counts @ (3 + np.arange(len(works[stage].terms))) for stage in HOP_STAGES}
        stages = np.stack([true[stage] for stage in STAGES], axis=1)
        made.append((model, stages.sum(axis=1) - 21, stages))
    size = type("Size", (), {"flash_bytes": 50_000, "ram_bytes": 20_000})()
    fitted = core_costs([Measured(model, size, 0, totals, stages) for model, totals, stages in made], 1)
    assert fitted.instructions["spectrum"] == {"frames of 1024": 3.0}
    assert fitted.instructions["rest"] == {"hops": -21.0}
    for model, totals, _ in made:
        works = stage_work(model, signal_codes(model, cost_signal(12)), 1)
        found = sum(fitted.of(stage, work) for stage, work in works.items())
        np.testing.assert_allclose(found, totals, rtol=0.01)


@needs_compiler
def test_sizes_are_what_is_left_without_the_model(untrained, images):
    size = measure(images("mps2-an386"))
    none = np.zeros(0, np.int64)
    few = Measured(untrained, size, 700, none, none)
    many = Measured(untrained_model(8, "mel", 20, 16, 64, "ibm", 0), size, 900, none, none)
    votes = [untrained_voting_model(9, VotingShape(16, 2, 2, 8, each, True, (4, 12))) for each in (32, 160)]
    found = board_sizes([few, many, *(Measured(model, size, 800, none, none) for model in votes)])
    assert [found.flash_bytes_small_votes, found.flash_bytes_large_votes] == [
        size.flash_bytes - table_bytes(model) for model in votes
    ]
    assert found.flash_bytes_apart == {} and found.ram_bytes_a_sample == 0
    known = load_costs().board("mps2-an386")
    assert found.flash_bytes == pytest.approx(known.flash_bytes, rel=0.02), STALE
    assert found.stack_bytes == 900


def test_what_a_geometry_adds_is_told_apart_from_the_kind():
    """Made-up sizes of the code of each kind and geometry, and of variables, come out as they went in."""
    apart = {"frames of 512": -700, "frames of 256": -1200, "hops of 128": 90, "hops of 64": 250, "no thirds": -400}
    models = [untrained_model(1, *parts[:3], 64, *parts[4:], parse_geometry(each)) for parts, each in MODELS]
    models += [
        untrained_voting_model(1, replace(shape, entries=160 if shape.entries > 128 else 32), parse_geometry(each))
        for shape, each in VOTING_MODELS
    ]
    none, measured = np.zeros(0, np.int64), []
    for model in models:
        kind = 20_000 + 1000 * model.kind + 300 * (model.neighbours >= 16 and model.kind == 1)
        code = kind + sum(apart[term] for term in geometry_terms(model.geometry))
        variables = 3000 - 4 * (256 - model.geometry.hop) + state_bytes(model)
        size = type("Size", (), {"flash_bytes": code + table_bytes(model), "ram_bytes": variables})()
        measured.append(Measured(model, size, 500, none, none))
    found = board_sizes(measured)
    assert found.flash_bytes_apart == apart
    codes = (found.flash_bytes, found.flash_bytes_many, found.flash_bytes_small_votes, found.flash_bytes_large_votes)
    assert codes == (21_000, 21_300, 22_000, 24_000)
    assert (found.ram_bytes, found.ram_bytes_a_sample, found.stack_bytes) == (3000, 4, 500)


@pytest.mark.slow
@needs_compiler
def test_an_interrupted_calibration_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """For real boards the firmware is built, not run. A small model of each kind does here."""
    small = [untrained_model(1, "mel", 20, each, 64, "bands1", 0) for each in (3, 16)]
    small += [untrained_voting_model(1, VotingShape(8, 2, 2, 4, each, True, (4, 12))) for each in (32, 160)]
    monkeypatch.setattr(calibration, "calibration_models", lambda: small)
    first, second = (find_board(name) for name in ("nucleo_f411re", "nucleo_f446re"))
    kept, said = tmp_path / "kept.json", list[str]()
    begun = calibrate([first], said.append, load_costs(), kept)
    assert load_costs(kept) == begun
    monkeypatch.setattr(calibration, "build_alone", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        calibrate([first, second], said.append, load_costs(), kept)
    monkeypatch.undo()
    monkeypatch.setattr(calibration, "calibration_models", lambda: small)
    whole = calibrate([first, second], said.append, load_costs(), kept)
    assert [line for line in said if "before" in line] == 2 * ["nucleo_f411re: measured before the interruption"]
    assert list(whole.boards) == [first.name, second.name]
    assert whole.boards[first.name] == begun.boards[first.name]


def test_calibration_tells_of_each_model_on_each_board_that_is_left(tmp_path, monkeypatch):
    """Nothing is built or fitted here."""
    first, second = (find_board(name) for name in ("nucleo_f411re", "nucleo_f446re"))
    sizes, known = load_costs().board(first.name), load_costs()
    monkeypatch.setattr(calibration, "calibration_models", lambda: [None] * 3)
    monkeypatch.setattr(calibration, "_measured", lambda *_: None)
    monkeypatch.setattr(calibration, "board_sizes", lambda _: sizes)
    monkeypatch.setattr(calibration, "compiler_version", lambda: "gcc")
    kept, told = tmp_path / "kept.json", []
    calibrate([first], told.append, known, kept)
    assert told == []
    calibrate([first, second], print, known, kept, progress=lambda *step: told.append(step))
    assert told == [("measuring", done, 3) for done in range(4)]


def _interrupted(*_: object) -> Path:
    raise KeyboardInterrupt


# ---- sizes on the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("262144", 262144), ("256K", 262144), ("256k", 262144), ("1M", 1 << 20), ("0x400", 1024)]
)
def test_sizes_are_bytes_or_have_a_unit(text, size):
    assert size_bytes("--flash", text) == size


@pytest.mark.parametrize("text", ["", "K", "12Q", "-4K", "1.5M", "256KB", "0x", "١"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(BlshError, match=r"--ram .*; expected bytes, or a number with K"):
        size_bytes("--ram", text)


@pytest.mark.parametrize("text", ["0", "0K", "0x0"])
def test_a_budget_of_zero_is_refused(text):
    with pytest.raises(BlshError, match=f"--flash {text}: nothing fits 0 bytes"):
        size_bytes("--flash", text)


# ---- the commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--flash 256K", "--flash without a board; name one with --board"),
        ("--board nowhere --flash 256K", "board 'nowhere' is unknown; known boards: "),
        ("--board microbit --flash 0", "--flash 0: nothing fits 0 bytes"),
        ("--board microbit --flash 12Q", "--flash '12Q'; expected bytes"),
        ("--board microbit --flash 1M", "--flash 1,048,576 bytes; microbit has 262,144"),
        ("--board microbit --mips 0", "--mips 0.0; choose above 0 to 1,000,000"),
        ("--board microbit --mips nan", "--mips nan; choose above 0 to 1,000,000"),
        ("--board microbit --layout loose", "--layout 'loose' is unknown; choose one of tight, plain"),
    ],
)
def test_bad_budgets_are_refused(blsh, model, line, words):
    blsh.refuse(words, "generate", model, *line.split())


def test_generate_fills_a_budget_and_says_what_it_chose(blsh, model):
    budget = "--board", "microbit", "--flash", "40K", "--ram", "16K", "--mips", "60"
    outcome = blsh.succeed("generate", model, *budget, "-o", "first", "--json")
    result = json.loads(outcome.stdout)
    assert "has no validated sizes, so it is as many entries as fit" in outcome.stderr
    chosen = result["plan"]["chosen"]
    assert chosen["taken"]["flash"] <= 40 << 10 and chosen["taken"]["ram"] <= 16 << 10 and chosen["taken"]["mips"] <= 60
    assert result["estimate"]["flash_bytes"] == chosen["taken"]["flash"]
    assert chosen["entries"] == result["dictionary_entries"] == result["options"]["entries"]
    header = (blsh.cwd / "first" / "blsh_model.h").read_text()
    line = re.search(r"blsh generate MODEL.npz (.*)\n", header)[1]
    blsh.succeed("generate", model, *line.split(), "-o", "again")
    for name in ("blsh_model.h", "blsh_model.c", "blsh_generated.json"):
        assert (blsh.cwd / "first" / name).read_bytes() == (blsh.cwd / "again" / name).read_bytes(), name


def test_a_model_that_does_not_fit_is_refused_with_the_nearest_that_does(blsh, model):
    for command in (("generate",), ("estimate",), ("export", "--to", "library")):
        told = blsh.refuse(
            r"microbit: [\d,]+ entries of 20 bits with ibm masks take [\d,]+ of 40,960 bytes of flash; "
            r"the nearest that fits: --entries \d+ --bits 20 --masks ibm",
            *(command[0], model, *command[1:]),
            *("--board", "microbit", "--flash", "40K", "--share", "1"),
        )
    flags = re.search(r"--entries .*", told)[0].split()
    found = blsh.json("estimate", model, "--board", "microbit", "--flash", "40K", *flags)
    assert found["flash_bytes"] <= 40 << 10 and found["plan"]["why"] == "as asked for"


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("flash = 0xa000", r"take [\d,]+ of 40,960 bytes of flash"),
        ("ram = 0x3000", r"of 12,288 bytes of RAM with the stack"),
        ("cpu = 0.5", r"of 8 million instructions a second"),
    ],
)
def test_budget_of_the_table_is_kept_without_being_asked_for(blsh, model, tmp_path, budget, words):
    project = copy_project(blsh.project, tmp_path / "project")
    table = (project / "boards.toml").read_text()
    (project / "boards.toml").write_text(table.replace("[microbit]\n", f"[microbit]\nbudget = {{ {budget} }}\n"))
    asked = ("estimate", model, "--board", "microbit", "--share", "1")
    replace(blsh, project=project).refuse(words, *asked)
    assert blsh.succeed(*asked).code == 0


def test_estimate_tells_what_bench_and_build_will(blsh, model):
    found = blsh.json("estimate", model, "--board", "mps2-an386", "--entries", "100")
    assert found["board"] == "mps2-an386" and found["options"]["entries"] == 100
    assert set(found["instructions"]["stages"]) == set(STAGES)
    per_second = found["instructions"]["mean"] * 62.5
    assert found["cpu_share"] == pytest.approx(per_second / 25e6, rel=1e-3)
    assert found["instructions"]["millions_per_second"] == pytest.approx(per_second / 1e6, rel=1e-3)
    assert found["cpu_share_most"] >= found["cpu_share"]


def test_export_holds_the_model_to_its_budget(blsh, model):
    found = blsh.json("export", model, "--to", "library", "--board", "microbit", "--flash", "40K")
    header = (blsh.cwd / "library" / "src" / "blsh_model.h").read_text()
    assert f"#define BLSH_MODEL_FLASH_BUDGET_BYTES {found['options']['table_budget']}u" in header
    assert found["table_bytes"] <= found["options"]["table_budget"]

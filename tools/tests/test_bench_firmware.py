# SPDX-License-Identifier: Apache-2.0
"""`blsh bench-firmware`: its table, its models, its programs in the emulator."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_codegen.project import project_root
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW, bench_project, build_for
from blsh_firmware.measure.image_figures import memory_figures
from blsh_firmware.measure.profiling import Passage, build_plugin, plugin_arguments, read_profile
from blsh_hil.boards.table import find_board, load_boards
from blsh_tools.bench.cmsis import count_cmsis
from blsh_tools.bench.emulated_program import bench_core
from blsh_tools.bench.firmware_costs import BenchOptions, virtual_boards
from blsh_tools.bench.peer_costs import load_peer_costs
from blsh_tools.bench.report import bench_page, write_bench
from blsh_tools.bench.search_growth import SearchBench, SearchCost, search_growth
from blsh_tools.options.numbers_in_range import parse_sizes
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.peer_scores import load_peer_scores
from blsh_trainer.model.artifact import load_model

from .bench_rows import row
from .blsh_command import Blsh

pytestmark = pytest.mark.heavy

needs_emulator = pytest.mark.needs("qemu-system-arm", "arm-none-eabi-gcc", "gcc")


@pytest.fixture
def result() -> dict[str, Any]:
    """Return the result of a measurement of two boards."""
    model = {"bits": 50, "feature_kind": "mel", "neighbours": 10, "masks": "ibm", "geometry": [16_000, 1024, 256, 1024]}
    cycles = {
        "core": "Cortex-M4",
        **{each: {"cycles": 200_000, "mhz": 12.5, "when": each} for each in ("best", "worst")},
    }
    rows = [row("mps2-an386", 160_000, 45_000, 8.0), row("microbit", 480_000, 160_000, 20.0)]
    rows[0] |= {"core": "cortex-m4", "cycles": cycles}
    rows[1] |= {"core": "cortex-m0", "cycles": None}
    return {
        "rows": [*rows, {**rows[0], "case": "smallest", "entries": 10}],
        "models": {"budget": model},
        "corpus": "mine",
        "icount_shift": 8,
        "cmsis": {"cores": {"cortex-m4": {"q15_forward": 43_892, "q31_forward": 87_275}}},
        "search": [{"core": "cortex-m4", "plain": 53.39}],
        "growth": [SearchCost("cortex-m4", size, 9.0, 12.0, 53.0).to_dict() for size in (1_000, 4_096)],
    }


def lines_of(page: str) -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in reversed(rows)}


def test_the_page_has_every_figure(result: dict[str, Any]) -> None:
    page = bench_page(result, "blsh bench-firmware")
    lines = lines_of(page)
    assert lines["**whole hop**"] == ["160,000 / 161,000", "480,000 / 481,000"]
    assert lines["features"] == ["16,000", "48,000"]
    assert lines["search, per entry"] == ["8.00", "20.00"]
    assert lines["... plain scan"] == ["53.39", "not built"]
    assert "| ... CMSIS-DSP q15 | 43,892 | not built |" in page
    assert lines["RAM: state"] == ["10,400", "10,400"]
    assert lines["1,000"] == ["9.00, 12.00 / 53.00"]
    assert lines["SpeexDSP, fixed point"] == ["16.7", "34.5", "38"]
    assert lines["ours, the model of the budgets, 4,096 entries"][:2] == ["10.0", "30.0"]
    assert "Instructions are not cycles" in page


def test_a_voting_model_is_called_one(result: dict[str, Any]) -> None:
    measured = {**result["models"]["budget"], "masks": "votes"}
    rows = [{**result["rows"][0], "case": "extended"}]
    page = bench_page({**result, "models": {"budget": measured, "extended": measured}, "rows": rows}, "")
    assert "## The voting system\n\nL = " in page
    assert ", votes for masks; a hop is 256 samples, 16 ms.\n" in page
    assert "ours, the voting system, " in page and "extended system" not in page


def test_other_denoisers_cost_the_same_on_every_page() -> None:
    root = project_root()
    told = (root / "docs" / "results" / "peers.md").read_text(encoding="utf-8")
    readme = lines_of((root / "README.md").read_text(encoding="utf-8"))
    scored = {score.system for score in load_peer_scores()}
    for cost in load_peer_costs():
        on_m0 = f" ({cost.m0})" if cost.m0 else ""
        sizes = f"{cost.flash_kb} KB, {cost.ram_kb} KB | {cost.latency_ms} ms"
        assert f"| {cost.peer} | {cost.what} | {cost.m4}{on_m0} | {sizes} |" in told
        assert cost.peer in scored
    by_title = {cost.title: cost for cost in load_peer_costs()}  # of two versions of one denoiser, README has the last
    for title, cost in by_title.items():
        assert readme[title][-2:] == [f"{cost.m4}, {cost.m0 or '-'}", f"{cost.ram_kb} KB"], title


def test_a_page_without_cmsis_says_why(result: dict[str, Any]) -> None:
    result["cmsis"] = {"not_built": "no network"}
    assert "| ... CMSIS-DSP q15 | not built: no network | not built |" in bench_page(result, "")


def test_results_are_written_and_listed(result: dict[str, Any], tmp_path: Path) -> None:
    page, data, picture = write_bench(result, "blsh bench-firmware", tmp_path)
    assert json.loads(data.read_text())["rows"] == result["rows"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.name in page.read_text()
    assert "bench-firmware" in (tmp_path / "README.md").read_text()


def test_all_virtual_boards_are_measured_by_default() -> None:
    assert virtual_boards() == [board.name for board in load_boards().values() if board.qemu_machine]


@pytest.mark.parametrize("text", ["", "1000,", "x", "0", "10,-1", "9" * 40])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BlshError, match="expected whole numbers of 1 to 1,000,000"):
        parse_sizes(text)


def test_bad_options_are_refused() -> None:
    with pytest.raises(BlshError, match="0 hops"):
        BenchOptions(("microbit",), hops=0).check()
    with pytest.raises(BlshError, match="board 'none' is unknown"):
        BenchOptions(("none",)).check()
    with pytest.raises(BlshError, match="cortex-m85"):
        bench_core("cortex-m85")
    with pytest.raises(BlshError, match="comma"):
        plugin_arguments(Path("a,b.so"), Path("out"), [Passage(0, (2,))])


def test_cmsis_that_cannot_be_fetched_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    found = count_cmsis(("cortex-m4",), tmp_path, tmp_path / "plugin.so")
    assert "cannot be fetched" in found["not_built"]


def test_a_profile_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("pass 0 100\n")
    with pytest.raises(BlshError, match="not whole"):
        read_profile(tmp_path / "p", {})


def test_the_digest_tells_other_sources(tmp_path: Path) -> None:
    project = bench_project(tmp_path)
    assert firmware_digest(project) == firmware_digest()
    with (project / "firmware" / "core" / "blsh_hop.c").open("a") as source:
        source.write("\n")
    assert firmware_digest(project) != firmware_digest()
    assert firmware_digest(bench_project(tmp_path)) == firmware_digest()


@needs_emulator
def test_the_search_is_counted_beside_the_plain_scan(tmp_path: Path, rng: np.random.Generator) -> None:
    codes, queries = rng.random((700, 50)) < 0.5, rng.random((5, 50)) < 0.5
    bench = SearchBench(codes, queries, 10, tmp_path, build_plugin(tmp_path))
    found = search_growth(bench, (8, 70, 600, 701), ("cortex-m4",))
    assert [cost.entries for cost in found] == [70, 600]  # fewer than neighbours, and more than there are, are left out
    for cost in found:
        assert 40 < cost.plain < 100
        assert 0 < cost.ours <= cost.ours_most < 200
    assert found[1].ours < found[0].ours


@needs_emulator
def test_memory_of_the_smallest_board_s_core(tmp_path: Path, model: Path) -> None:
    image = build_for(M0_ROW, load_model(model), 64, bench_project(tmp_path), lambda _: None)
    found = memory_figures(image, 0)
    flash, ram = found["flash"], found["ram"]
    assert flash["code"] + flash["tables"] == image.size.flash_bytes
    assert ram["state"] + ram["application"] == image.size.ram_bytes
    assert 4_000 < flash["core_code"] < flash["code"]
    assert ram["stack_of_a_hop"] < ram["stack_computed"] < find_board("microbit").stack_bytes
    assert ram["deepest"][0] == "reset_handler"


@pytest.mark.slow
@needs_emulator
def test_the_whole_benchmark_on_two_boards(blsh: Blsh, corpus: Path, model: Path) -> None:
    options = ["--corpus", corpus, "--model", model, "--board", "microbit", "--board", "mps3-an547"]
    options += ["--hops", "8", "--entries", "64,128", "--no-cmsis", "-o", "results"]
    found = blsh.json("bench-firmware", *options)
    assert [(each["board"], each["case"]) for each in found["rows"]] == [
        *((board, "budget") for board in (M0_ROW, "microbit", "mps3-an547")),
        *((board, case) for case in ("smallest", "extended") for board in ("microbit", "mps3-an547")),
    ]
    for each in found["rows"]:
        counts = each["instructions"]
        assert sum(stage["mean"] for stage in counts["stages"].values()) == pytest.approx(counts["mean"], rel=0.02)
        assert each["ram"]["stack_painted"] <= each["ram"]["stack_computed"]
    bars = blsh.json("bars-firmware", "--corpus", corpus, "-o", "results")["bars"]
    assert any(bar["state"] == "not measured" for bar in bars)  # the other boards
    assert next(bar for bar in bars if bar["what"].startswith("it runs on microbit"))["state"] == "met"

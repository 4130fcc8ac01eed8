# SPDX-License-Identifier: Apache-2.0
"""An export with a proof: what any compiler makes of it, that its names clash with none, and that no build takes it."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.export import ExportedModel, export_models, exported_options
from blsh_codegen.emit.library import EXPORT_RECORD_NAME, PORT_HEADER, PROOF_SOURCE
from blsh_codegen.emit.packages import PACK_FILE
from blsh_firmware.build.proof_files import proof_server
from blsh_trainer.errors import BlshError

from .compilers import C_COMPILERS, CPP_COMPILERS, compile_objects, require, run
from .export_builds import cmake, kconfig
from .exports import OPTIONS, artifact, contents

# A board's functions by the names that a vendor's library or a program of the user may have besides.
PORT = """\
#include "blsh_port.h"
int blsh_port_read(void) { return -1; }
void blsh_port_write(uint8_t byte) { (void)byte; }
uint32_t blsh_port_counter(void) { static uint32_t ticks; return ticks++; }
void blsh_port_reset(void) {}
void hal_reset(void); void hal_reset(void) {}
void send(void); void send(void) {}
int main(void) {
    static const blsh_port_t port = {"board", "core", 1000000u, 0u, 0u};
    blsh_prove(&MODEL, &port);
    return 0;
}
"""


@pytest.fixture(scope="module")
def models() -> list[ExportedModel]:
    rng = np.random.default_rng(5)
    return [ExportedModel(artifact(rng, name=name), OPTIONS, name) for name in ("near", "far")]


@pytest.fixture(scope="module")
def library(models: list[ExportedModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export of two models with a proof."""
    folder = tmp_path_factory.mktemp("exported") / "library"
    export_models(models, folder, server=proof_server())
    return folder


@pytest.mark.heavy
@pytest.mark.parametrize("compiler", ["cortex-m0", "cortex-m4"])
def test_the_proof_compiles_without_a_warning_and_its_names_are_its_own(
    library: Path, tmp_path: Path, compiler: str
) -> None:
    made = compile_objects(C_COMPILERS[compiler], [library / PROOF_SOURCE], [library / "src"], tmp_path)
    require("nm")
    listing = run("nm", "--defined-only", "--extern-only", "--format=posix", *made).stdout.decode()
    names = {line.split()[0] for line in listing.splitlines()}
    assert "blsh_prove" in names and [name for name in names if not name.startswith("blsh_")] == []
    needed = run("nm", "--undefined-only", "--format=posix", *made).stdout.decode()
    ports = {line.split()[0] for line in needed.splitlines() if line.startswith("blsh_port_")}
    assert ports == {f"blsh_port_{name}" for name in ("read", "write", "counter", "reset")}, "four functions, no more"


@pytest.mark.heavy
def test_the_proof_links_beside_names_of_the_users_and_several_models(library: Path, tmp_path: Path) -> None:
    (tmp_path / "port.c").write_text(
        '#include "near_model.h"\n#include "far_model.h"\n#define MODEL far_model\n' + PORT
    )
    sources = [tmp_path / "port.c", library / PROOF_SOURCE, *sorted((library / "src").glob("*.c"))]
    folders = [library / "src", library / "proof"]
    made = compile_objects(C_COMPILERS["gcc"], sources, folders, tmp_path / "objects", "-O0")
    done = run("gcc", *made, "-o", tmp_path / "program")
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.heavy
def test_the_port_header_serves_a_program_in_cpp(library: Path, tmp_path: Path) -> None:
    (tmp_path / "port.cpp").write_text('#include "near_model.h"\n#define MODEL near_model\n' + PORT)
    compile_objects(CPP_COMPILERS["g++"], [tmp_path / "port.cpp"], [library / "src", library / "proof"], tmp_path)


def test_an_export_without_a_proof_has_nothing_of_it(
    models: list[ExportedModel], library: Path, tmp_path: Path
) -> None:
    export_models(models, tmp_path / "bare")
    bare, proven = contents(tmp_path / "bare"), contents(library)
    assert not [name for name, content in bare.items() if re.search(rb"blsh_port|CONFIG_BLSH_PROOF", content)]
    others = {name for name in proven if not name.startswith("proof/")}
    assert others - set(bare) == {"Kconfig"}
    differing = {name for name in bare if bare[name] != proven[name]}
    manifests = {"CMakeLists.txt", "zephyr/CMakeLists.txt", "zephyr/Kconfig", PACK_FILE}
    assert differing == {*manifests, "README.txt", EXPORT_RECORD_NAME}, "what is compiled is the same"


def test_exporting_over_an_export_with_a_proof_leaves_nothing_of_it(
    models: list[ExportedModel], tmp_path: Path
) -> None:
    export_models(models, tmp_path / "library", server=proof_server())
    export_models(models, tmp_path / "library")
    assert not (tmp_path / "library" / "proof").exists()


# ---- no build takes the proof unless it is asked for it -------------------------------------------------------------


def test_idf_takes_the_proof_by_its_option_alone(library: Path, tmp_path: Path) -> None:
    scan = 'macro(idf_component_register)\n  message(STATUS "registered: ${ARGN}")\n  return()\nendmacro()\n'
    for option in ("", "y"):
        given = f"set(ESP_PLATFORM 1)\nset(CONFIG_BLSH_PROOF {option})\ninclude({library}/CMakeLists.txt)\n"
        (tmp_path / "scan.cmake").write_text(scan + given)
        registered = run(cmake(), "-P", tmp_path / "scan.cmake").stdout.decode()
        assert "src/blsh_hop.c" in registered and (PROOF_SOURCE in registered) == (option == "y")
        assert registered.strip().endswith("INCLUDE_DIRS;src;proof" if option else "INCLUDE_DIRS;src")
    text = (library / "Kconfig").read_text()
    assert "\t" not in text and "\n    help\n        Compiles" in text, "ESP-IDF's checker asks for four spaces a level"
    for value in "ny":
        (option,) = kconfig(library / "Kconfig", tmp_path, BLSH_PROOF=value).unique_defined_syms
        assert (option.name, option.str_value) == ("BLSH_PROOF", value)
    assert kconfig(library / "Kconfig", tmp_path).syms["BLSH_PROOF"].str_value == "n"


def test_zephyr_and_packs_take_the_proof_by_name_alone(library: Path, tmp_path: Path) -> None:
    zephyr = (library / "zephyr" / "CMakeLists.txt").read_text()
    before, after = zephyr.split("if(CONFIG_BLSH_PROOF)")
    assert "proof" not in before and f"../{PROOF_SOURCE}" in after
    for values, expected in (({}, "n"), ({"BLSH": "y"}, "n"), ({"BLSH": "y", "BLSH_PROOF": "y"}, "y")):
        read = kconfig(library / "zephyr" / "Kconfig", tmp_path, **values)
        assert read.syms["BLSH_PROOF"].str_value == expected
    alone = read.syms["BLSH"].set_value("n")
    assert alone and read.syms["BLSH_PROOF"].str_value == "n", "it depends on the module"
    denoiser, proof = ET.parse(library / PACK_FILE).getroot().iter("component")
    assert not [each for each in denoiser.iter("file") if each.attrib["name"].startswith("proof")]
    assert {each.attrib["name"] for each in proof.iter("file")} == {"proof/", PORT_HEADER, PROOF_SOURCE}


def test_a_sketch_takes_the_proof_by_the_line_of_the_readme(library: Path, tmp_path: Path) -> None:
    """Arduino compiles the sketch's own files with src/ of the library as include path, and no other of its folders."""
    require("gcc")
    (line,) = re.findall(
        r"a file proof.c in the sketch, with the line (#include <\S+>)", (library / "README.txt").read_text()
    )
    (tmp_path / "proof.c").write_text(f"{line}\n")
    done = run("gcc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Werror", f"-I{library / 'src'}", tmp_path / "proof.c")
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.heavy
def test_cmake_would_build_the_proof_for_those_who_link_it(library: Path, tmp_path: Path) -> None:
    assert run(cmake(), "-S", library, "-B", tmp_path, "-DCMAKE_BUILD_TYPE=Debug").returncode == 0
    planned = run(cmake(), "--build", tmp_path, "--", "-n").stdout.decode()
    assert "blsh_hop.c" in planned and "blsh_proof.c" not in planned
    asked = run(cmake(), "--build", tmp_path, "--target", "blsh_proof", "--", "-n").stdout.decode()
    assert "blsh_hop.c" in asked and "blsh_proof.c" in asked


# ---- the record tells how a model was reduced ----------------------------------------------------------------------


def test_the_options_of_each_model_can_be_read_again(models: list[ExportedModel], library: Path) -> None:
    assert [exported_options(library, each.artifact.sha256) for each in models] == [[OPTIONS], [OPTIONS]]
    assert exported_options(library, "0" * 64) == []


@pytest.mark.parametrize("record", ["", "[]", '{"options": {"of": "another version"}, "model_sha256": "ab"}'])
def test_a_folder_without_a_record_is_refused(tmp_path: Path, record: str) -> None:
    (tmp_path / EXPORT_RECORD_NAME).write_text(record)
    with pytest.raises(BlshError, match=r"holds no export of this version.*name the folder that `blsh export` wrote"):
        exported_options(tmp_path, "ab")

# SPDX-License-Identifier: Apache-2.0
"""The manifests of an exported library: their form, and programs built from them.

CMake and PlatformIO build by themselves, in test_export.py and in tools/tests. kconfiglib reads the options of Zephyr
and ESP-IDF, and Arduino's own headers take the sketch. The tests cannot reach the rest of their tools, nor those of
CMSIS-Pack: stand-ins have the functions that the manifests call. docs/embedding.md says what was checked by hand.
"""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from blsh_codegen.emit.export import ExportedModel, export_library, export_models
from blsh_codegen.emit.library import ARDUINO_EXAMPLE, EXPORT_RECORD_NAME, STREAM_EXAMPLE
from blsh_codegen.emit.packages import PACK_FILE
from blsh_codegen.spec.constants import ModelKind
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_trainer.signals.geometry import CLASSES

from .compilers import C_COMPILERS, WARNINGS, compile_objects, run
from .export_builds import aligned_output, cmake, kconfig
from .exports import OPTIONS, artifact, contents, of_kind

SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"


@pytest.fixture
def models(rng: np.random.Generator) -> list[ExportedModel]:
    """Return two models of one program."""
    near = ExportedModel(artifact(rng), OPTIONS, "near")
    return [near, ExportedModel(*of_kind(ModelKind.SMALL_VOTES, rng, CLASSES["hearing"]), "far")]


@pytest.fixture
def library(models: list[ExportedModel], tmp_path: Path) -> Path:
    """Return an export of `models`."""
    export_models(models, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture(params=["alone", "several"])
def any_library(request: pytest.FixtureRequest, models: list[ExportedModel], tmp_path: Path) -> Path:
    """Return an export of one model without a prefix, then of several."""
    if request.param == "several":
        export_models(models, tmp_path / "library")
    else:
        export_library(models[0].artifact, OPTIONS, tmp_path / "library")
    return tmp_path / "library"


@pytest.fixture
def data(rng: np.random.Generator) -> bytes:
    """Return samples of a length that is no multiple of a hop."""
    return edge_signal("speech_like", 1500, rng).astype("<i2").tobytes()


def headers(library: Path) -> list[str]:
    """Return the headers of the library's models, in the order of its record."""
    names = sorted(path.name for path in (library / "src").glob("*_model.h"))
    assert names
    return names


def check_streams(program: Path, models: list[ExportedModel], data: bytes) -> None:
    """Check that the example built as `program` computes what the reference says, with each of the models."""
    for each in models:
        done = run(program, each.prefix, data=data)
        assert (done.returncode, done.stdout) == (0, aligned_output(each.artifact, data, each.options))
        assert any(done.stdout), "all zeros would compare equal too easily"


# ---- Arduino: the rules of arduino-lint, by their names there -------------------------------------------------------

CATEGORIES = ("Display", "Communication", "Signal Input/Output", "Sensors", "Device Control", "Timing")
CATEGORIES += ("Data Storage", "Data Processing", "Other")
NEEDED = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")


def test_arduino_properties_keep_the_rules_of_arduino_lint(any_library: Path) -> None:
    lines = (any_library / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert tuple(properties) == (*NEEDED, "includes") and len(lines) == len(properties), "each once, LP005 to LP058"
    assert all(properties.values()), "LP008, LP024, LP026, LP032, LP044, LP051, LP056"
    name = properties["name"]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,15}", name), "LP009 to LP011, LP015"
    assert not re.search("arduino|library", name, re.IGNORECASE), "LP012, LP014, LP016"
    assert not re.search("arduino", properties["maintainer"], re.IGNORECASE), "LP027, LP057"
    assert re.fullmatch(SEMVER, properties["version"]), "LP020, LP021"
    assert properties["sentence"] not in properties["paragraph"], "LP036"
    assert properties["category"] in CATEGORIES, "LP038"
    assert urlsplit(properties["url"]).scheme == "https" and urlsplit(properties["url"]).netloc, "LP041"
    architectures = properties["architectures"].split(",")
    assert len(set(architectures)) == len(architectures)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", each) for each in architectures)
    assert {each.lower() for each in architectures} - set(architectures) <= {"nrf5"}, "LP046"
    assert not {"*", "avr", "megaavr", "esp8266"} & set(architectures), "the core cannot serve their parts"
    includes = properties["includes"].split(",")
    assert sorted(includes) == headers(any_library), "LP052"
    assert (any_library / "src" / f"{name}.h").is_file(), "LS008"


def test_arduino_folder_keeps_the_rules_of_arduino_lint(any_library: Path) -> None:
    names = list(contents(any_library))
    assert not any(path.is_symlink() for path in any_library.rglob("*")), "LS005"
    assert not any(re.search(r"(^|/)\.|\.exe$", name) for name in names), "LS006, LS007"
    folders = {path.name for path in any_library.iterdir() if path.is_dir()}
    assert folders == {"examples", "src", "zephyr"}, "LS009 to LS012, LD005, LD006"
    assert {"README.txt", "LICENSE"} <= set(names), "LD001, LD002"
    sketches = list(any_library.rglob("*.ino"))
    assert sketches and all(each.parent.parent == any_library / "examples" for each in sketches), "LD003, LD004"
    assert all(each.stem == each.parent.name for each in sketches), "SS001"
    lower = [name.lower() for name in names]
    assert len(set(lower)) == len(lower), "two names are one on Windows and macOS"
    assert all(re.fullmatch(r"[A-Za-z0-9_./-]+", name) for name in names)


AVR_CORE = Path("/usr/share/arduino/hardware/arduino/avr")
"""The core of Arduino's 8-bit boards: Debian's arduino-core-avr, the one package with an `Arduino.h` of Arduino's."""


@pytest.mark.skipif(not AVR_CORE.is_dir(), reason="arduino-core-avr is not installed: tools/setup.sh --with-test-tools")
def test_arduinos_own_headers_take_the_sketch_and_an_8_bit_part_is_refused(any_library: Path, tmp_path: Path) -> None:
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text("#include <Arduino.h>\n" + (any_library / ARDUINO_EXAMPLE).read_text())
    folders = [AVR_CORE / "cores" / "arduino", AVR_CORE / "variants" / "mega", any_library / "src"]
    flags = ["-Os", "-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10807", *(f"-I{folder}" for folder in folders)]
    done = run("avr-g++", "-std=gnu++11", "-Wall", "-Wextra", *flags, "-fsyntax-only", sketch)
    assert (done.returncode, done.stderr) == (0, b"")
    for source in (any_library / "src" / "blsh_hop.c", *(any_library / "src").glob("*_model.c")):
        done = run("avr-gcc", "-std=gnu11", *flags, "-fsyntax-only", source)
        assert done.returncode != 0 and b'error: #error "BLSH computes in an int of 32 bits' in done.stderr


# ---- PlatformIO -----------------------------------------------------------------------------------------------------


def test_platformio_manifest_names_what_is_there(any_library: Path) -> None:
    manifest = json.loads((any_library / "library.json").read_text())
    named = manifest["headers"]
    assert sorted([named] if isinstance(named, str) else named) == headers(any_library)
    assert (manifest["build"]["srcDir"], manifest["build"]["includeDir"]) == ("src", "src")
    assert manifest["version"] == json.loads((any_library / EXPORT_RECORD_NAME).read_text())["version"]
    for example in manifest["examples"]:
        assert all((any_library / example["base"] / name).is_file() for name in example["files"])


# ---- Zephyr ---------------------------------------------------------------------------------------------------------

# Zephyr's functions of these names, as far as a library's CMakeLists.txt can tell.
ZEPHYR = """\
cmake_minimum_required(VERSION 3.20)
project(app LANGUAGES C)
add_library(zephyr_interface INTERFACE)
target_compile_options(zephyr_interface INTERFACE -Os)
function(zephyr_include_directories)
  foreach(given ${{ARGV}})
    get_filename_component(whole ${{given}} ABSOLUTE)
    target_include_directories(zephyr_interface INTERFACE ${{whole}})
  endforeach()
endfunction()
function(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${{name}} PARENT_SCOPE)
  add_library(${{name}} STATIC)
  target_link_libraries(${{name}} PUBLIC zephyr_interface)
  set_property(GLOBAL APPEND PROPERTY ZEPHYR_LIBS ${{name}})
endfunction()
function(zephyr_library_sources)
  target_sources(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE ${{ARGV}})
endfunction()
function(zephyr_library_compile_options)
  add_library(own_options INTERFACE)
  target_compile_options(own_options INTERFACE ${{ARGV}})
  target_link_libraries(${{ZEPHYR_CURRENT_LIBRARY}} PRIVATE own_options)
endfunction()
set(CONFIG_BLSH {enabled})
add_subdirectory({folder} modules/blsh)
get_property(libraries GLOBAL PROPERTY ZEPHYR_LIBS)
add_executable(app {example})
target_link_libraries(app PRIVATE zephyr_interface ${{libraries}})
"""


def zephyr_module(library: Path) -> dict[str, object]:
    module = pytest.importorskip("yaml").safe_load((library / "zephyr" / "module.yml").read_text())
    assert isinstance(module, dict)
    return module


def test_zephyr_module_is_formed_as_zephyr_reads_it(any_library: Path) -> None:
    module = zephyr_module(any_library)
    assert module == {"name": "blsh", "build": {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"}}
    assert (any_library / "zephyr" / "CMakeLists.txt").is_file(), "`cmake` names its folder, from the module's root"


def test_zephyr_offers_the_module_as_an_option_that_is_off(any_library: Path, tmp_path: Path) -> None:
    file = any_library / "zephyr" / "Kconfig"
    (option,) = kconfig(file, tmp_path).unique_defined_syms
    (node,) = option.nodes
    assert (option.name, option.str_value, node.prompt[0]) == ("BLSH", "n", "BLSH, a learned speech denoiser")
    assert sorted(re.findall(r"\w+\.h\b", node.help)) == headers(any_library)
    for value in "yn":
        assert kconfig(file, tmp_path, BLSH=value).syms["BLSH"].str_value == value


@pytest.mark.heavy
def test_zephyr_builds_the_module_where_its_option_is_set(
    models: list[ExportedModel], library: Path, data: bytes, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for enabled in ("", "y"):
        text = ZEPHYR.format(enabled=enabled, folder="../library/zephyr", example=f"../library/{STREAM_EXAMPLE}")
        (project / "CMakeLists.txt").write_text(text)
        done = [run(*command) for command in cmake_commands(project, tmp_path / "build")]
        assert (done[-1].returncode == 0) == (enabled == "y"), done[-1].stderr.decode()
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    levels = {Path(each["file"]).name: re.findall(r" (-O\w+)", each["command"]) for each in commands}
    assert levels["blsh_hop.c"][-1] == "-O2" and levels["stream.c"][-1] == "-Os"
    check_streams(tmp_path / "build" / "app", models, data)


def cmake_commands(source: Path, build: Path) -> list[list[object]]:
    flags = f"-DCMAKE_C_FLAGS={' '.join(flag for flag in WARNINGS if flag != '-O2')}"
    configure = [cmake(), "-S", source, "-B", build, flags, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    return [configure, [cmake(), "--build", build]]


# ---- ESP-IDF --------------------------------------------------------------------------------------------------------

# ESP-IDF reads a component twice: as a script, for its name and requirements alone, and then to build it.
IDF_SCAN = """\
macro(idf_component_register)
  message(STATUS "registered: ${{ARGN}}")
  return()
endmacro()
set(ESP_PLATFORM 1)
include({folder}/CMakeLists.txt)
"""
IDF = """\
cmake_minimum_required(VERSION 3.16)
project(app LANGUAGES C)
set(ESP_PLATFORM 1)
add_compile_options(-Og)
function(idf_component_register)
  cmake_parse_arguments(PARSE_ARGV 0 given "" "" "SRCS;INCLUDE_DIRS;REQUIRES")
  add_library(__idf_blsh STATIC ${{given_SRCS}})
  target_include_directories(__idf_blsh PUBLIC ${{given_INCLUDE_DIRS}})
  set(COMPONENT_LIB __idf_blsh PARENT_SCOPE)
endfunction()
add_subdirectory({folder} components/blsh)
add_executable(app {example})
target_link_libraries(app PRIVATE __idf_blsh)
"""


def test_idf_component_is_formed_as_its_manager_reads_it(any_library: Path) -> None:
    manifest = pytest.importorskip("yaml").safe_load((any_library / "idf_component.yml").read_text())
    assert set(manifest) == {"version", "description", "url", "license", "tags", "dependencies"}
    assert re.fullmatch(SEMVER, manifest["version"]) and manifest["license"] == "Apache-2.0"
    assert urlsplit(manifest["url"]).scheme == "https" and manifest["description"]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{3,32}", tag) for tag in manifest["tags"])
    assert manifest["dependencies"] == {"idf": ">=5.0"}


@pytest.mark.heavy
def test_idf_registers_and_builds_the_component(
    models: list[ExportedModel], library: Path, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / "scan.cmake").write_text(IDF_SCAN.format(folder=library))
    scanned = run(cmake(), "-P", tmp_path / "scan.cmake")
    assert scanned.returncode == 0, scanned.stderr.decode()
    assert re.search(rb"registered: SRCS;src/blsh_crc32.c;.*;INCLUDE_DIRS;src\n", scanned.stdout)
    project = tmp_path / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(IDF.format(folder="../library", example=f"../library/{STREAM_EXAMPLE}"))
    for command in cmake_commands(project, tmp_path / "build"):
        done = run(*command)
        assert done.returncode == 0, done.stderr.decode()
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    levels = {Path(each["file"]).name: re.findall(r" (-O\w+)", each["command"]) for each in commands}
    assert (levels["blsh_hop.c"][-1], levels["stream.c"][-1]) == ("-O2", "-Og")
    check_streams(tmp_path / "build" / "app", models, data)


# ---- CMSIS-Pack -----------------------------------------------------------------------------------------------------

# Children of <package> that are used here, in the order that the schema asks for.
PACK_CHILDREN = ["vendor", "name", "description", "url", "license", "releases", "conditions", "components"]
FILE_CATEGORIES = {"doc", "header", "include", "source"}


def pack_component(library: Path) -> ET.Element:
    (component,) = ET.parse(library / PACK_FILE).getroot().iter("component")
    return component


def test_pack_description_is_formed_as_its_schema_asks(any_library: Path) -> None:
    package = ET.parse(any_library / PACK_FILE).getroot()
    assert package.tag == "package" and re.fullmatch(r"1\.7\.\d+", package.attrib["schemaVersion"])
    assert [child.tag for child in package] == PACK_CHILDREN
    vendor, name = package.findtext("vendor"), package.findtext("name")
    assert f"{vendor}.{name}.pdsc" == PACK_FILE and re.fullmatch(r"[-_A-Za-z0-9]+", f"{vendor}{name}")
    assert (any_library / str(package.findtext("license"))).is_file()
    (release,) = package.iter("release")
    component = pack_component(any_library)
    assert re.fullmatch(SEMVER, release.attrib["version"]) and component.attrib["Cversion"] == release.attrib["version"]
    assert {"Cclass", "Cgroup", "Csub", "Cversion", "condition"} == set(component.attrib)
    (condition,) = package.iter("condition")
    assert condition.attrib["id"] == component.attrib["condition"]
    assert {each.attrib["Tcompiler"] for each in condition.iter("accept")} == {"GCC", "CLANG", "ARMCC"}
    assert [child.tag for child in component] == ["description", "files"]


@pytest.mark.heavy
def test_pack_lists_what_a_program_needs(
    models: list[ExportedModel], library: Path, data: bytes, tmp_path: Path
) -> None:
    files = [(each.attrib["category"], each.attrib["name"]) for each in pack_component(library).iter("file")]
    assert {category for category, _ in files} == FILE_CATEGORIES and len(set(files)) == len(files)
    assert all((library / name).is_file() != (category == "include") for category, name in files)
    assert all(name.endswith("/") for category, name in files if category == "include")
    assert sorted(name for category, name in files if category == "header") == [
        f"src/{each}" for each in headers(library)
    ]
    sources = [library / name for category, name in files if category == "source"]
    includes = [library / name for category, name in files if category == "include"]
    made = compile_objects(C_COMPILERS["gcc"], [library / STREAM_EXAMPLE, *sources], includes, tmp_path / "host", "-O0")
    assert run("gcc", *made, "-o", tmp_path / "stream").returncode == 0
    check_streams(tmp_path / "stream", models, data)

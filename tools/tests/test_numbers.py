# SPDX-License-Identifier: Apache-2.0
"""Every number on the command line is checked before a command begins: finite, and in a range that its help shows."""

import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
import typer

from blsh_codegen.spec import constants as fixed
from blsh_tools.cli import app
from blsh_tools.options import numbers_in_range
from blsh_tools.options.numbers_in_range import Range
from blsh_trainer.corpora import mixing
from blsh_trainer.errors import BlshError
from blsh_trainer.model import artifact
from blsh_trainer.model import projection as hashing
from blsh_trainer.signals import spectra

VALUES = ("nan", "inf", "-inf", "-1", "0", "1e300", "-1e300", "9" * 30, "9" * 5000)
NEEDED = {("export",): ["--to", "folder"], ("bars-geometry",): ["--models", "folder"]}
"""Options that a command cannot do without."""
ACCEPTED = {
    "--seed": {"0"},
    "--dictionary-seed": {"0"},
    "--snr": {"-1", "0"},
    "--gain": {"-1", "0"},
    "--smoothing": {"0"},
    "--smoothing-down": {"0"},
    "--floor": {"0"},
    "--floor-db": {"-1", "0"},
    "--start-odds": {"0"},
    "--steady-odds": {"0"},
    "--shift-odds": {"-1", "0"},
    "--hearing": {"0"},
    "--clarity": {"0"},
    "--rank": {"0"},
    "--buffer": {"0"},
    "--generated": {"0"},
    "--port": {"0"},
    "--limit": {"0"},
}
"""Which of VALUES an option takes, in every command that has it; none where it is not named."""
COMMANDS: Any = typer.main.get_command(app)
SIZES = {"--flash", "--ram", "--entries"}
"""Options that are numbers in text, in some commands."""


def commands(group: typer.Typer, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the function of every command."""
    for command in group.registered_commands:
        function = command.callback
        assert function is not None
        yield (*path, command.name or function.__name__), function
    for inner in group.registered_groups:
        assert inner.typer_instance is not None and isinstance(inner.name, str)
        yield from commands(inner.typer_instance, (*path, inner.name))


def options(function: Any) -> Iterator[tuple[str, set[Any], Any]]:
    """Yield of every option its longest name, its types, and its declaration."""
    for name, parameter in inspect.signature(function).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            kind, declared = get_args(parameter.annotation)
            if isinstance(declared, typer.models.OptionInfo):
                names = declared.param_decls or [f"--{name.replace('_', '-')}"]
                yield (
                    max(names, key=len),
                    {kind, *get_args(kind), *map(get_origin, get_args(kind))}
                    | {inner for each in get_args(kind) for inner in get_args(each)},
                    declared,
                )


NUMBERS = [
    (path, option, declared)
    for path, function in commands(app)
    for option, kinds, declared in options(function)
    if kinds & {int, float} or (option in SIZES and str in kinds)
]


def begin(path: tuple[str, ...], option: str, value: str) -> bool:
    """Parse a command line with this option, and run nothing."""
    command = COMMANDS
    for name in path:
        command = command.commands[name]
    required = [name for name in command.params if name.param_type_name == "argument" and name.required]
    to = NEEDED.get(path, [])
    try:
        command.make_context(path[-1], [*("x.npz" for _ in required), *to, f"{option}={value}"])
    except BlshError as error:
        assert str(error).startswith(f"{option} ")
        return False
    except Exception as error:
        assert getattr(error, "exit_code", None) == 2, repr(error)  # no number at all: Typer refuses it
        return False
    return True


def test_no_option_with_a_number_is_overlooked() -> None:
    assert len(NUMBERS) > 60 and {path for path, _, _ in NUMBERS} >= {("train",), ("corpus", "make"), ("demo",)}
    for path, option, declared in NUMBERS:
        assert "[range: " in declared.help or option in SIZES, f"{path} {option}: declare it by a Range"


@pytest.mark.parametrize("path", dict.fromkeys(path for path, _, _ in NUMBERS), ids=" ".join)
def test_odd_numbers_are_refused_before_a_command_begins(path: tuple[str, ...]) -> None:
    for own, option, _ in NUMBERS:
        if own == path:
            taken = {value for value in VALUES if begin(path, option, value)}
            assert taken == ACCEPTED.get(option, set()), option


def test_a_range_ends_where_it_says() -> None:
    numbers = Range(0, 1, above=True)
    assert not numbers.holds(0) and numbers.holds(1) and not numbers.holds(1.001) and not numbers.holds(float("nan"))
    assert Range(0, 1).holds(0) and str(Range(-5, 1024)) == "-5 to 1,024"


def test_ranges_are_those_of_what_is_behind_the_options() -> None:
    found = {name: value.high for name, value in vars(numbers_in_range).items() if isinstance(value, Range)}
    assert (found["BITS"], found["CORE_NEIGHBOURS"]) == (fixed.MAX_BITS, fixed.MAX_NEIGHBOURS)
    assert fixed.MAX_BITS == hashing.MAX_BITS, "what can be trained can be generated"
    assert (found["SMOOTHING"], found["FLOOR"]) == (artifact.MAX_SMOOTHING, artifact.MAX_FLOOR)
    assert (found["SNR_DB"], found["CORE_BINS"]) == (mixing.MAX_SNR_DB, spectra.BINS)

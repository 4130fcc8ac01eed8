# SPDX-License-Identifier: Apache-2.0
"""Groups of options: a command gets one object, its user sees the options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from blsh_tools.options.groups import OptionGroup, with_groups


@dataclass(frozen=True)
class Size(OptionGroup):
    """The group of the tests here."""

    entries: Annotated[int | None, typer.Option("--entries", help="How many.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False


def test_the_fields_of_a_group_are_options_in_its_place() -> None:
    found: list[object] = []

    def generate(model: Path, size: Size, seed: int = 3) -> None:
        """Generate."""
        found.append((model, size, seed))

    app = typer.Typer()
    app.command()(with_groups(generate))
    outcome = CliRunner().invoke(app, ["m.npz", "--entries", "4", "--seed", "5"])
    assert outcome.exit_code == 0, outcome.output
    assert CliRunner().invoke(app, ["m.npz"]).exit_code == 0
    assert found == [(Path("m.npz"), Size(4), 5), (Path("m.npz"), Size(), 3)]
    text = CliRunner().invoke(app, ["--help"]).output
    places = [text.index(name) for name in ("--entries", "--dry-run", "--seed")]
    assert places == sorted(places) and "--size" not in text


def test_a_command_without_groups_stays_as_it_is() -> None:
    def plain(model: Path) -> None: ...

    assert with_groups(plain) is plain


def test_the_options_that_were_given_are_named_as_they_are_typed() -> None:
    assert Size().given() == []
    assert Size(entries=4, dry_run=True).given() == ["--entries", "--dry-run"]

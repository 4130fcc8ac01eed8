# SPDX-License-Identifier: Apache-2.0
"""Groups of options: a dataclass whose fields are options, which a command takes as one parameter.

Several commands share the options of a model. Written into each signature they would stand in six places and be handed
on in six calls. With

    @dataclass(frozen=True)
    class Size(OptionGroup):
        entries: Annotated[int | None, typer.Option("--entries")] = None

    def generate(model: Path, size: Size) -> None: ...

`with_groups(generate)` is a command with the option --entries, which calls `generate` with a Size.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any


@dataclass(frozen=True)
class OptionGroup:
    """The fields of a subclass are options; see `with_groups`."""

    def given(self) -> list[str]:
        """Return the options whose values are not their defaults, as they are typed."""
        named = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        return [f"--{name.replace('_', '-')}" for name in named]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` as typer can read it: with the fields of each parameter that is an OptionGroup in its place."""
    signature = inspect.signature(command)
    groups: dict[str, type[OptionGroup]] = {}
    parameters: list[inspect.Parameter] = []
    for name, each in signature.parameters.items():
        if isinstance(each.annotation, type) and issubclass(each.annotation, OptionGroup):
            groups[name] = each.annotation
            parameters += inspect.signature(each.annotation).parameters.values()
        else:
            parameters.append(each)
    if not groups:
        return command

    @wraps(command)
    def spread(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    by_name = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    spread.__signature__ = signature.replace(parameters=by_name)  # type: ignore[attr-defined]
    return spread

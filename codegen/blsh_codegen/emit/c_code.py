# SPDX-License-Identifier: Apache-2.0
"""Write C and compile it: the environment of the templates, and the warnings that are errors."""

import re
from typing import Final

import jinja2

C_WARNINGS: Final = (
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wmissing-prototypes",
    "-Wshadow",
)
"""The warnings that every C file of the project is compiled with, for every machine."""


def text_environment(package: str, folder: str = "templates") -> jinja2.Environment:
    """Return the environment of the templates in a folder of `package`.

    An undefined name is an error; nothing is escaped.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def plain_text(text: str) -> str:
    """Return `text` with '_' for each character that could end a C string, a comment or a line of a manifest."""
    return re.sub(r"[^A-Za-z0-9 .,+=_-]", "_", text)

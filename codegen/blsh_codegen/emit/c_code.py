"""How we write C and how we compile it: the template environment, and the warnings that are errors."""

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
"""What every C file of the project is compiled with, for every machine."""


def c_environment(package: str) -> jinja2.Environment:
    """The templates of `package`; an undefined name is an error, and nothing is escaped: it is C, not HTML."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def plain_text(text: str) -> str:
    """`text` for a C string, comment or a line of a manifest: whatever could end one becomes '_'."""
    return re.sub(r"[^A-Za-z0-9 .,+=_-]", "_", text)

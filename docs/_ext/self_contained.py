# SPDX-License-Identifier: Apache-2.0
"""Hold the built site to one promise: no page loads anything from a network."""

import re
from pathlib import Path
from typing import Any

from sphinx.util import logging

_ELEMENT = re.compile(r"<(?:script|img|link|iframe|source|audio|video)\b[^>]*>")
_FOREIGN = re.compile(r"""\b(?:src|href|srcset)=["']?((?:https?:)?//[^"'\s>]+)""")


def loaded_from_network(page: str) -> list[str]:
    """Return the addresses of other machines that a page of HTML loads something from."""
    return [address for element in _ELEMENT.findall(page) for address in _FOREIGN.findall(element)]


def _finish(app: Any, error: Exception | None) -> None:
    """Check every page, and put a page at the top that leads to the first one."""
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    first = f"{app.config.root_doc}.html"
    (out / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{app.config.html_title}</title>'
        f'<meta http-equiv="refresh" content="0; url={first}"><a href="{first}">{app.config.html_title}</a></html>\n',
        encoding="utf-8",
    )
    for page in sorted(out.rglob("*.html")):
        for address in loaded_from_network(page.read_text(encoding="utf-8")):
            logging.getLogger(__name__).warning("%s loads %s from the network", page.relative_to(out), address)


def setup(app: Any) -> dict[str, bool]:
    """Check when all pages are written."""
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

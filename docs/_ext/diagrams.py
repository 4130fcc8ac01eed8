# SPDX-License-Identifier: Apache-2.0
"""Draw Mermaid diagrams while the site is built, so that a page loads no script for them.

GitHub draws the same fences by itself. A picture is drawn twice, for light and for dark pages.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, ClassVar

import mmdr
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

THEMES = {"only-light": "default", "only-dark": "dark"}

LEAST_SCALE = 0.7
"""A diagram is not drawn smaller: where it is wider than the page then, it scrolls within its own box."""

_WIDTH = re.compile(r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+)')


class Diagram(nodes.General, nodes.Element):
    """A drawn diagram in a page: its SVG files, by the class that shows each, and its text for readers without eyes."""


class Mermaid(SphinxDirective):
    """The fence `mermaid`."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Draw the diagram; return its node. What Mermaid cannot read is an error of the page."""
        source = "\n".join(self.content)
        title = re.search(r"^\s*accTitle: *(.+)$", source, re.MULTILINE)
        if title is None:
            raise self.error("a diagram needs a line `accTitle: ...`, which is read aloud in its place")
        name = hashlib.sha256(source.encode()).hexdigest()[:12]
        try:
            pictures = {kind: (f"diagram-{name}-{theme}.svg", drawn(source, theme)) for kind, theme in THEMES.items()}
        except ValueError as error:
            raise self.error(f"mermaid: {error}") from error
        return [Diagram(alt=title[1].strip(), pictures=pictures)]


def drawn(source: str, theme: str) -> str:
    """Return a diagram as SVG; ValueError if it cannot be read."""
    return str(mmdr.render(f"%%{{init: {{'theme': '{theme}'}}}}%%\n{source}").svg())


def visit(translator: Any, node: Diagram) -> None:
    """Write both pictures beside the other images, and the elements that show them."""
    folder = Path(translator.builder.outdir) / translator.builder.imagedir
    folder.mkdir(parents=True, exist_ok=True)
    for kind, (name, svg) in node["pictures"].items():
        (folder / name).write_text(svg, encoding="utf-8")
        address = f"{translator.builder.imgpath}/{name}"
        alt = translator.attval(node["alt"])
        width = float(_WIDTH.findall(svg)[0])
        image = f'<img src="{address}" alt="{alt}" width="{width:.0f}" style="min-width: {LEAST_SCALE * width:.0f}px">'
        translator.body.append(f'<div class="diagram {kind}" tabindex="0">{image}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Teach Sphinx the fence and its node."""
    app.add_node(Diagram, html=(visit, None))
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

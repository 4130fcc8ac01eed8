# SPDX-License-Identifier: Apache-2.0
"""`blsh docs`: the pages of the documentation, without a network."""

import sys
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import AsJson


def complete_page(begun: str) -> list[str]:
    """Return the pages whose names begin as typed."""
    from blsh_tools.manual import manual_pages

    return [name for name in manual_pages() if name.startswith(begun)]


def docs(
    page: Annotated[
        str | None,
        typer.Argument(
            metavar="PAGE", help="The page to show [default: list the pages].", autocompletion=complete_page
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a page of the documentation, or list the pages.

    On a terminal the page is laid out, for a pager: `blsh docs choosing | less`. In a pipe it is Markdown, as it stands
    in the file that `--json` names.
    """
    from blsh_tools.manual import manual_page, manual_pages, page_title

    if page is None:
        titles = {name: page_title(path) for name, path in manual_pages().items()}
        show({"pages": titles}, as_json, list(titles.items()), "Pages; blsh docs PAGE shows one", ("page", "title"))
        return
    path = manual_page(page)
    text = path.read_text(encoding="utf-8")
    if as_json:
        show({"page": page, "title": page_title(path), "file": str(path), "text": text}, as_json, [])
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        sys.stdout.write(text)

# SPDX-License-Identifier: Apache-2.0
"""The pages of the documentation that a command shows: those of docs/, in a checkout and in an installed package."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from blsh_trainer.errors import BlshError
from blsh_trainer.suggestions import unknown

_HERE: Final = Path(__file__)
_CARRIED: Final = _HERE.with_name("pages")
"""Where the wheel has them, by pyproject.toml."""
_NOT_SHOWN: Final = ("README", "index", "reference/", "results/")
"""Pages that only lead to other pages, as the list of this command does, and those for work on the checkout."""
_SHOWN: Final = ("results/peers",)


def manual_pages() -> dict[str, Path]:
    """Return the file of each page by its name, such as howto/new-board, ascending."""
    folder = _CARRIED if _CARRIED.is_dir() else _HERE.parents[2] / "docs"
    return dict(sorted(_named(folder)))


def _named(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*.md"):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in _SHOWN or not name.startswith(_NOT_SHOWN):
            yield name, path


def manual_page(name: str) -> Path:
    """Return the file of the page `name`, which may be a link as the pages have them: ../howto/new-board.md#code.

    BlshError where there is no page of that name, nor one of that end.
    """
    pages = manual_pages()
    meant = name.partition("#")[0].removesuffix(".md")
    while meant.startswith(("../", "docs/")):
        meant = meant.partition("/")[2]
    ends = [page for page in pages if page.rpartition("/")[2] == meant]  # a link within a folder names no folder
    if meant not in pages and len(ends) != 1:
        raise BlshError(f"page {name!r} {unknown(name, pages)}")
    return pages[meant if meant in pages else ends[0]]


def page_title(page: Path) -> str:
    """Return what a page is called: its first heading."""
    with page.open(encoding="utf-8") as stream:
        return stream.readline().removeprefix("# ").strip()

# SPDX-License-Identifier: Apache-2.0
"""Write every file that repeats boards.toml or the protocol: `blsh boards --write`."""

from pathlib import Path

from blsh_hil.boards import build_files, docs_tables
from blsh_hil.boards.table import load_boards
from blsh_hil.wire import protocol_header, spec_tables
from blsh_trainer.files import replacing


def written_files(root: Path) -> dict[str, str]:
    """Return the text of each file by its path under the project folder `root`.

    Every project has platformio.ini, and for each board a board.h and PlatformIO's board file. The tables of
    docs/boards.md and docs/SPEC.md are renewed where these documents are, the protocol's header where a model was
    generated.
    """
    boards = load_boards(root / "boards.toml")
    files = build_files.rendered_files(boards)
    document, spec = root / docs_tables.DOCUMENT, root / spec_tables.DOCUMENT
    if document.is_file():
        files[docs_tables.DOCUMENT] = docs_tables.rewritten(document.read_text(encoding="utf-8"), boards)
    if spec.is_file():
        files[spec_tables.DOCUMENT] = spec_tables.rewritten(spec.read_text(encoding="utf-8"))
    header = f"firmware/generated/{protocol_header.HEADER_NAME}"
    if (root / header).is_file():
        files[header] = protocol_header.render()
    return files


def write_generated_files(root: Path) -> list[Path]:
    """Write the files of written_files() whose text is another one; return their paths under `root`."""
    written = []
    for name, text in written_files(root).items():
        path = root / name
        if not path.is_file() or path.read_bytes() != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(text.encode())
            written.append(Path(name))
    return written

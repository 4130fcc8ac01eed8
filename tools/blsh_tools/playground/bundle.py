# SPDX-License-Identifier: Apache-2.0
"""Join JavaScript modules into one text, so that a page needs no other file.

A module of the page imports others by `import { a, b } from "./name.js";` and nothing else. Joined, all modules share
one scope: each one's text follows those that it imports, without the words `import` and `export`.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Final

from blsh_trainer.errors import BlshError

_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_ANY_IMPORT: Final = re.compile(r"^\s*import\b.*", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=async function |function |class |const )", re.MULTILINE)
_LICENCE: Final = re.compile(r"\A// SPDX-License-Identifier: .*\n")
_TOP_LEVEL: Final = re.compile(r"^(?:async function\*?|function\*?|class|const|let) (\w+)", re.MULTILINE)


def bundle(folder: Path, entry: str) -> str:
    """Return the module `entry` of `folder` and all that it imports as one text, with no import and no export.

    Raises BlshError for a module that is missing, an import of another form, modules that import each other in a
    circle, and two modules that give one name to different things.
    """
    ordered: dict[str, str] = {}
    _add(folder, entry, ordered, ())
    text = "\n".join(f"// {name}\n{body.strip()}\n" for name, body in ordered.items())
    doubled = sorted(name for name, count in Counter(_TOP_LEVEL.findall(text)).items() if count > 1)
    if doubled:
        raise BlshError(f"two modules of {folder} name {', '.join(doubled)}; they share one scope, so rename one")
    for word in ("</script", "<!--"):
        if word in text.lower():
            raise BlshError(f"a module of {folder} holds {word}, which would end it in the page; write it in two parts")
    return text


def _add(folder: Path, name: str, ordered: dict[str, str], importers: tuple[str, ...]) -> None:
    if name in importers:
        raise BlshError(f"{' imports '.join([*importers, name])}: modules must not import each other in a circle")
    if name in ordered:
        return
    try:
        text = _LICENCE.sub("", (folder / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise BlshError(f"{importers[-1] if importers else folder} imports {name}: {error.strerror}") from error
    for imported in _IMPORT.findall(text):
        _add(folder, imported, ordered, (*importers, name))
    body = _IMPORT.sub("", text)
    if other := _ANY_IMPORT.search(body):
        raise BlshError(f'{name}: {other[0].strip()!r}; write import {{ names }} from "./module.js";')
    ordered[name] = _EXPORT.sub("", body)

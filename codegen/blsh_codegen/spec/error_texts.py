# SPDX-License-Identifier: Apache-2.0
"""The core's results and their meanings, read from their one list: BLSH_ERRORS in the core's headers."""

import re
from functools import cache
from pathlib import Path
from typing import Final

from blsh_trainer.errors import BlshError

_ROW: Final = re.compile(r'\bX\(BLSH_\w+,\s*(-?\d+),\s*"([^"]*)"\)')


@cache
def error_texts(core: Path) -> dict[int, str]:
    """Return the English text of each result of the core in the folder `core`, by its number: 0, or negative.

    Raises BlshError where no header there lists them.
    """
    headers = "".join(path.read_text(encoding="utf-8") for path in sorted(core.glob("*.h")))
    texts = {int(number): text for number, text in _ROW.findall(headers)}
    if not texts:
        raise BlshError(f"no header in {core} lists the core's results as X(BLSH_..., number, text)")
    return texts

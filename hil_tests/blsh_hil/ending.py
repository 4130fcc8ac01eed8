"""How the programs `python -m blsh_hil....` end."""

import sys
from collections.abc import Callable

from blsh_trainer.errors import BlshError


def exit_code(main: Callable[[], int | None]) -> int:
    """What `main` returns, None being 0; 2 after a BlshError, which is told on stderr as by `blsh`."""
    try:
        return main() or 0
    except BlshError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

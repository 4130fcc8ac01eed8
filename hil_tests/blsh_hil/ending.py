"""How the programs `python -m blsh_hil....` end."""

import sys
from collections.abc import Callable

from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ended_in_order
from blsh_trainer.standard_streams import guarded_output


def exit_code(main: Callable[[], int | None]) -> int:
    """What `main` returns, None being 0; 2 after a BlshError, which is told on stderr as by `blsh`.

    SystemExit with 128 + its number after a signal that ends it, and where nobody reads its output any more.
    """
    with ended_in_order():
        try:
            with guarded_output():
                return main() or 0
        except BlshError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

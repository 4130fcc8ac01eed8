# SPDX-License-Identifier: Apache-2.0
"""End the programs that run by `python -m blsh_hil...` as `blsh` does: with one line and an exit code."""

import sys
from collections.abc import Callable

from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import ended_in_order
from blsh_trainer.standard_streams import guarded_output


def exit_code(main: Callable[[], int | None]) -> int:
    """Run `main`; return its result, 0 for None, and 2 after a BlshError, which is printed on stderr.

    Raises SystemExit with 128 + the signal's number after a signal that ends the program, and when its output has no
    reader any more.
    """
    with ended_in_order():
        try:
            with guarded_output():
                return main() or 0
        except BlshError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

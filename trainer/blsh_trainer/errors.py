# SPDX-License-Identifier: Apache-2.0
"""The one exception for errors that a user can mend: bad input, a missing tool, a board that does not answer."""


class BlshError(Exception):
    """An error that the user can mend: the message names the value, what was expected and what to do.

    The command line prints the message on stderr and exits with code 2, without a traceback. Any other exception
    that reaches the top is a bug of ours and keeps its traceback.
    """

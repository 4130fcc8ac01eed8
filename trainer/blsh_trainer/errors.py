"""The one exception that a user may cause: bad input, a missing tool, a board that does not answer."""


class BlshError(Exception):
    """Something the user can mend. The message names the value, what was expected and what to do.

    The command line prints it on stderr and exits with code 2, without a traceback. Anything else that
    reaches the top is a bug of ours and keeps its traceback.
    """

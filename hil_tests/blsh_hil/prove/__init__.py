"""Compare a board with the reference, on recordings, recipes and worst cases."""

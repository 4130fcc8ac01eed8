"""One module for each group of `blsh` commands: parse, call, show."""

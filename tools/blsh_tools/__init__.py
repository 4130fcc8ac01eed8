"""The `blsh` command line, set-up, building, flashing and benchmarks."""

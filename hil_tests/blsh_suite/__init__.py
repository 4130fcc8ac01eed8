"""The tests that `blsh hil` runs: they prove, bit for bit, that a board computes what the reference computes."""

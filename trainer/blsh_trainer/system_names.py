# SPDX-License-Identifier: Apache-2.0
"""Names of systems that the command line shows: they stand alone, so that `blsh --help` need not load NumPy."""

VOTING = "voting"
"""The system of voting models, learned jointly. The names of the others are in learning/options.py."""
DEFAULT = VOTING
"""The system of `blsh train` where none is named."""

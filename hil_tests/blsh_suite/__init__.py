# SPDX-License-Identifier: Apache-2.0
"""The tests that `blsh hil` runs: they prove, bit for bit, that a board computes what the reference computes."""

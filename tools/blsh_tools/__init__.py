# SPDX-License-Identifier: Apache-2.0
"""The command `blsh`: its options, the work of its commands, and their output."""

# SPDX-License-Identifier: Apache-2.0
"""Measure images: instructions, cycles, stack, flash and RAM."""

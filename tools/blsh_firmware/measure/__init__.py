"""Measure images: instructions, cycles, stack, flash and RAM."""

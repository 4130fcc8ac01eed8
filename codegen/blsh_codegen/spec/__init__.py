"""Constants, stages and layouts of bits that SPEC.md fixes for every implementation."""

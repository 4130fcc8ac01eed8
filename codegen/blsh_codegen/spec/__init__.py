"""Constants, stages and bit layouts that SPEC.md fixes for every implementation."""

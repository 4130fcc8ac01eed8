"""Learn projections and dictionaries from training frames."""

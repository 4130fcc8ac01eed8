"""Send live audio through a board."""

"""Record what the suite found, and show it as a page."""

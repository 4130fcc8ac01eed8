"""Build firmware images, and measure what they take."""

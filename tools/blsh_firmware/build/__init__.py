"""Generate, build and identify firmware images."""

"""Download and unpack openly licensed corpora."""

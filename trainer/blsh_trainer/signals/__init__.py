"""Recordings as samples, their spectra and features, and the masks laid over them."""

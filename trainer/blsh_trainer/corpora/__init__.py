"""Corpora of speech and noise: their layouts, checks and splits, and the mixtures made from them."""

"""Scores of denoisers: metrics, mixtures to score on, the systems compared, and the peers."""

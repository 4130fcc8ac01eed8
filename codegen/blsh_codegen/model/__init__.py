"""Quantise a trained model, and lay its dictionary out for the search."""

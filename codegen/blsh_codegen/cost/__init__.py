"""Predict flash, RAM, stack and instructions of a model on a board."""

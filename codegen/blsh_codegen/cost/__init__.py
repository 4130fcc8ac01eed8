# SPDX-License-Identifier: Apache-2.0
"""Predict flash, RAM, stack and instructions of a model on a board."""

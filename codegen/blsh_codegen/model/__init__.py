# SPDX-License-Identifier: Apache-2.0
"""Quantise a trained model, and lay its dictionary out for the search."""

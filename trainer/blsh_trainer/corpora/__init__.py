# SPDX-License-Identifier: Apache-2.0
"""Corpora of speech and noise: their layouts, checks and splits, and the mixtures that are made from them."""

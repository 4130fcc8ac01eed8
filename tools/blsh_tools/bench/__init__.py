# SPDX-License-Identifier: Apache-2.0
"""Measure and estimate the costs of the firmware, and judge whether it keeps its budgets."""

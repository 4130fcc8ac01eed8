# SPDX-License-Identifier: Apache-2.0
"""Measure and estimate what the firmware costs, and say whether it keeps its budgets."""

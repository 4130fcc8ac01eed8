# SPDX-License-Identifier: Apache-2.0
"""The page about a model: what it is, how good, what it costs, and how it sounds."""

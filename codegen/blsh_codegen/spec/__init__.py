# SPDX-License-Identifier: Apache-2.0
"""Constants, stages and layouts of bits that SPEC.md fixes for every implementation."""

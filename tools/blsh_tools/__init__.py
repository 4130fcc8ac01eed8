# SPDX-License-Identifier: Apache-2.0
"""The command `blsh`: its options, what its commands do, and what they show."""

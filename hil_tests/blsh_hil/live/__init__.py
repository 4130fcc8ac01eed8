# SPDX-License-Identifier: Apache-2.0
"""Send live audio through a board."""

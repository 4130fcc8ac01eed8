# SPDX-License-Identifier: Apache-2.0
"""Learn projections and dictionaries from training frames."""

# SPDX-License-Identifier: Apache-2.0
"""Compare a board with the reference, on recordings, recipes and worst cases."""

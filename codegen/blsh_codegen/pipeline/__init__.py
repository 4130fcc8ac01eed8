# SPDX-License-Identifier: Apache-2.0
"""Denoise in integers: the scalar reference, and the same arithmetic in numpy."""

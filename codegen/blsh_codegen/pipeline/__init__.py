"""Denoise in integers: the scalar reference, and the same arithmetic in numpy."""

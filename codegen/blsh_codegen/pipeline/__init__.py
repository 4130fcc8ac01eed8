"""The integer pipeline twice: the scalar reference, and the same in numpy."""

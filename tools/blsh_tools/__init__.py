"""The command `blsh`: its options, what its commands do, and what they show."""

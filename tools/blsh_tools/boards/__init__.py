"""Flash boards and keep virtual ones running."""

"""The layouts in which corpora come: one module for each, and the table that recognises them."""

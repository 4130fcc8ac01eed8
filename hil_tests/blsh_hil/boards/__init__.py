"""The boards: their table, the files written from it, and boards that run here."""

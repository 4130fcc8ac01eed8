"""The trained model in integers, with its entries in the order of the search."""

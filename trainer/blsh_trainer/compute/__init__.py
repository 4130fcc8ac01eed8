"""Search nearest neighbours, and spread work over threads, processes and machines."""

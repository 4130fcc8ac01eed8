"""Heavy arithmetic: nearest neighbours, and work spread over threads, processes and machines."""

"""Whether ``run`` decides alike whenever it is replayed: what would prevent it, and what did."""

"""Simulations that outlive their process: kept in a file, and moved as JSON."""

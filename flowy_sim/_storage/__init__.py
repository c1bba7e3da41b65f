"""Simulations that outlive their process: kept in a database file, and moved in one."""

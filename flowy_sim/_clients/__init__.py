"""Clients of a simulation in this process, and the JSON that clients elsewhere speak."""

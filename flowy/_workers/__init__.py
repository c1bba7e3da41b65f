"""Poll loops, back-off, processes, and the registration of types."""

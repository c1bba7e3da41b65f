"""What history events are and how they belong together, for everything that reads a history."""

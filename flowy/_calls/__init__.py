"""What a workflow can ask for: one kind of call a module."""

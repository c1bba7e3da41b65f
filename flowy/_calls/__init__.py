"""What a workflow can call: one class for each kind of call."""

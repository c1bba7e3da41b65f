"""History to decisions: ``run`` is replayed turn by turn, or kept suspended between turns."""

"""From a history to decisions: `run` replayed turn by turn, or kept suspended between them."""

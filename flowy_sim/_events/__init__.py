"""History events: what they are, what ran when, and the rules that every history obeys."""

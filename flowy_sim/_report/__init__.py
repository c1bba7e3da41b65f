"""Reports and pictures of histories, as text."""

"""Long polls, and the time that passes in them: what calls from threads and over HTTP share."""

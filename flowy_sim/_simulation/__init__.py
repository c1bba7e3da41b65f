"""Polling: who polls, which polls wait, and how time passes for them."""

"""Histories in files: written, recorded from a service, and replayed by the code of today."""

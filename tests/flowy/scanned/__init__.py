"""A package to scan."""

from example_workflows import Double

__all__ = ["Double"]

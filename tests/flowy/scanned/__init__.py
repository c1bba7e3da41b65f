"""A package to scan."""

from tests.support.example_workflows import Double

__all__ = ["Double"]

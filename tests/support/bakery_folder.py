"""Runs tests in a folder with a bakery, and returns what pytest prints."""

from __future__ import annotations

import pytest


def report(village: pytest.Pytester, code: str, *options: str, **outcomes: int) -> str:
    """Run tests and return what pytest prints."""
    village.makepyfile(test_it=f"import pytest\nfrom village_bakery import *\n\n{code}")
    result = village.runpytest_inprocess("--strict-markers", *options)
    result.assert_outcomes(**outcomes)
    return str(result.stdout)

"""How long properties search."""

from __future__ import annotations

import os

SOAK = "FLOWY_SOAK" in os.environ
BRIEF = "FLOWY_BRIEF" in os.environ
"""Whether another Python searches at full length, so that this one need not."""


def examples(number: int) -> int:
    """Return how many examples to try: the number on one Python, a fifth of it on the others."""
    return max(number // 5, 2) if BRIEF else number

"""Whatever clients do and whenever the process ends, nothing that was stored is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from tests.support.engine_contents import describe
from tests.support.properties import examples
from tests.support.stored_machine import Kept, campaign

SOAK = "FLOWY_SOAK" in os.environ

TestKept: Callable[[], Any] = Kept.TestCase
if not SOAK:
    Kept.TestCase.settings = settings(max_examples=examples(40), stateful_step_count=50)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200 if SOAK else 4))
def test_after_crashes_everything_continues_as_if_there_had_been_none(seed: int) -> None:
    smooth, rough = campaign(seed, crashes=False), campaign(seed, crashes=True)

    assert rough.replies == smooth.replies
    assert describe(rough.engine) == describe(smooth.engine)

"""The engine's invariants hold after each of any calls in any order."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import settings

from tests.support.engine_machine import Service, run_campaign
from tests.support.properties import examples

TestService: Callable[[], Any] = Service.TestCase
if "FLOWY_SOAK" not in os.environ:
    Service.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=50)


@pytest.mark.parametrize("seed", range(1000 if "FLOWY_SOAK" in os.environ else examples(10)))
def test_a_long_campaign_breaks_no_invariant(seed: int) -> None:
    for _ in run_campaign(Service(), seed, Random(seed)):
        pass

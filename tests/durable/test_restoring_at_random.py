"""Whatever clients do and whenever the process ends: what was kept is all that there was."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import test_state_machine as machine
from description import describe
from hypothesis import settings
from hypothesis.stateful import rule
from keeper import Keeper

SOAK = "FLOWY_SOAK" in os.environ


class Kept(machine.Service):
    """A service that may be put together again at any time."""

    keeper: Keeper | None = None
    #: Changes are written after so many calls, as those of several callers are together.
    every = 1

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.replies: list[tuple[str, Any, dict[str, Any] | None]] = []

    def call(self, operation: str, request: Any) -> dict[str, Any] | None:
        if self.keeper is None:
            self.keeper = Keeper(self.engine)
        reply = super().call(operation, request)
        self.replies.append((operation, request, reply))
        self.calls += 1
        if self.calls % self.every == 0:
            self.keeper.keep()
        return reply

    @rule()
    def crash(self) -> None:
        assert self.keeper is not None
        self.keeper.keep()
        before = describe(self.engine)
        self.engine = self.keeper.restored()
        assert describe(self.engine) == before


TestKept: Callable[[], Any] = Kept.TestCase
if not SOAK:
    Kept.TestCase.settings = settings(max_examples=40, stateful_step_count=50)


def campaign(seed: int, crashes: bool) -> Kept:
    """Let a service run for a while, and crash after a tenth of all that is done."""
    random, chance = Random(seed), Random(-seed)
    service = Kept()
    service.every = 1 + seed % 4
    service.begin(seed, machine.LATENCIES[seed % 3], "10"[seed % 5 == 0])
    for _ in range(200):
        name = random.choice(machine.CAMPAIGN)
        if not service.domain.open_executions:
            service.start_again()
        elif name != "turn_the_page" or service.page_tokens:
            getattr(service, name)()
        if crashes and chance.random() < 0.1:
            service.crash()
        service.everything_agrees()
    return service


@pytest.mark.parametrize("seed", range(200 if SOAK else 8))
def test_after_crashes_everything_goes_on_as_if_there_had_been_none(seed: int) -> None:
    smooth, rough = campaign(seed, crashes=False), campaign(seed, crashes=True)

    assert rough.replies == smooth.replies
    assert describe(rough.engine) == describe(smooth.engine)

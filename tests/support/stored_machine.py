"""The state machine around an engine, which is stored and restored at any moment."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis.stateful import rule

from tests.support.engine_contents import describe
from tests.support.engine_machine import Service, run_campaign
from tests.support.stored_engine import Keeper


class Kept(Service):
    """A service that may be restored at any time."""

    keeper: Keeper | None = None
    #: Changes are written after this number of calls, like those of concurrent callers.
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


def campaign(seed: int, crashes: bool) -> Kept:
    """Let a service run for a while, and crash after a tenth of all actions."""
    chance = Random(-seed)
    service = Kept()
    service.every = 1 + seed % 4
    for _ in run_campaign(service, seed, Random(seed)):
        if crashes and chance.random() < 0.1:
            service.crash()
    return service

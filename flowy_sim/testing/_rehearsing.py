"""Deciders of tests: they replay often, to find what a replay would find, and yet not at each turn.

A workflow whose code is not the same at each replay is found by replaying it. For each decision
that is quadratic work; so a long execution is kept suspended, and replayed from its beginning only
when it has become three times as long. All these replays together cost less than one of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flowy._client import Execution
from flowy._decider.decisions import Decision
from flowy._decider.history import Event
from flowy._decider.suspended import SuspendedExecutions
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow

SHORT = 100
"""An execution of fewer events is replayed for each decision."""

GROWTH = 3
"""A longer one when it is so many times as long as at its last replay."""


class Rehearsed(SuspendedExecutions):
    """Executions that are kept suspended between most of their decisions."""

    def __init__(self) -> None:
        """Begin with none; without greenlet none is ever kept."""
        super().__init__()
        self._replayed: dict[str, int] = {}

    def decide(
        self,
        workflow: type[Workflow],
        execution: Execution,
        previous_started_event_id: int,
        news: Iterable[Event],
        history: Callable[[], Iterable[Event]],
        payloads: Payloads = PLAIN,
    ) -> list[Decision]:
        """Decide what an execution does next; see `SuspendedExecutions.decide`."""
        news = list(news)
        length: int = news[-1]["eventId"] if news else 0
        if length < SHORT or length >= GROWTH * self._replayed.get(execution.run_id, 0):
            self.forget(execution)
            self._replayed[execution.run_id] = length
        return super().decide(
            workflow, execution, previous_started_event_id, news, history, payloads
        )

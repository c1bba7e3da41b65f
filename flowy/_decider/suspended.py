"""Executions whose ``run`` is kept suspended between two decisions, rather than replayed.

A decision then costs what is new, not all that ever happened. What is kept only spares work: where
it is not at hand, or not what the service goes by, the execution is replayed from its beginning,
and the decisions are the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING

from flowy._checks import whole_number
from flowy._client import Execution
from flowy._decider.decider import Decider
from flowy._decider.decisions import CLOSING, Decision
from flowy._decider.history import Event, History
from flowy._decider.leaving import Suspended
from flowy._installation import install_command
from flowy.errors import ConfigurationError, HistoryError, NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow

if TYPE_CHECKING:
    from greenlet import getcurrent, greenlet
else:
    try:
        from greenlet import getcurrent, greenlet
    except ImportError:  # the extra "suspend" is not installed
        greenlet = None

DEFAULT_LIMIT = 1_000 if greenlet is not None else 0
"""How many executions a worker keeps suspended, if nobody says."""


class SuspendedExecution:
    """One execution whose ``run`` waits where it was left.

    Args:
        workflow: the workflow's class.
        events: its history so far, up to the DecisionTaskStarted of the task to be decided.
        payloads: how arguments and results travel.
        execution: the execution.

    Raises:
        HistoryError: the events are no history, or no decision task is to be decided.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        events: Iterable[Event],
        payloads: Payloads,
        execution: Execution,
    ) -> None:
        """Get ready to replay the history from its beginning."""
        self.workflow = workflow
        self.thread = threading.get_ident()
        self._history = History(events)
        self._decider = Decider(workflow, self._history, payloads, execution, self._pause)
        self._greenlet: greenlet = greenlet(self._replay)
        self._greenlet.gr_context = copy_context()

    @property
    def started_event_id(self) -> int:
        """The DecisionTaskStarted event of the last task that was decided."""
        turn = self._history.open_turn
        return 0 if turn is None else turn.started_event_id

    def read(self, events: Iterable[Event]) -> None:
        """Take in the events since the last decision."""
        self._history.read(events)

    def decide(self) -> list[Decision]:
        """Let ``run`` go on until it knows no more.

        Returns:
            The decisions, in order.

        Raises:
            NonDeterminismError: the code decides otherwise than the history shows.
            DecisionRefusedError: the execution cannot be closed.
            HistoryError: no decision task is to be decided.
        """
        if self._history.open_turn is None:
            raise HistoryError(
                "there is nothing to decide: no decision task of this history is open"
            )
        self._greenlet.parent = getcurrent()
        self._greenlet.switch()
        return self._decider.decisions

    def drop(self) -> None:
        """Leave ``run`` for good; only in the thread it was made in."""
        self._decider.abandon()
        if self._greenlet and self.thread == threading.get_ident():
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(Suspended)

    def _replay(self) -> None:
        with suppress(Suspended):
            self._decider.replay()

    def _pause(self) -> None:
        parent = self._greenlet.parent
        assert parent is not None  # it was switched to from there
        parent.switch()


class SuspendedExecutions:
    """The executions that a worker keeps suspended; those used last, up to a number.

    Workers of one thread may share them; threads cannot, as a suspended ``run`` goes on only in
    its own.

    Args:
        limit: how many are kept at most; 0 for none, so that all are replayed.

    Raises:
        ConfigurationError: that is no such number, or greenlet is not installed.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        """Begin with none."""
        self.limit = whole_number("suspended, the executions kept suspended,", limit)
        if limit and greenlet is None:
            raise ConfigurationError(
                "keeping executions suspended needs greenlet; install it: "
                f"{install_command('suspend')}, or pass suspended=0"
            )
        self._kept: OrderedDict[str, SuspendedExecution] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept now."""
        return len(self._kept)

    def decide(
        self,
        workflow: type[Workflow],
        execution: Execution,
        previous_started_event_id: int,
        news: Iterable[Event],
        history: Callable[[], Iterable[Event]],
        payloads: Payloads = PLAIN,
    ) -> list[Decision]:
        """Decide what an execution does next.

        Args:
            workflow: the workflow's class.
            execution: the execution.
            previous_started_event_id: the DecisionTaskStarted event of the last decision task
                that was completed, as the service says.
            news: the events after that one, up to the DecisionTaskStarted of the task.
            history: gives all events up to there; asked only if need be.
            payloads: how arguments and results travel.

        Returns:
            The decisions, in order.

        Raises:
            NonDeterminismError: the code decides otherwise than it did before.
            DecisionRefusedError: the execution cannot be closed.
            HistoryError: the events are no history, or no decision task is to be decided.
        """
        kept = self._take(workflow, execution, previous_started_event_id)
        if kept is not None:
            try:
                kept.read(news)
                decisions = kept.decide()
            except (NonDeterminismError, HistoryError):
                pass  # a replay tells whether it is the code that differs
            else:
                return self._keep(execution, kept, decisions)
        fresh = SuspendedExecution(workflow, history(), payloads, execution)
        return self._keep(execution, fresh, fresh.decide())

    def forget(self, execution: Execution) -> None:
        """Replay an execution the next time, as its decisions may not have arrived."""
        kept = self._kept.pop(execution.run_id, None)
        if kept is not None:
            kept.drop()

    def clear(self) -> None:
        """Keep none any more."""
        while self._kept:
            self._kept.popitem()[1].drop()

    def _take(
        self, workflow: type[Workflow], execution: Execution, previous: int
    ) -> SuspendedExecution | None:
        kept = self._kept.pop(execution.run_id, None)
        if kept is None:
            return None
        usable = kept.workflow is workflow and kept.thread == threading.get_ident()
        if usable and kept.started_event_id == previous:
            return kept
        kept.drop()
        return None

    def _keep(
        self, execution: Execution, decided: SuspendedExecution, decisions: list[Decision]
    ) -> list[Decision]:
        if decisions and decisions[-1].type in CLOSING:
            decided.drop()
            return decisions
        self._kept[execution.run_id] = decided
        while len(self._kept) > self.limit:
            self._kept.popitem(last=False)[1].drop()
        return decisions

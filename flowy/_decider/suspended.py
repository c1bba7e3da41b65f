"""Executions whose ``run`` is kept suspended between two decisions instead of replayed.

A decision then costs only as much as the new events, not the whole history. A suspended execution
only saves work: if it is missing or out of date, the execution is replayed from its beginning, and
the decisions are the same.

``run`` is an ordinary function that waits in the middle of a call, so a generator or coroutine
cannot suspend it. A greenlet can, because it has a stack of its own; SQLAlchemy's asyncio support
and gevent suspend ordinary functions in the same way. A thread for each execution could as well,
but would need far more memory and time to switch. Without greenlet, everything is replayed.
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
from flowy._decider.history import Event, ReplayedHistory
from flowy._decider.run import LeaveRun
from flowy._decisions import Decision
from flowy._installation import install_command
from flowy.errors import ConfigurationError, HistoryError, NonDeterminismError
from flowy.payloads import PLAIN, Payloads

if TYPE_CHECKING:
    from greenlet import getcurrent, greenlet

    from flowy.workflow import Workflow
else:
    try:
        from greenlet import getcurrent, greenlet
    except ImportError:  # the extra "suspend" is not installed
        greenlet = None

DEFAULT_LIMIT = 1_000 if greenlet is not None else 0
"""How many executions a worker keeps suspended by default."""


class SuspendedExecution:
    """One execution whose ``run`` is suspended where it waits.

    Args:
        workflow: the workflow's class.
        events: its history so far, up to the DecisionTaskStarted of the task to be decided.
        payloads: how arguments and results are written.
        execution: the execution.

    Raises:
        HistoryError: the events are not a history, or no decision task is open.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        events: Iterable[Event],
        payloads: Payloads,
        execution: Execution,
    ) -> None:
        self.workflow = workflow
        self.thread = threading.get_ident()
        self._history = ReplayedHistory(events)
        self._decider = Decider(workflow, self._history, payloads, execution, self._pause)
        self._greenlet: greenlet = greenlet(self._replay)
        self._greenlet.gr_context = copy_context()

    @property
    def has_ended(self) -> bool:
        """Whether ``run`` has ended, or was left."""
        return self._greenlet.dead

    @property
    def started_event_id(self) -> int:
        """The ID of the DecisionTaskStarted event of the last task that was decided."""
        turn = self._history.open_turn
        return 0 if turn is None else turn.started_event_id

    def read(self, events: Iterable[Event]) -> None:
        """Read the events since the last decision."""
        self._history.read(events)

    def decide(self) -> list[Decision]:
        """Resume ``run`` until it waits for something that is not known.

        Returns:
            The decisions, in order.

        Raises:
            NonDeterminismError: the code makes other decisions than the history records.
            DecisionRefusedError: the execution cannot be closed.
            HistoryError: no decision task is open.
        """
        if self._history.open_turn is None:
            raise HistoryError(
                "there is nothing to decide: no decision task of this history is open"
            )
        self._greenlet.parent = getcurrent()
        self._greenlet.switch()
        return self._decider.decisions

    def drop(self) -> None:
        """Leave ``run`` for good; effective only in the thread that created it."""
        self._decider.abandon()
        if self._greenlet and self.thread == threading.get_ident():
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(LeaveRun)

    def _replay(self) -> None:
        with suppress(LeaveRun):
            self._decider.replay()

    def _pause(self) -> None:
        parent = self._greenlet.parent
        assert parent is not None  # it was switched to from there
        parent.switch()


class SuspendedExecutions:
    """The executions that a worker keeps suspended: the most recently used ones, up to a limit.

    Workers in one thread may share them. Threads cannot, as a suspended ``run`` can resume only in
    its own thread.

    Args:
        limit: the maximum number of them; 0 to replay all executions.

    Raises:
        ConfigurationError: it is not such a number, or greenlet is not installed.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = whole_number("suspended, the executions kept suspended,", limit)
        if limit and greenlet is None:
            raise ConfigurationError(
                "keeping executions suspended needs greenlet; install it: "
                f"{install_command('suspend')}, or pass suspended=0"
            )
        self._kept: OrderedDict[str, SuspendedExecution] = OrderedDict()

    def __len__(self) -> int:
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
            previous_started_event_id: the DecisionTaskStarted event of the last decision task that
                was completed, as the service reports it.
            news: the events after that one, up to the DecisionTaskStarted of the task.
            history: returns all events up to there; called only if they are needed.
            payloads: how arguments and results are written.

        Returns:
            The decisions, in order.

        Raises:
            NonDeterminismError: the code makes other decisions than the history records.
            DecisionRefusedError: the execution cannot be closed.
            HistoryError: the events are not a history, or no decision task is open.
        """
        kept = self._take(workflow, execution, previous_started_event_id)
        if kept is not None:
            try:
                kept.read(news)
                decisions = kept.decide()
            except (NonDeterminismError, HistoryError):
                kept.drop()  # A replay finds out whether it is really the code that differs.
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
        """Drop all of them."""
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
        if decided.has_ended:
            return decisions
        self._kept[execution.run_id] = decided
        while len(self._kept) > self.limit:
            self._kept.popitem(last=False)[1].drop()
        return decisions

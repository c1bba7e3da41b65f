"""The turns of an execution, one after the other, and the decisions that each of them makes.

The decisions of a turn are compared with those that the history records before the next turn
begins.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flowy._call_sites import CallSite, SourceLine, located
from flowy._decider.history import NewEvent, ReplayedHistory, Turn
from flowy._decisions import Decision, start_timer
from flowy._determinism.differences import explained
from flowy._payloads.text import HISTORY_LIMIT, LONG_HISTORY
from flowy._safe_text import safe_logger
from flowy.errors import HistoryError, NonDeterminismError
from flowy.result import Call

logger = safe_logger("flowy.workflow")


class Turns:
    """The position of a replay in a history.

    Args:
        history: the history; it may grow meanwhile.
        outbox: the decisions of the current turn.
        workflow_id: the execution's workflow ID, for the log.
        pause: called when no turn is left; returns when there are more, or raises to end the
            replay. None to continue without more turns.
    """

    def __init__(
        self,
        history: ReplayedHistory,
        outbox: Outbox,
        workflow_id: str,
        pause: Callable[[], None] | None,
    ) -> None:
        self._history = history
        self._outbox = outbox
        self._workflow_id = workflow_id
        self._pause = pause
        self._current: Turn | None = None

    @property
    def started(self) -> Mapping[str, Any]:
        """The attributes of the WorkflowExecutionStarted event."""
        return self._history.started

    @property
    def current(self) -> Turn:
        """The current turn.

        Raises:
            HistoryError: the first turn has not begun.
        """
        if self._current is None:
            raise HistoryError("there is nothing to decide yet")
        return self._current

    @property
    def replaying(self) -> bool:
        """Whether the current decisions repeat those of the history."""
        return self._current is not None and self._current.completed_event_id is not None

    def next(self, pauses: bool) -> Sequence[NewEvent] | None:
        """Finish the current turn and begin the next one.

        Args:
            pauses: whether to pause if there is no next turn.

        Returns:
            Its new events; None if there is no next turn and the current one continues.

        Raises:
            NonDeterminismError: see `match`.
        """
        following = self._history.turns
        if not following and pauses and self._current is not None and self._pause is not None:
            self._pause()
        # Only after the pause does the history record what this turn has decided.
        self.match()
        if not following:
            return None
        before, self._current = self._current, following.popleft()
        self._warn_of_length(before, self._current)
        self._outbox.next_turn()
        return self._current.new_events

    def match(self) -> None:
        """Compare the decisions of the current turn with those of the history, if it records any.

        Raises:
            NonDeterminismError: they differ.
        """
        turn = self._current
        if turn is None or turn.completed_event_id is None:
            return
        outbox = self._outbox
        difference = explained(
            outbox.finished(), turn.recorded, turn.completed_event_id, outbox.call_sites
        )
        if difference is not None:
            raise NonDeterminismError(difference)

    def _warn_of_length(self, before: Turn | None, turn: Turn) -> None:
        last = 0 if before is None else before.started_event_id
        if last < LONG_HISTORY <= turn.started_event_id and not self.replaying:
            logger.warning(
                "%s: its history has %d events, and Amazon SWF terminates it at %d; call "
                "self.restart() when self.history_is_long",
                self._workflow_id,
                turn.started_event_id,
                HISTORY_LIMIT,
            )


OPEN_LIMITS = {
    "ScheduleActivityTask": 1_000,
    "StartTimer": 990,  # The remaining ten are for the outbox's own timers.
    "StartChildWorkflowExecution": 1_000,
    "ScheduleLambdaFunction": 1_000,
}
"""How many calls of a kind an execution may have open, as documented."""


_KIND_LIMITED_BY = {
    "OPEN_ACTIVITIES_LIMIT_EXCEEDED": "ScheduleActivityTask",
    "OPEN_TIMERS_LIMIT_EXCEEDED": "StartTimer",
    "OPEN_CHILDREN_LIMIT_EXCEEDED": "StartChildWorkflowExecution",
    "OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED": "ScheduleLambdaFunction",
}
"""Cause of a failed decision: the kind of which this execution has too many open."""


BATCH_LIMIT = 800_000
"""Bytes of decisions in one answer before the last one; a request may have 1 MiB."""


_OVERHEAD = 600  # Bytes of a decision's other members.


_TEXTS = ("input", "details", "result")


_KEPT = frozenset(
    {
        "RecordMarker",
        "CancelTimer",
        "RequestCancelActivityTask",
        "RequestCancelExternalWorkflowExecution",
        "SignalExternalWorkflowExecution",
    }
)
"""Decisions that may accompany the one that closes the execution, and make sense then."""


class _QueuedDecision(NamedTuple):
    """A decision that the limits of the service do not allow yet."""

    decision: Decision
    size: int
    call: Call


class Outbox:
    """The decisions of the current turn.

    A decision that would exceed a limit of the service is queued, until a call of its kind ends or
    until the next turn, which a timer of zero seconds brings about.
    """

    def __init__(self) -> None:
        self._decisions: list[Decision] = []
        self._call_sites: list[CallSite | None] = []
        self._size = 0
        self._open: defaultdict[str, int] = defaultdict(int)
        self._awaited: dict[str, tuple[str, Call | None]] = {}
        self._waiting: defaultdict[str, dict[str, _QueuedDecision]] = defaultdict(dict)
        self._limits = dict(OPEN_LIMITS)
        self._wanted = False
        self._finished = False
        self._wakes = 0

    def begin(self, decision: Decision, key: str, call: Call) -> None:
        """Add a decision that begins something, now or as soon as the limits allow.

        Args:
            decision: the decision.
            key: the key by which later events refer to it.
            call: the call that these events are about.
        """
        kind, size = decision.type, _size(decision)
        waiting = self._waiting[kind]
        # Behind others of its kind that wait, so that their order is kept.
        if waiting or self._at_limit(kind) or self._full(size):
            waiting[key] = _QueuedDecision(decision, size, call)
        else:
            self._send(decision, size, key, call)

    def _send(self, decision: Decision, size: int, key: str, call: Call | None) -> None:
        self._append(decision, size, None if call is None else call.call_site)
        self._open[decision.type] += 1
        self._awaited[key] = decision.type, call

    def _append(self, decision: Decision, size: int, call_site: CallSite | None) -> None:
        self._size += size
        self._decisions.append(decision)
        self._call_sites.append(call_site)

    def add(self, decision: Decision, call_site: CallSite | None) -> None:
        """Add a decision that begins nothing.

        Args:
            decision: the decision.
            call_site: the place in the author's code that asked for it, if any.
        """
        self._append(decision, _size(decision), call_site)

    def close(self, decision: Decision) -> None:
        """Add the decision that closes the execution; nothing new is begun with it."""
        # The service refuses to close an execution together with what begins something.
        self._waiting.clear()
        kept = [
            (each, call_site)
            for each, call_site in zip(self._decisions, self._call_sites, strict=True)
            if each.type in _KEPT
        ]
        self._decisions = [each for each, _ in kept]
        self._call_sites = [call_site for _, call_site in kept]
        self.add(decision, None)

    def withdraw(self, key: str) -> bool:
        """Remove a queued decision; return whether there was one."""
        return any(waiting.pop(key, None) for waiting in self._waiting.values())

    def call_for(self, key: str, last: bool) -> Call | None:
        """Return the call that an event with a key is about.

        Args:
            key: the key.
            last: whether it is the last event with this key.
        """
        if not last:
            return self._awaited.get(key, ("", None))[1]
        kind, call = self._awaited.pop(key, ("", None))
        if kind:
            self._open[kind] -= 1
        return call

    def lower_limit(self, cause: str) -> bool:
        """Learn from a failed decision that fewer calls of a kind may be open than documented.

        Args:
            cause: the cause of the failure.

        Returns:
            Whether the cause is such a limit and a call of its kind is open. Then the failed call
            can be begun again: it waits for that one to end.
        """
        kind = _KIND_LIMITED_BY.get(cause, "")
        # With nothing of its kind open, no end of a call would make room.
        if not self._open[kind]:
            return False
        self._limits[kind] = min(self._limits[kind], self._open[kind])
        return True

    @property
    def markers(self) -> int:
        """The number of markers recorded in this turn so far."""
        return sum(decision.type == "RecordMarker" for decision in self._decisions)

    def next_turn(self) -> None:
        """Begin a turn, before its events are applied."""
        self._decisions = []
        self._call_sites = []
        self._size = 0
        self._wanted = False
        self._finished = False

    def ask_for_another_turn(self) -> None:
        """Make sure that there is a next turn, even if nothing happens meanwhile."""
        self._wanted = True

    @property
    def is_full(self) -> bool:
        """Whether only the longest possible marker still fits into the answer of this turn."""
        return self._size > BATCH_LIMIT

    def release(self) -> None:
        """Send the queued decisions that are allowed now, once the events of a turn are applied."""
        for kind, waiting in self._waiting.items():
            while waiting and not self._at_limit(kind):
                key, (decision, size, call) = next(iter(waiting.items()))
                if self._full(size):
                    break
                del waiting[key]
                self._send(decision, size, key, call)

    def finished(self) -> list[Decision]:
        """Return the decisions of this turn, when ``run`` has nothing more to do in it."""
        if not self._finished:
            self._finished = True
            # Held back by the size of this answer alone: nothing else would bring another turn.
            held_back = any(
                waiting and not self._at_limit(kind) for kind, waiting in self._waiting.items()
            )
            if self._wanted or held_back:
                self._wakes += 1
                key = f"{self._wakes}-more"  # No call's key ends like this.
                timer = start_timer(key, 0)
                self._send(timer, _size(timer), key, None)
        return self._decisions

    def call_sites(self) -> list[SourceLine | None]:
        """Return the place in the author's code that asked for each decision, if any."""
        return [None if call_site is None else located(call_site) for call_site in self._call_sites]

    def _at_limit(self, kind: str) -> bool:
        return kind in self._limits and self._open[kind] >= self._limits[kind]

    def _full(self, size: int) -> bool:
        # A single decision is sent whatever its size.
        return bool(self._decisions) and self._size + size > BATCH_LIMIT


def _size(decision: Decision) -> int:
    """Return the number of bytes that a decision takes in a request, or a few more."""
    size = _OVERHEAD
    for name in _TEXTS:
        text = decision.attributes.get(name)
        if text:
            size += len(_quoted(text))
    return size


_quoted = json.JSONEncoder().encode

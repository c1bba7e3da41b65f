"""Closed executions, put together again without looking at their histories.

Nothing in a closed execution changes any more. What its history has come to is kept beside it,
and of its events only the first and the last are read when a server starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from flowy_sim._engine.events import TYPE, Event
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.life_cycles import CLOSED
from flowy_sim._storage.codec import decode_events

#: What is kept, besides the number of events: attributes of `Execution` by these names.
_KEPT = (
    "applied_child_policy",
    "cancel_requested",
    "context_id",
    "last_completed_start",
    "latest_activity_event_id",
    "task_list_override",
)


class StoredEvents(Sequence[Event]):
    """The events of a history that has come to its end, read when somebody asks for them.

    Args:
        texts: the events as they were written, in their order, as JSON texts.
        length: how many events there are.

    Raises:
        LookupError, TypeError, ValueError: the first or the last cannot be read.
    """

    __slots__ = ("_events", "_first", "_last", "_length", "_texts")

    def __init__(self, texts: Sequence[str], length: int) -> None:
        """Read the first and the last."""
        first = decode_events(texts[0])
        self._first = first[0]
        self._last = (first if len(texts) == 1 else decode_events(texts[-1]))[-1]
        self._length = length
        self._texts = texts
        self._events: list[Event] | None = None

    def __len__(self) -> int:
        """Return how many events there are."""
        return self._length

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        """Return an event, or some."""
        if index == 0:
            return self._first
        if index == self._length - 1:
            return self._last
        if self._events is None:
            self._events = [event for text in self._texts for event in decode_events(text)]
            self._texts = ()
        return self._events[index]


def closed_state(execution: Execution) -> dict[str, Any]:
    """Return what the history of a closed execution has come to, as data that JSON can carry."""
    state = {name: getattr(execution, name) for name in _KEPT}
    return {"length": len(execution), "open_counts": execution.open_counts(), **state}


def close_again(
    execution: Execution, state: dict[str, Any], close_number: int, texts: Sequence[str]
) -> None:
    """Let an execution be closed as it was.

    Args:
        execution: one without events.
        state: what `closed_state` returned.
        close_number: counts the executions of the domain in the order of their close.
        texts: its events, as JSON texts.

    Raises:
        LookupError, TypeError, ValueError: it cannot have been so.
    """
    events = StoredEvents(texts, state["length"])
    execution.take(events, state["open_counts"])
    for name in _KEPT:
        setattr(execution, name, state[name])
    override = state["task_list_override"]
    execution.task_list_override = None if override is None else tuple(override)
    execution.state = CLOSED
    execution.closed_by(events[len(events) - 1][TYPE], close_number)

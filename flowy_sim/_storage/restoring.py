"""An engine put together again from what was kept of it, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.events import Event
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.restore import Restore
from flowy_sim._storage.closed import StoredEvents
from flowy_sim._storage.plain import decode_events
from flowy_sim._storage.tracking import Changes, Key, Tracker


def restore(changes: Changes, tracker: Tracker) -> None:
    """Let an engine be as changes tell that are all there ever were.

    Args:
        changes: with executions in an order in which no run of a workflow id comes before the
            one before it has closed.
        tracker: that of an engine with nothing in it.

    Raises:
        LookupError, TypeError, ValueError, AssertionError: such an engine cannot be.
    """
    restoring = Restoring(tracker)
    for state in changes.domains:
        restoring.add_domain(state)
    for domain, kind, _, registered in changes.types:
        if registered is not None:
            restoring.add_type(domain, kind, registered)
    for execution in changes.executions:
        restoring.add_execution(*execution)
    for written in changes.events:
        restoring.add_events(*written)
    restoring.end_histories()
    for heartbeat in changes.heartbeats:
        restoring.add_heartbeat(*heartbeat)
    for owner, key, at, kind, arguments in changes.deadlines:
        restoring.add_deadline(owner.domain, key, at, kind, arguments)
    restoring.finish(changes.now)


class Restoring:
    """Puts an engine together again; see `flowy_sim._engine.restore.Restore`.

    Args:
        tracker: that of an engine with nothing in it, made with the seed that it had.
    """

    def __init__(self, tracker: Tracker) -> None:
        tracker.engine.reset()
        self._tracker = tracker
        self._restore = Restore(tracker.engine)
        self._domains: dict[str, Domain] = {}
        self._executions: dict[Key, Execution] = {}
        self._closed: dict[Execution, tuple[dict[str, Any], list[str]]] = {}

    def add_domain(self, state: dict[str, Any]) -> None:
        """Add a domain, without what is in it."""
        self._domains[state["name"]] = self._restore.domain(**state)

    def add_type(self, domain: str, kind: str, state: dict[str, Any]) -> None:
        """Add a type to a domain."""
        self._restore.type(self._domains[domain], kind, **state)

    def add_execution(
        self,
        key: Key,
        workflow_id: str,
        run_id: str,
        close_number: int | None,
        places: dict[str, int],
        closed: dict[str, Any] | None = None,
    ) -> None:
        """Add an execution, without its events."""
        waiting = {int(scheduled_id): place for scheduled_id, place in places.items()}
        execution = self._restore.execution(
            self._domains[key.domain], key.number, workflow_id, run_id, close_number, waiting
        )
        self._executions[key] = execution
        if closed is not None:
            self._closed[execution] = closed, []

    def add_text(self, key: Key, text: str) -> None:
        """Add events to an execution, as JSON text."""
        _, texts = self._closed.get(self._executions[key], (None, None))
        if texts is None:
            self.add_events(key, decode_events(text))
        else:
            texts.append(text)

    def add_events(self, key: Key, events: Iterable[Event]) -> None:
        """Add events to an execution, and all that follows from them."""
        self._restore.events(self._executions[key], events)

    def end_histories(self) -> None:
        """Take note that all events have been added."""
        for execution, (summary, texts) in self._closed.items():
            self._restore.closed(execution, StoredEvents(texts, summary["length"]), summary)

    def add_heartbeat(self, key: Key, scheduled_id: int, at: int, details: str | None) -> None:
        """Add the latest heartbeat of an activity task."""
        self._restore.heartbeat(self._executions[key], scheduled_id, at, details)

    def add_deadline(
        self, domain: str, key: int, at: int, kind: str, arguments: list[list[Any]]
    ) -> None:
        """Add something that will happen by itself."""
        found = [self._argument(domain, *argument) for argument in arguments]
        self._restore.effect(key, at, kind, found)

    def finish(self, now: int) -> None:
        """Let the engine be as it was at an instant in milliseconds."""
        forgotten = self._restore.finish(now)
        self._tracker.begin()
        for execution in forgotten:
            self._tracker.forgotten(execution)

    def _argument(
        self, domain: str, tag: str, value: Any, opened_id: int = 0, run_id: str = ""
    ) -> Any:
        if tag == "value":
            return value
        execution = self._executions[Key(domain, value)]
        if tag == "execution":
            return execution
        return self._restore.opened(execution, opened_id, run_id)

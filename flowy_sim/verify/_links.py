"""Which event of a history started or ended what another event opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowy_sim._events.schema import ENDS, EVENTS, STARTS
from flowy_sim.verify._recording import Event


class Links:
    """What became of everything that a history opened.

    Attributes:
        started: by the id of the event that opened it, the event that started it.
        ended: by the same id, the event that ended it.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        """Read the links of a history."""
        types = {event.id: event.type for event in events}
        self.started = _by_opening(events, types, STARTS)
        self.ended = _by_opening(events, types, ENDS)
        self._requests: dict[str, list[tuple[Event, Event]]] = {}
        for event in events:
            if event.type.endswith("ExternalWorkflowExecutionInitiated") and event.id in self.ended:
                answered = self._requests.setdefault(event["workflowId"], [])
                answered.append((event, self.ended[event.id]))

    def outcome(self, opened_id: int, member: str) -> Any:
        """Return a member of the event that ended it; None if nothing has."""
        ended = self.ended.get(opened_id)
        return None if ended is None else ended[member]

    def requests(self, workflow_id: str) -> Sequence[tuple[Event, Event]]:
        """Return what was sent to an execution, each with the event that tells what came of it."""
        return self._requests.get(workflow_id, ())

    def missed(self, initiated_id: int) -> Event | None:
        """Return the last event before a child was heard of that shows that it was not there."""
        started = self.started.get(initiated_id)
        if started is None:
            return None
        answers = [
            answer
            for _, answer in self.requests(started["workflowExecution"]["workflowId"])
            if answer.type.endswith("Failed") and initiated_id < answer.id < started.id
        ]
        return answers[-1] if answers else None

    def last_seen(self, initiated_id: int) -> Event:
        """Return the last event that shows the first run of a child that has started."""
        seen = self.started[initiated_id]
        run = seen["workflowExecution"]
        for _, answer in self.requests(run["workflowId"]):
            if answer["workflowExecution"] == run:
                seen = max(seen, answer, key=lambda event: event.id)
        return seen


def _by_opening(events: Sequence[Event], types: Mapping[int, str], phase: str) -> dict[int, Event]:
    """Return the events of a phase by the event that opened what they are about.

    Events that name an event of the wrong type are left out.
    """
    found: dict[int, Event] = {}
    for event in events:
        schema = EVENTS.get(event.type)
        if schema is not None and schema.phase == phase and schema.about:
            opening_id = event.link(schema.about)
            if types.get(opening_id) == schema.links[schema.about]:
                found[opening_id] = event
    return found

"""Reading histories: recordings, and the replies of GetWorkflowExecutionHistory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowy_sim._engine.model import event_attributes_key, service_model
from flowy_sim._events.history import documents
from flowy_sim.verify._shapes import (
    MalformedHistoryError,
    check_extras,
    check_shape,
    modelled_part,
    structures,
)

#: The workflow ID of an execution whose history does not contain it.
UNKNOWN_WORKFLOW_ID = "verified-execution"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a history.

    Attributes:
        id: the ID of the event.
        type: the event type, such as ``TimerFired``.
        attributes: the attributes that the service model has.
        at: when the event was written, in milliseconds since the epoch; None if the source did not
            keep the time.
    """

    id: int
    type: str
    attributes: Mapping[str, Any]
    at: int | None

    def __getitem__(self, member: str) -> Any:
        """Return an attribute; None if it is absent."""
        return self.attributes.get(member)

    def link(self, member: str) -> int:
        """Return the ID of another event; 0 if it is absent, because some sources drop zeros."""
        return int(self.attributes.get(member) or 0)


@dataclass(frozen=True, slots=True)
class Lost:
    """What a source did not keep, by its own account.

    Attributes:
        zeros: whether event IDs that are zero were dropped.
        run_ids: whether run IDs were replaced by other text.
    """

    zeros: bool = False
    run_ids: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """A history, and the calls that were recorded with it.

    Attributes:
        name: the name of the history in a report.
        events: all events from event 1, without gaps.
        workflow_id: the execution's workflow ID, or `UNKNOWN_WORKFLOW_ID`.
        run_id: the execution's run ID, if it is known.
        start: the StartWorkflowExecution request, if it was recorded.
        decisions: the recorded RespondDecisionTaskCompleted requests, by the ID of the
            DecisionTaskStarted event that each answered.
        polls: the recorded replies of PollForDecisionTask, by the same ID.
        heartbeats: the recorded heartbeats of each activity task, by the ID of its
            ActivityTaskStarted event.
        type_defaults: the recorded defaults of types, by kind (``activity`` or ``workflow``) and
            ``name@version``.
        lost: what the source did not keep.
    """

    name: str
    events: tuple[Event, ...]
    workflow_id: str = UNKNOWN_WORKFLOW_ID
    run_id: str | None = None
    start: Mapping[str, Any] | None = None
    decisions: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    polls: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    heartbeats: Mapping[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    type_defaults: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    lost: Lost = Lost()

    def event(self, event_id: int) -> Event:
        """Return the event with an ID; an event without type and attributes if there is none."""
        if 0 < event_id <= len(self.events):
            return self.events[event_id - 1]
        return Event(event_id, "", {}, None)

    def sent_itself(self, event: Event) -> bool:
        """Return whether a signal or cancel request came from the execution itself."""
        sender = event["externalWorkflowExecution"]
        initiated = self.event(event.link("externalInitiatedEventId"))
        return (
            sender is not None
            and sender["workflowId"] == self.workflow_id == initiated["workflowId"]
            and initiated.id < event.id
        )

    @property
    def timed(self) -> bool:
        """Whether the source kept the time of every event."""
        return all(event.at is not None for event in self.events)


def read_file(path: Path) -> Recording:
    """Read a history from a JSON file; see `documents`.

    Raises:
        MalformedHistoryError: the file does not contain a history that can be verified.
    """
    try:
        found = documents(path)
    except OSError as error:
        raise MalformedHistoryError(f"It cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise MalformedHistoryError(f"It is not JSON: {error}.") from None
    return read(found[0] if len(found) == 1 else found, path.name)


def read(document: object, name: str = "history") -> Recording:
    """Read a history.

    Args:
        document: a recording; a reply of GetWorkflowExecutionHistory or PollForDecisionTask; a list
            of such replies, which are the pages of one history; or a list of events. Times are
            seconds since the epoch, ISO 8601 text, or datetimes.
        name: what to call it in a report.

    Raises:
        MalformedHistoryError: the document is not a history, or lacks events, such as event 1.
    """
    if isinstance(document, Sequence) and not isinstance(document, str):
        document = _joined(document)
    if not isinstance(document, Mapping) or not isinstance(document.get("events"), Sequence):
        raise MalformedHistoryError(
            "It is not a history: neither a list of events nor an object with the member 'events'."
        )
    check_extras(document)
    events = _events(document["events"])
    execution = document.get("workflowExecution") or document
    itself = _itself(events)
    type_defaults = {
        (kind, name_and_version): defaults
        for kind, types in (document.get("typeDefaults") or {}).items()
        for name_and_version, defaults in types.items()
    }
    return Recording(
        name=name,
        events=events,
        workflow_id=execution.get("workflowId") or itself.get("workflowId", UNKNOWN_WORKFLOW_ID),
        run_id=execution.get("runId") or itself.get("runId"),
        start=document.get("recordedStart"),
        decisions=_by_event_id(document.get("recordedDecisions")),
        polls=_by_event_id(document.get("recordedPolls")),
        heartbeats=_heartbeats(document.get("recordedHeartbeats")),
        type_defaults=type_defaults,
        lost=_lost(document.get("lossy")),
    )


def _joined(listed: Sequence[Any]) -> Mapping[str, Any]:
    """Return one document for a list of events or of pages, in any order and also repeated.

    What a page has beside its events counts if no page before it has the same.
    """
    pages = [
        {"events": each} if isinstance(each, Sequence) and not isinstance(each, str) else each
        for each in listed
    ]
    if not all(
        isinstance(page, Mapping) and isinstance(page.get("events"), Sequence) for page in pages
    ):
        return {"events": listed}
    joined: dict[str, Any] = {}
    events: dict[str, Any] = {}
    for page in pages:
        joined = {**page, **joined}
        events |= {repr(event): event for event in page["events"]}
    return {**joined, "events": list(events.values())}


def milliseconds(timestamp: object) -> int | None:
    """Return a time as milliseconds since the epoch; None for no time.

    Args:
        timestamp: seconds since the epoch, ISO 8601 text or a datetime; UTC if it has no offset.

    Raises:
        MalformedHistoryError: the timestamp is none of these.
    """
    if isinstance(timestamp, str):
        try:
            timestamp = datetime.fromisoformat(timestamp)
        except ValueError:
            raise MalformedHistoryError(
                f"The eventTimestamp {timestamp!r} is not a time."
            ) from None
    if timestamp is None:
        return None
    if isinstance(timestamp, datetime):
        aware = timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    if isinstance(timestamp, int | float) and _EARLIEST <= timestamp <= _LATEST:
        return round(timestamp * 1000)
    raise MalformedHistoryError(f"The eventTimestamp {timestamp!r:.40} is not a time.")


#: The times that are accepted, in seconds since the epoch; fakes may act days before or after.
_EARLIEST = datetime(2, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9998, 1, 1, tzinfo=UTC).timestamp()


def _events(listed: Sequence[Any]) -> tuple[Event, ...]:
    events = tuple(sorted(map(_event, listed), key=lambda event: event.id))
    for expected, event in enumerate(events, 1):
        if event.id != expected:
            raise MalformedHistoryError(
                f"Its events are not complete: event {event.id} follows where event {expected} "
                "should; give all events from event 1, with all pages joined."
            )
    if not events or events[0].type != "WorkflowExecutionStarted":
        raise MalformedHistoryError("It does not begin with WorkflowExecutionStarted.")
    return events


def _event(listed: Any) -> Event:
    shape = service_model().shape_for("HistoryEvent")
    check_shape(shape, listed, "An event", required=("eventId", "eventType"))
    event_id, event_type = listed["eventId"], listed["eventType"]
    key = event_attributes_key(event_type)
    modelled = shape.members.get(key)
    name = f"Event {event_id} ({event_type})"
    attributes = listed.get(key) or {}
    if not isinstance(attributes, Mapping):
        raise MalformedHistoryError(f"{name} is {attributes!r:.40}, which is not a structure.")
    if modelled is not None:
        check_shape(modelled, attributes, name, required=structures(modelled))
        # The service sometimes wrote members that are not in its model: no client can rely on them.
        attributes = {
            member: value
            for member, value in modelled_part(modelled, attributes).items()
            if value is not None
        }
    return Event(event_id, event_type, attributes, milliseconds(listed.get("eventTimestamp")))


def _itself(events: Sequence[Event]) -> Mapping[str, str]:
    """Return the execution's IDs, as far as its history contains them.

    It does if the execution sent itself a signal or request, or got one from the run before it.
    """
    others = {
        execution["workflowId"]
        for event in events
        for member in ("workflowExecution", "parentWorkflowExecution")
        if (execution := event[member]) is not None
        and event.type.startswith(("ChildWorkflow", "WorkflowExecutionStarted"))
    }
    by_id = {event.id: event for event in events}
    previous_run_id = events[0]["continuedExecutionRunId"]
    for event in events:
        sender: Mapping[str, str] | None = event["externalWorkflowExecution"]
        if sender is None or sender["workflowId"] in others:
            continue
        if sender["runId"] == previous_run_id:
            return {"workflowId": sender["workflowId"]}
        sent = by_id.get(event.link("externalInitiatedEventId"))
        if (
            sent is not None
            and sent["workflowId"] == sender["workflowId"]
            and sent["signalName"] == event["signalName"]
            and sent["input"] == event["input"]
        ):
            return sender
    return {}


def _by_event_id(recorded: Mapping[str, Mapping[str, Any]] | None) -> dict[int, Any]:
    return {int(event_id): value for event_id, value in (recorded or {}).items()}


def _heartbeats(
    recorded: Sequence[Mapping[str, Any]] | None,
) -> dict[int, list[Mapping[str, Any]]]:
    by_start: dict[int, list[Mapping[str, Any]]] = {}
    for heartbeat in recorded or ():
        by_start.setdefault(int(heartbeat["startedEventId"]), []).append(heartbeat)
    return by_start


def _lost(declared: Sequence[str] | None) -> Lost:
    lost = " ".join(declared or ())
    return Lost(zeros="zero-valued" in lost, run_ids="runIds" in lost)

"""What every history keeps to, also one that the real service wrote (as recorded).

* Ids are 1, 2, 3 … and time never runs backwards.
* Every ``…EventId`` points back to an event of the right kind, about the same thing.
* Nothing is ended that is not open, and no two open things of a kind share an id.
* At most one decision task waits and at most one is started.
* A decision task is scheduled at once after an event that a decider has to know of, and after
  decisions of which one failed, unless one waits already; and after nothing else.
* A transaction has one time: decisions that of their DecisionTaskCompleted, a decision task that
  of what it is scheduled for.
* An execution closes by a decision only while no decision task waits, and nothing follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowy_sim._engine.life_cycles import CLOSE_STATUS
from flowy_sim._events.links import DECIDED, IDENTITY, LATE_FAILURES, LINKS, OPENS, TRIGGERS, Link

_LINKS_OF: dict[str, list[tuple[str, Link]]] = {}
for (_event_type, _member), _link in LINKS.items():
    _LINKS_OF.setdefault(_event_type, []).append((_member, _link))


class Violation(AssertionError):
    """A rule is broken; the message names the execution, the event and the rule."""


@dataclass
class Told:
    """What a history tells of its execution.

    Attributes:
        open: the open things by the name of their count: the event that opened each, with
            what tells it from others of its kind. Of decision tasks only the one that waits.
        running: the DecisionTaskStarted of the task that a decider holds, or 0.
        last_completed_start: the DecisionTaskStarted of the last completed task, or 0.
        context_id: the DecisionTaskCompleted with the latest executionContext, or 0.
        latest_activity_id: the newest event about an activity task, or 0.
        cancel_requested: whether it was ever asked to cancel.
        close: the type of the event that closed it, or None.
    """

    open: dict[str, dict[int, str]] = field(
        default_factory=lambda: {count: {} for count in sorted(OPENS.values())}
    )
    running: int = 0
    last_completed_start: int = 0
    context_id: int = 0
    latest_activity_id: int = 0
    cancel_requested: bool = False
    close: str | None = None

    @property
    def waiting(self) -> int:
        """The DecisionTaskScheduled of the task that waits, or 0."""
        return next(iter(self.open["openDecisionTasks"]), 0)

    def counts(self) -> dict[str, int]:
        """Return the ``openCounts`` that DescribeWorkflowExecution should give."""
        return {count: len(opened) for count, opened in self.open.items()}


def check_history(events: Iterable[Mapping[str, Any]], name: str = "a history") -> Told:
    """Hold a whole history to the rules.

    Args:
        events: from event 1 on, as GetWorkflowExecutionHistory returns them.
        name: what a violation calls the execution.

    Returns:
        What the history tells.

    Raises:
        Violation: a rule is broken.
    """
    reader = _Reader(name)
    for event in events:
        reader.read(event)
    reader.end_transaction()
    return reader.told


class _Reader:
    """Reads a history event by event.

    Attributes:
        told: what it has told so far.
        types, times: of the events read, by their ids.
        about: the event that scheduled or initiated what an event started, by its id.
        batch: the DecisionTaskCompleted whose transaction goes on, or 0.
        owed: whether a decision task has to be scheduled before the transaction ends.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.told = Told()
        self.types = [""]
        self.times: list[Any] = [None]
        self.about: dict[int, int] = {}
        self.batch = 0
        self.owed = False

    def read(self, event: Mapping[str, Any]) -> None:
        """Take the next event."""
        event_type, time = event["eventType"], event.get("eventTimestamp")
        attributes = event[event_type[0].lower() + event_type[1:] + "EventAttributes"]
        at_once = self._is_decided_at_once(event_type, attributes)
        if not at_once and event_type != "DecisionTaskScheduled":
            self.end_transaction()
        before = self.times[-1]
        self.types.append(event_type)
        self.times.append(time)
        if event["eventId"] != len(self.types) - 1:
            raise self._broken(f"has the id {event['eventId']}")
        if self.told.close is not None:
            raise self._broken(f"comes after {self.told.close}")
        if time is not None and before is not None and time < before:
            raise self._broken("is earlier than the event before it")
        self._place(event_type, attributes, at_once)
        self._follow(event_type, attributes)
        self._open(event_type, attributes)
        self._note(event_type, attributes)
        self.owed = self.owed or self._calls_for_a_task(event_type, attributes)
        self.owed = self.owed and not self.told.waiting

    def end_transaction(self) -> None:
        """Check that a decision task was scheduled if one had to be."""
        if self.owed and self.told.close is None:
            raise self._broken("is not followed by a decision task at once")
        self.batch, self.owed = 0, False

    def _is_decided_at_once(self, event_type: str, attributes: Mapping[str, Any]) -> bool:
        if not attributes.get(DECIDED) or event_type in LATE_FAILURES:
            return False
        late_failure = event_type == "StartChildWorkflowExecutionFailed"
        return not (late_failure and attributes.get("initiatedEventId"))

    def _place(self, event_type: str, attributes: Mapping[str, Any], at_once: bool) -> None:
        """Check that the event stands in the transaction that it belongs to."""
        same_time = self.times[-1] == self.times[-2]
        if event_type == "DecisionTaskScheduled":
            if self.told.waiting:
                raise self._broken(f"comes while {self.told.waiting} waits")
            if not (self.owed and same_time):
                raise self._broken("is not in the transaction of what calls for it")
            self.batch = 0
        elif at_once:
            if not (self.batch == attributes[DECIDED] and same_time):
                raise self._broken("is not in the transaction of its DecisionTaskCompleted")
        elif event_type == "DecisionTaskCompleted":
            self.batch = len(self.types) - 1

    def _calls_for_a_task(self, event_type: str, attributes: Mapping[str, Any]) -> bool:
        failed_decision = event_type.endswith("Failed") and DECIDED in attributes
        return event_type in TRIGGERS or (failed_decision and event_type not in CLOSE_STATUS)

    def _follow(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Check where the event points, and end what it ends."""
        about = attributes.get("scheduledEventId") or attributes.get("initiatedEventId") or 0
        for member, link in _LINKS_OF.get(event_type, ()):
            target = attributes.get(member)
            if not target:
                if target == 0 and not link.zero:
                    raise self._broken(f"has {member} 0")
                continue
            points = f"has {member} {target}, which is"
            kind = self.types[target] if 0 < target < len(self.types) - 1 else "no earlier event"
            if kind != link.target:
                raise self._broken(f"{points} {kind}, not {link.target}")
            if self.about.get(target, about) != about:
                raise self._broken(f"{points} not about {about}")
            if link.ends and self.told.open[OPENS[link.target]].pop(target, None) is None:
                raise self._broken(f"{points} not open")
        if about and event_type.endswith("Started"):
            self.about[len(self.types) - 1] = about

    def _open(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Note what the event opens."""
        count = OPENS.get(event_type)
        if count is not None:
            event_id = len(self.types) - 1
            identity = attributes.get(IDENTITY.get(event_type, ""), str(event_id))
            if identity in self.told.open[count].values():
                raise self._broken(f"has an id in use, {identity!r}")
            self.told.open[count][event_id] = identity

    def _note(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        """Note what else the event tells."""
        told, event_id = self.told, len(self.types) - 1
        if event_type.startswith("DecisionTask"):
            self._note_decision_task(event_type, attributes)
        elif event_type.startswith("ActivityTask"):
            told.latest_activity_id = event_id
        elif event_type == "WorkflowExecutionCancelRequested":
            told.cancel_requested = True
        elif event_type in CLOSE_STATUS:
            told.close = event_type
            if DECIDED in attributes and told.waiting:
                raise self._broken(f"comes while {told.waiting} waits")
        elif attributes.get("cause") == "UNHANDLED_DECISION" and not told.waiting:
            raise self._broken("comes although no decision task waits")

    def _note_decision_task(self, event_type: str, attributes: Mapping[str, Any]) -> None:
        told, event_id = self.told, len(self.types) - 1
        started_id = attributes.get("startedEventId", 0)
        if event_type == "DecisionTaskStarted":
            if told.running:
                raise self._broken(f"comes while {told.running} is not over")
            told.running = event_id
        elif event_type == "DecisionTaskTimedOut" and not started_id:
            if told.open["openDecisionTasks"].pop(attributes["scheduledEventId"], None) is None:
                raise self._broken("is about a task that does not wait")
        elif event_type != "DecisionTaskScheduled":
            if told.running != started_id:
                raise self._broken(f"ends {started_id}, which is over")
            told.running = 0
        if event_type == "DecisionTaskCompleted":
            told.last_completed_start = started_id
            if attributes.get("executionContext") is not None:
                told.context_id = event_id

    def _broken(self, rule: str) -> Violation:
        event = f"event {len(self.types) - 1} {self.types[-1]}"
        return Violation(f"{self.name}, {event}: {rule}")

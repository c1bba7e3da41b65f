"""The comparison of recorded events with those that the simulation wrote, and its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowy_sim._engine.model import event_attributes_key
from flowy_sim.verify._instants import LATENESS
from flowy_sim.verify._recording import Event, Recording, milliseconds

#: The value of a member or event that is missing, in a difference.
ABSENT = "(absent)"


_RUN_IDS = frozenset({"runId", "newExecutionRunId", "continuedExecutionRunId"})


@dataclass(frozen=True, slots=True)
class EventDifference:
    """The first difference between a recorded history and the simulation's.

    Attributes:
        event_id: the ID of the event.
        event_type: the recorded type of the event.
        field: what differs: the dotted path of an attribute, ``eventType``, ``eventTimestamp``,
            a call, or a member of its reply.
        recorded: the recorded value, or ``(absent)``.
        got: the simulation's value, or ``(absent)``.
    """

    event_id: int
    event_type: str
    field: str
    recorded: Any
    got: Any

    def __str__(self) -> str:
        """Return the difference in one line."""
        return (
            f"event {self.event_id} {self.event_type}, {self.field}: "
            f"recorded {self.recorded!r}, got {self.got!r}"
        )


class RunIds:
    """The simulation's run IDs for the recorded ones.

    Args:
        kept: whether the source kept the recorded run IDs.
    """

    def __init__(self, kept: bool) -> None:
        self._kept = kept
        self._simulated: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def bind(self, recorded: str, simulated: str) -> bool:
        """Map two run IDs to each other; return whether that agrees with what was bound before."""
        if recorded == simulated:
            # A decision has named a run that the simulation did not know.
            return True
        if self._kept and (
            self._simulated.get(recorded, simulated) != simulated
            or self._recorded.get(simulated, recorded) != recorded
        ):
            return False
        self._simulated[recorded] = simulated
        self._recorded[simulated] = recorded
        return True

    def simulated(self, recorded: str | None) -> str | None:
        """Return the simulation's run ID for a recorded one; None if there is none yet."""
        return None if recorded is None else self._simulated.get(recorded)


class Comparison:
    """Compares the events of one recording, and ignores only what its source did not keep."""

    def __init__(self, recording: Recording, run_ids: RunIds) -> None:
        self._lost = recording.lost
        self._timed = recording.timed
        self._run_ids = run_ids
        # The service always writes this member now, but began to do so only after 2017.
        self._before_waiting_was_written = not any(
            event["scheduleToStartTimeout"]
            for event in recording.events
            if event.type == "DecisionTaskScheduled"
        )

    def difference(
        self, event: Event, got: Mapping[str, Any], shift: int
    ) -> EventDifference | None:
        """Return the first difference in an event; None if there is none.

        Args:
            event: the recorded event.
            got: the simulation's event of the same ID, as it is on the wire.
            shift: how much later than recorded it was made to happen, in milliseconds.
        """
        for field, recorded, simulated in self._differences(event, got, shift):
            return EventDifference(event.id, event.type, field, recorded, simulated)
        return None

    def _differences(
        self, event: Event, got: Mapping[str, Any], shift: int
    ) -> Iterator[tuple[str, Any, Any]]:
        if got["eventType"] != event.type:
            yield "eventType", event.type, got["eventType"]
            return
        attributes = dict(got.get(event_attributes_key(event.type), {}))
        if event.type == "DecisionTaskScheduled" and self._before_waiting_was_written:
            attributes.pop("scheduleToStartTimeout", None)
        yield from self._members("", event.attributes, attributes)
        at = milliseconds(got["eventTimestamp"])
        if self._timed and event.at is not None and at is not None:
            late = at - shift - event.at
            if abs(late) > LATENESS:
                yield "eventTimestamp", event.at / 1000, (at - shift) / 1000

    def _members(
        self, path: str, recorded: Mapping[str, Any], got: Mapping[str, Any]
    ) -> Iterator[tuple[str, Any, Any]]:
        for member in sorted({*recorded, *got}):
            ours, theirs = got.get(member, ABSENT), recorded.get(member, ABSENT)
            if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
                yield from self._members(f"{path}{member}.", theirs, ours)
            elif not self._agree(member, theirs, ours):
                yield path + member, theirs, ours

    def _agree(self, member: str, recorded: Any, got: Any) -> bool:
        if recorded is ABSENT:
            return self._lost.zeros and got == 0 and member.endswith("EventId")
        if member in _RUN_IDS and isinstance(recorded, str) and got is not ABSENT:
            return self._run_ids.bind(recorded, got)
        return bool(recorded == got)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of verifying one history.

    Attributes:
        name: the history's name.
        events: the number of its events.
        agreed: the number of events that agree, up to the first difference.
        difference: the first difference; None if there is none.
        error: why the history could not be verified; empty if it could.
    """

    name: str
    events: int
    agreed: int
    difference: EventDifference | None
    error: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the simulation writes the same history."""
        return self.difference is None and not self.error

    def __str__(self) -> str:
        """Return the verdict in one line."""
        if self.error:
            return f"unreadable: {self.name}: {self.error}"
        if self.difference is not None:
            agreed = f"{self.agreed:,} of {count(self.events, 'event')} agree"
            return f"differs: {self.name}, {agreed}; {self.difference}"
        return f"agrees: {self.name}, {count(self.events, 'event')}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as an object for JSON."""
        document: dict[str, Any] = {
            "name": self.name,
            "agrees": self.agrees,
            "events": self.events,
            "agreed": self.agreed,
        }
        if self.difference is not None:
            document["difference"] = {
                "eventId": self.difference.event_id,
                "eventType": self.difference.event_type,
                "field": self.difference.field,
                "recorded": self.difference.recorded,
                "got": self.difference.got,
            }
        if self.error:
            document["error"] = self.error
        return document


def count(number: int, noun: str) -> str:
    """Return a number with a noun in the singular or plural.

    Example:
        >>> count(1, "event"), count(2040, "event"), count(2, "history")
        ('1 event', '2,040 events', '2 histories')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"

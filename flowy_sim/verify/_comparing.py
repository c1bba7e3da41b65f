"""Comparing a recorded event with the one that the simulation wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowy_sim._events.schema import attributes_key
from flowy_sim.verify._instants import LATENESS
from flowy_sim.verify._recording import Event, Recording, milliseconds

#: What stands in a difference for a member or an event that is not there.
ABSENT = "(absent)"

_RUN_IDS = frozenset({"runId", "newExecutionRunId", "continuedExecutionRunId"})


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a recorded history and the simulation part.

    Attributes:
        event_id: the event.
        event_type: its recorded type.
        field: what differs: a dotted member of its attributes, ``eventType``,
            ``eventTimestamp``, or what was called and how it was answered.
        recorded: what was recorded, or `ABSENT`.
        got: what the simulation had, or `ABSENT`.
    """

    event_id: int
    event_type: str
    field: str
    recorded: Any
    got: Any

    def __str__(self) -> str:
        """Tell all of it in one line."""
        return (
            f"event {self.event_id} {self.event_type}, {self.field}: "
            f"recorded {self.recorded!r}, got {self.got!r}"
        )


class RunIds:
    """The run ids of the simulation for those that were recorded; the service invents them."""

    def __init__(self, kept: bool) -> None:
        """Start empty; `kept` tells whether the source kept the recorded ones."""
        self._kept = kept
        self._simulated: dict[str, str] = {}
        self._recorded: dict[str, str] = {}

    def bind(self, recorded: str, simulated: str) -> bool:
        """Let one stand for the other; return whether that agrees with what was bound before."""
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
        """Return the simulation's run id for a recorded one; None if it has none yet."""
        return None if recorded is None else self._simulated.get(recorded)


class Comparison:
    """Compares the events of one recording, forgiving only what it says that it lost."""

    def __init__(self, recording: Recording, run_ids: RunIds) -> None:
        """Note what the source kept."""
        self._lost = recording.lost
        self._timed = recording.timed
        self._run_ids = run_ids
        # The service writes the member always, but did not until some time after 2017.
        self._before_waiting_was_written = not any(
            event["scheduleToStartTimeout"]
            for event in recording.events
            if event.type == "DecisionTaskScheduled"
        )

    def difference(self, event: Event, got: Mapping[str, Any], shift: int) -> Difference | None:
        """Return the first difference of an event; None if there is none.

        Args:
            event: as recorded.
            got: the event of the same id, as the simulation sends it.
            shift: how many milliseconds after the recorded instant it was made to happen.
        """
        for field, recorded, simulated in self._differences(event, got, shift):
            return Difference(event.id, event.type, field, recorded, simulated)
        return None

    def _differences(
        self, event: Event, got: Mapping[str, Any], shift: int
    ) -> Iterator[tuple[str, Any, Any]]:
        if got["eventType"] != event.type:
            yield "eventType", event.type, got["eventType"]
            return
        attributes = dict(got.get(attributes_key(event.type), {}))
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

"""The heartbeats that must have been sent for activity tasks to fare as recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowy_sim.verify._checking import HistoryError
from flowy_sim.verify._course import Course
from flowy_sim.verify._instants import LATENESS, seconds
from flowy_sim.verify._recording import Event, Recording

#: More are not tried; one a minute for a year are about half as many.
MOST_HEARTBEATS = 1_000_000


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat.

    Attributes:
        at: when it is sent, in milliseconds.
        started_id: the start of the task that it is for.
        details: what it tells; None for nothing.
        cancel_requested: what it was answered; None where that was not recorded.
    """

    at: int
    started_id: int
    details: str | None = None
    cancel_requested: bool | None = None


def heartbeats(course: Course) -> Iterator[Heartbeat]:
    """Yield the heartbeats of every activity task of a history.

    They leave no event, and their times are not recorded. As many are sent as were recorded, and
    as many more as a task needs to have lived as long as it did; a task that ended for want of
    one had its last exactly its heartbeatTimeout before.
    """
    recording = course.recording
    asked = {
        event["activityId"]: course.at(event)
        for event in recording.events
        if event.type == "ActivityTaskCancelRequested"
    }
    for started in recording.events:
        if started.type == "ActivityTaskStarted":
            scheduled = recording.event(started.link("scheduledEventId"))
            ended = course.links.ended.get(scheduled.id)
            end = course.end if ended is None else course.at(ended)
            told = _told(recording, started, ended)
            times = _times(scheduled, ended, course.at(started), end, len(told))
            told = [{}] * (len(times) - len(told)) + told
            for time, heartbeat in zip(times, told, strict=True):
                answer = heartbeat.get("response", {}).get("cancelRequested")
                asked_at = asked.get(scheduled["activityId"])
                if asked_at is not None and answer is not None:
                    time = max(time, asked_at) if answer else min(time, asked_at - 1)
                yield Heartbeat(time, started.id, heartbeat.get("details"), answer)


def _told(recording: Recording, started: Event, ended: Event | None) -> list[Mapping[str, Any]]:
    """Return the heartbeats of a task that are known of."""
    told = list(recording.heartbeats.get(started.id, ()))
    timed_out = ended is not None and ended.type == "ActivityTaskTimedOut"
    if not told and ended is not None and timed_out and ended["details"] is not None:
        return [{"details": ended["details"]}]
    return told


def _times(scheduled: Event, ended: Event | None, begin: int, end: int, known: int) -> list[int]:
    """Return when heartbeats are sent: evenly, and none too late."""
    timeout = seconds(scheduled["heartbeatTimeout"])
    if timeout and ended is not None and ended["timeoutType"] == "HEARTBEAT":
        last = max(begin, end - timeout * 1000)
        if not known and last - begin <= LATENESS:
            return []
        count = _possible(max(known, (last - begin) // (timeout * 1000) + 1))
        return [begin + (last - begin) * number // count for number in range(1, count + 1)]
    count = _possible(max(known, (end - begin) // (timeout * 1000) if timeout else 0))
    return [begin + (end - begin) * number // (count + 1) for number in range(1, count + 1)]


def _possible(count: int) -> int:
    if count > MOST_HEARTBEATS:
        raise HistoryError(f"A task would have had to send {count:,} heartbeats.")
    return count

"""The heartbeats that workers must have sent for activity tasks to end as recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowy_sim.verify._instants import LATENESS, Plan, seconds
from flowy_sim.verify._recording import Event, Recording
from flowy_sim.verify._shapes import MalformedHistoryError

#: A bound on the heartbeats of a task; one a minute for a year are about half as many.
MOST_HEARTBEATS = 1_000_000


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat.

    Attributes:
        at: when it is sent, in milliseconds.
        started_id: the id of the ActivityTaskStarted event of its task.
        details: its details; None if it has none.
        cancel_requested: the recorded reply; None if it was not recorded.
    """

    at: int
    started_id: int
    details: str | None = None
    cancel_requested: bool | None = None


def heartbeats(plan: Plan) -> Iterator[Heartbeat]:
    """Yield the heartbeats of every activity task of a history.

    Heartbeats write no events, and their times are not recorded. All recorded ones are sent, and
    as many more as a task needs to run as long as it did. The last heartbeat of a task that timed
    out for lack of heartbeats was sent exactly its heartbeatTimeout before.
    """
    recording = plan.recording
    asked = {
        event["activityId"]: plan.at(event)
        for event in recording.events
        if event.type == "ActivityTaskCancelRequested"
    }
    for started in recording.events:
        if started.type == "ActivityTaskStarted":
            scheduled = recording.event(started.link("scheduledEventId"))
            ended = plan.links.ended.get(scheduled.id)
            end = plan.end if ended is None else plan.at(ended)
            known = _known(recording, started, ended)
            times = _times(scheduled, ended, plan.at(started), end, len(known))
            unknown: list[Mapping[str, Any]] = [{}] * (len(times) - len(known))
            for earliest, heartbeat in zip(times, unknown + known, strict=True):
                time = earliest
                answer = heartbeat.get("response", {}).get("cancelRequested")
                asked_at = asked.get(scheduled["activityId"])
                if asked_at is not None and answer is not None:
                    time = max(time, asked_at) if answer else min(time, asked_at - 1)
                yield Heartbeat(time, started.id, heartbeat.get("details"), answer)


def _known(recording: Recording, started: Event, ended: Event | None) -> list[Mapping[str, Any]]:
    """Return the known heartbeats of a task: the recorded ones, or else the last one."""
    known = list(recording.heartbeats.get(started.id, ()))
    timed_out = ended is not None and ended.type == "ActivityTaskTimedOut"
    if not known and ended is not None and timed_out and ended["details"] is not None:
        return [{"details": ended["details"]}]
    return known


def _times(scheduled: Event, ended: Event | None, begin: int, end: int, known: int) -> list[int]:
    """Return when heartbeats are sent: at even intervals, and none too late."""
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
        raise MalformedHistoryError(f"A task would have had to send {count:,} heartbeats.")
    return count

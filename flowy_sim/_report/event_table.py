"""The events of a history as rows of a table, with their payloads in readable form."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._events.schema import (
    EVENTS,
    TROUBLES,
    attributes_key,
    attributes_of,
    refused_decision,
)
from flowy_sim._events.spans import Timeline
from flowy_sim._report.layout import duration
from flowy_sim._report.picture import LABEL, STATES

INLINE = 2_000
"""The maximum number of characters of a payload in the table; longer ones are cut."""
_LINKED = 8
"""The maximum number of effects of an event that are linked."""
PAYLOADS = ("input", "result", "details", "control", "executionContext", "latestExecutionContext")
"""The members of events and of descriptions that carry what users pass on."""


class Member(NamedTuple):
    """A member of an event: its name, its value, and how many characters were cut from it."""

    name: str
    value: str
    more: int = 0


@dataclass(slots=True)
class EventRow:
    """An event in the table.

    Attributes:
        id: its ID.
        offset: the time since the first event, in words.
        type: its type.
        subject: what it is about.
        state: one of `STATES` if something went wrong, otherwise empty.
        causes, effects: the IDs of events that led to it, and that it led to.
        more: the number of effects that are left out.
        members: its other members.
    """

    id: int
    offset: str
    type: str
    subject: str = ""
    state: str = ""
    causes: list[int] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    more: int = 0
    members: list[Member] = field(default_factory=list)


def event_rows(
    events: Sequence[Mapping[str, Any]], timeline: Timeline
) -> tuple[list[EventRow], dict[int, dict[str, str]]]:
    """Return a row for each event, and in full the members that are cut in it, by event ID.

    Args:
        events: the events of a history, oldest first.
        timeline: their timeline.
    """
    rows: dict[int, EventRow] = {}
    whole: dict[int, dict[str, str]] = {}
    effects: dict[int, list[int]] = defaultdict(list)
    known = set(timeline.events)
    for event in events:
        event_id, attributes = event["eventId"], attributes_of(event)
        schema = EVENTS.get(event["eventType"])
        row = EventRow(event_id, "", safe_text(event["eventType"], LABEL))
        if timeline.times:
            row.offset = duration(timeline.times[event_id] - timeline.times[timeline.events[0]])
        links = schema.links if schema is not None else ()
        row.causes = [attributes[name] for name in links if attributes.get(name) in known]
        for cause in row.causes:
            effects[cause].append(event_id)
        if schema is not None:
            label = schema.label(attributes) or _subject(event, attributes, rows, row.causes)
            row.subject = safe_text(label, LABEL)
            row.state = STATES[schema.outcome] if schema.outcome in TROUBLES else ""
        for name, value in attributes.items():
            if name not in links and value not in ("", None):
                shown = pretty(value)
                cut = shown if len(shown) <= INLINE else shown[: INLINE - 1] + "…"
                row.members.append(Member(safe_text(name, LABEL), cut, len(shown) - len(cut)))
                if cut != shown:
                    whole.setdefault(event_id, {})[row.members[-1].name] = shown
        rows[event_id] = row
    for event_id, row in rows.items():
        row.effects = list(islice(effects[event_id], _LINKED))
        row.more = len(effects[event_id]) - len(row.effects)
    return list(rows.values()), whole


def _subject(
    event: Mapping[str, Any],
    attributes: Mapping[str, Any],
    rows: Mapping[int, EventRow],
    causes: Iterable[int],
) -> str:
    """Return what an event is about: what it names itself, or what its cause is about."""
    if event["eventType"].endswith("Failed") and "cause" in attributes:
        return refused_decision("", attributes).strip()
    return next((rows[cause].subject for cause in causes if rows[cause].subject), "")


def pretty(value: Any) -> str:
    r"""Return a value of a history for a reader: JSON is indented, other text stays as it is.

    >>> print(pretty('[["photo.jpg"], {}]'), pretty("no JSON"))
    [["photo.jpg"], {}] no JSON
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return safe_lines(value)
    short = json.dumps(value, ensure_ascii=False, default=str)
    if len(short) > 72:
        short = json.dumps(value, ensure_ascii=False, default=str, indent=2)
    return safe_lines(short)


def redacted(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return events without what users pass on in them: inputs, results and details.

    IDs, names, tags and reasons stay.

    >>> fired = {"timerFiredEventAttributes": {"control": "12345"}}
    >>> redacted([{"eventType": "TimerFired", **fired}])[0]["timerFiredEventAttributes"]
    {'control': '[redacted, 5 characters]'}
    """
    return [
        {
            **event,
            attributes_key(event["eventType"]): {
                name: f"[redacted, {len(value):,} characters]" if name in PAYLOADS else value
                for name, value in attributes_of(event).items()
            },
        }
        for event in events
    ]

"""The events of a history as rows of a table, with their payloads in readable form."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._engine.model import event_attributes_key
from flowy_sim._events.schema import (
    EVENTS,
    TROUBLES,
    attributes_of,
    refused_decision,
)
from flowy_sim._events.spans import Timeline
from flowy_sim._report.drawn_row import STATES
from flowy_sim._report.layout import duration
from flowy_sim._report.picture import LABEL

INLINE = 2_000
"""The maximum number of characters of a payload in the table; longer ones are cut."""
_MEMBERS = 550_000
"""The number of characters of members in a table, beyond which only failures show theirs."""
_LEAD = 60
"""The number of characters of the member that is seen at once."""
_LEADS = (
    *("reason", "cause", "timeoutType", "result", "input", "details", "identity"),
    *("signalName", "activityId", "timerId", "workflowId", "markerName", "taskList"),
)
"""Which member is seen at once: the first of these, or else the first of the event."""
_LINE = 72
_LINKED = 8
"""The maximum number of effects of an event that are linked."""
PAYLOADS = ("input", "result", "details", "control", "executionContext", "latestExecutionContext")
"""The members of events and of descriptions that carry what users pass on."""


class Block(NamedTuple):
    """A long member of an event: its name, its value, and how many characters were cut from it."""

    name: str
    value: str
    more: int


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
        lead: the member that is seen at once.
        lines: its other members that fit a line, a line each.
        blocks: its other members.
        is_cut: whether its members are left out, because the table is long.
    """

    id: int
    offset: str
    type: str
    subject: str = ""
    state: str = ""
    causes: list[int] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    more: int = 0
    lead: str = ""
    lines: str = ""
    blocks: list[Block] = field(default_factory=list)
    is_cut: bool = False


def event_rows(
    events: Sequence[Mapping[str, Any]], timeline: Timeline
) -> tuple[list[EventRow], dict[int, dict[str, str]]]:
    """Return a row for each event, and in full the members that it leaves out, by event ID.

    Args:
        events: the events of a history, oldest first.
        timeline: their timeline.
    """
    rows: dict[int, EventRow] = {}
    whole: dict[int, dict[str, str]] = {}
    effects: dict[int, list[int]] = defaultdict(list)
    known, room = set(timeline.events), _MEMBERS
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
        members = {
            safe_text(name, LABEL): _named(value) or pretty(value)
            for name, value in attributes.items()
            if name not in links and value not in ("", None)
        }
        size = sum(min(len(name) + len(value), INLINE) for name, value in members.items())
        if size > room and not row.state:
            row.is_cut, whole[event_id] = True, members
        else:
            room -= size
            whole |= _show_members(row, members)
        rows[event_id] = row
    for event_id, row in rows.items():
        row.effects = list(islice(effects[event_id], _LINKED))
        row.more = len(effects[event_id]) - len(row.effects)
    return list(rows.values()), whole


def _show_members(row: EventRow, members: dict[str, str]) -> dict[int, dict[str, str]]:
    """Put members into a row; return in full those that are too long, by the ID of the event."""
    if not members:
        return {}
    lead = next((name for name in _LEADS if name in members), next(iter(members)))
    first, *others = members[lead].split("\n", 1)
    is_whole = len(first) <= _LEAD and not others
    row.lead = f"{lead}: {first if is_whole else first[:_LEAD] + '…'}"
    rest = {name: value for name, value in members.items() if name != lead or not is_whole}
    lines = [f"{name}: {value}" for name, value in rest.items() if _fits_a_line(value)]
    row.lines = "\n".join(lines)
    long = {name: value for name, value in rest.items() if not _fits_a_line(value)}
    row.blocks = [
        Block(name, value[:INLINE], max(0, len(value) - INLINE)) for name, value in long.items()
    ]
    cut = {name: value for name, value in long.items() if len(value) > INLINE}
    return {row.id: cut} if cut else {}


def _fits_a_line(value: str) -> bool:
    return len(value) <= _LINE and "\n" not in value


def _named(value: Any) -> str:
    """Return the name and version of a type, or the name of a task list; empty for other values."""
    if isinstance(value, Mapping) and value.keys() <= {"name", "version"}:
        return safe_text(" ".join(map(str, value.values())))
    return ""


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
    if len(short) > _LINE:
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
            event_attributes_key(event["eventType"]): {
                name: f"[redacted, {len(value):,} characters]" if name in PAYLOADS else value
                for name, value in attributes_of(event).items()
            },
        }
        for event in events
    ]

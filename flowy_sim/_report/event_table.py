"""The events of a history as rows of a table, with their payloads in readable form."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from flowy_sim._report.drawn_row import LABEL, STATES
from flowy_sim._report.layout import duration

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
_SHOWN_ONCE = 60
"""The number of characters of lines from which equal ones of several events are shown once."""
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
        shared: more such members, as several events may have them.
        as_event: the event that shows these members, if it is an earlier one.
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
    shared: str = ""
    as_event: int = 0
    blocks: list[Block] = field(default_factory=list)
    is_cut: bool = False

    def add_effect(self, event_id: int) -> None:
        """Add an event that it led to."""
        if len(self.effects) < _LINKED:
            self.effects.append(event_id)
        else:
            self.more += 1


class EventTable:
    """The events of a history as rows, to which newer events are added.

    Attributes:
        rows: a row for each event.
        whole: in full the members that a row leaves out, by event ID.
        cut: the number of events whose members are left out.
    """

    def __init__(self) -> None:
        self.rows: list[EventRow] = []
        self.whole: dict[int, dict[str, str]] = {}
        self.cut = 0
        self._events: dict[int, Mapping[str, Any]] = {}
        self._by_id: dict[int, EventRow] = {}
        self._subjects: dict[int, str] = {}
        self._shown_at: dict[str, int] = {}
        self._room = _MEMBERS

    def add(self, events: Sequence[Mapping[str, Any]], timeline: Timeline) -> None:
        """Add events of a timeline, oldest first."""
        self._events.update((int(event["eventId"]), event) for event in events)
        for event in events:
            self._add(int(event["eventId"]), event, timeline)

    def caused(self, after: int) -> list[EventRow]:
        """Return the rows of events up to one that have caused some after it."""
        newer = self.rows[bisect_right(self.rows, after, key=lambda row: row.id) :]
        causes = {cause for row in newer for cause in row.causes if cause <= after}
        return [self._by_id[cause] for cause in sorted(causes)]

    def _add(self, event_id: int, event: Mapping[str, Any], timeline: Timeline) -> None:
        schema = EVENTS.get(event["eventType"])
        row = EventRow(event_id, "", safe_text(event["eventType"], LABEL))
        if timeline.times:
            row.offset = duration(timeline.times[event_id] - timeline.times[timeline.events[0]])
        self.rows.append(row)
        self._by_id[event_id] = row
        row.causes = _causes(event, self._events)
        for cause in row.causes:
            if cause in self._by_id:
                self._by_id[cause].add_effect(event_id)
        row.subject = safe_text(self._subject(event_id), LABEL)
        if schema is not None and schema.outcome in TROUBLES:
            row.state = STATES[schema.outcome]
        members = _members(event)
        cut = _show_members(row, members)
        row.as_event = self._shown_at.get(row.shared, 0)
        size = len(row.lead) + len(row.lines) + sum(len(block.value) for block in row.blocks)
        size += 0 if row.as_event else len(row.shared)
        if size > self._room and not row.state:
            row.is_cut, self.whole[event_id] = True, members
            self.cut += 1
            return
        self._room -= size
        if cut:
            self.whole[event_id] = cut
        if row.shared:
            self._shown_at.setdefault(row.shared, event_id)

    def _subject(self, event_id: int) -> str:
        """Return what an event is about: what it names itself, or what its cause is about."""
        found = self._subjects.get(event_id)
        if found is None:
            event = self._events[event_id]
            causes = (cause for cause in _causes(event, self._events) if cause < event_id)
            found = _own_subject(event) or next(filter(None, map(self._subject, causes)), "")
            self._subjects[event_id] = found
        return found


def _links(event: Mapping[str, Any]) -> Collection[str]:
    """Return the members of an event that are IDs of its causes."""
    schema = EVENTS.get(event["eventType"])
    return schema.links if schema is not None else ()


def _causes(event: Mapping[str, Any], known: Collection[int]) -> list[int]:
    attributes = attributes_of(event)
    return [attributes[name] for name in _links(event) if attributes.get(name) in known]


def _members(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of an event in readable form."""
    return {
        safe_text(name, LABEL): _named(value) or pretty(value)
        for name, value in attributes_of(event).items()
        if name not in _links(event) and value not in ("", None)
    }


def _show_members(row: EventRow, members: dict[str, str]) -> dict[str, str]:
    """Put members into a row; return in full those that are too long."""
    if not members:
        return {}
    lead = next((name for name in _LEADS if name in members), next(iter(members)))
    first, *others = members[lead].split("\n", 1)
    is_whole = len(first) <= _LEAD and not others
    row.lead = f"{lead}: {first if is_whole else first[:_LEAD] + '…'}"
    rest = {name: value for name, value in members.items() if name != lead or not is_whole}
    lines = {name: value for name, value in rest.items() if _fits_a_line(value)}
    # Tasks of one type have IDs of their own, and the same time-outs.
    equal = {name: value for name, value in lines.items() if not name.lower().endswith("id")}
    shared = _written(equal)
    if len(shared) >= _SHOWN_ONCE:
        row.shared = shared
        lines = {name: value for name, value in lines.items() if name not in equal}
    row.lines = _written(lines)
    long = {name: value for name, value in rest.items() if not _fits_a_line(value)}
    row.blocks = [
        Block(name, value[:INLINE], max(0, len(value) - INLINE)) for name, value in long.items()
    ]
    return {name: value for name, value in long.items() if len(value) > INLINE}


def _written(lines: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _fits_a_line(value: str) -> bool:
    return len(value) <= _LINE and "\n" not in value


def _named(value: Any) -> str:
    """Return the name and version of a type, or the name of a task list; empty for other values."""
    if isinstance(value, Mapping) and value.keys() <= {"name", "version"}:
        return safe_text(" ".join(map(str, value.values())))
    return ""


def _own_subject(event: Mapping[str, Any]) -> str:
    """Return what an event names itself; empty if it names nothing."""
    attributes, schema = attributes_of(event), EVENTS.get(event["eventType"])
    if schema is None:
        return ""
    label = schema.label(attributes)
    if not label and event["eventType"].endswith("Failed") and "cause" in attributes:
        return refused_decision("", attributes).strip()
    return label


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

"""What pages show of a run, read from its history."""

from __future__ import annotations

import base64
import gzip
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from flowy._safe_text import safe_text
from flowy_sim._events.schema import OPEN, attributes_of
from flowy_sim._events.spans import Timeline, TimelineReader
from flowy_sim._report.drawn_row import LABEL, STATES, DrawnRows
from flowy_sim._report.event_table import EventRow, EventTable, pretty, redacted
from flowy_sim._report.layout import duration
from flowy_sim._report.picture import Picture

_CHUNK = 100
"""The number of events in a table; a browser lays out those that are on the screen."""


class ReportedRun(NamedTuple):
    """A run to be reported.

    Attributes:
        events: its history.
        workflow_id, run_id: its IDs, if they are known.
        title: what to call it instead of by its type, such as the name of a test.
        story: lines about it.
        source: where it comes from, such as the name of a file.
        verdict: ``passed`` or ``failed``, of a test.
        awaited: the names of signals that it waits for, which no history shows.
        faults: faults that were injected: when, in milliseconds since the epoch, and which.
    """

    events: Sequence[Mapping[str, Any]]
    workflow_id: str = ""
    run_id: str = ""
    title: str = ""
    story: Sequence[str] = ()
    source: str = ""
    verdict: str = ""
    awaited: Sequence[str] = ()
    faults: Sequence[tuple[int, str]] = ()

    def redacted(self) -> ReportedRun:
        """Return the run without inputs, results and details."""
        return self._replace(events=redacted(self.events))


class RunReading:
    """What is read from the history of a run, to which newer events can be added.

    Adding an event costs nothing for those before it, and rows of the timeline that an event does
    not concern are not drawn again.

    Attributes:
        events: the events, the oldest first.
        table: their table.
        drawn: the rows of the timeline that were drawn.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.table = EventTable()
        self.drawn = DrawnRows()
        self._reader = TimelineReader()

    @property
    def timeline(self) -> Timeline:
        """What ran when."""
        return self._reader.timeline

    def add(self, events: Sequence[dict[str, Any]]) -> None:
        """Add newer events, the oldest first.

        Raises:
            ValueError: these are not events of a history.
        """
        try:
            for event in events:
                self._reader.read(event)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"These are not events of a history: {error!r}.") from error
        self.events += events
        self.table.add(events, self.timeline)


class Chunk(NamedTuple):
    """Rows of the table of events that a browser lays out together.

    Attributes:
        number: which one it is, from 0.
        last: the last event of it.
        rows: the rows; of a page that is brought up to date, those that are new.
        is_full: whether no row will be added to it.
    """

    number: int
    last: int
    rows: Sequence[EventRow]
    is_full: bool


class RunView:
    """What a page shows of a run.

    Args:
        run: the run.
        anchor: what the anchors of the run begin with, if there are several on the page.
        reading: what was read of its events, if that is kept.
        now: the current time of an open execution, in milliseconds since the epoch.
        heartbeats: the last heartbeats of its activities; see `Picture`.
        after: the last event that the page has already; its table has those after it.
    """

    def __init__(
        self,
        run: ReportedRun,
        anchor: str = "",
        reading: RunReading | None = None,
        now: int | None = None,
        heartbeats: Mapping[int, int] = MappingProxyType({}),
        after: int = 0,
    ) -> None:
        if reading is None:
            reading = RunReading()
            reading.add(_sorted(run.events))
        timeline = reading.timeline
        is_open = timeline.outcome == OPEN
        self.anchor = anchor
        self.execution = (run.workflow_id, run.run_id)
        self.name = safe_text(run.title or timeline.name, LABEL) or "execution"
        self.outcome = timeline.outcome
        self.verdict = run.verdict
        self.state = STATES[timeline.outcome]
        self.facts = facts(timeline)
        self.ids = [
            (label, safe_text(value, LABEL))
            for label, value in (
                ("workflow ID", run.workflow_id),
                ("run ID", run.run_id),
                ("file", run.source),
            )
            if value
        ]
        if timeline.times:
            self.ids.append(("started", _instant(timeline.times[timeline.events[0]])))
        self.relatives: list[tuple[str, str, str]] = []
        self.story = [safe_text(line) for line in run.story]
        self.problems = timeline.problems
        shown = timeline.with_awaited(run.awaited)
        self.picture = Picture(
            shown, now if is_open else None, heartbeats, run.faults, reading.drawn
        )
        self.payloads = _payloads(reading.events, is_open=is_open)
        self.after = after
        self._table = reading.table
        self.events_cut = self._table.cut
        self.chunks = list(self._chunks())

    @property
    def pages(self) -> list[tuple[int, int]]:
        """The first and last event of each chunk."""
        rows = self._table.rows
        return [
            (rows[first].id, rows[min(first + _CHUNK, len(rows)) - 1].id)
            for first in range(0, len(rows), _CHUNK)
        ]

    @property
    def caused(self) -> list[EventRow]:
        """The rows that the page has already, and that have caused newer events."""
        return self._table.caused(self.after)

    def _chunks(self) -> Iterator[Chunk]:
        rows = self._table.rows
        known = bisect_right(rows, self.after, key=lambda row: row.id) if self.after else 0
        for number in range(known // _CHUNK, -(-len(rows) // _CHUNK)):
            begin, end = number * _CHUNK, min((number + 1) * _CHUNK, len(rows))
            if new := rows[max(begin, known) : end]:
                yield Chunk(number, rows[end - 1].id, new, end - begin == _CHUNK)

    def data(self, after: int = 0) -> dict[str, Any]:
        """Return what scripts need: the timeline, and in full the payloads that the table cuts.

        Args:
            after: the last event that they know.
        """
        whole = self._table.whole
        payloads = {number: each for number, each in whole.items() if number > after}
        return {**self.picture.data(after), "execution": self.execution, "payloads": payloads}

    @property
    def packed(self) -> str:
        """The same, compressed: text that cannot end an element."""
        written = json.dumps(self.data(), separators=(",", ":")).encode()
        return base64.b64encode(gzip.compress(written, mtime=0)).decode()


def _sorted(events: Iterable[Mapping[str, Any]]) -> list[Any]:
    try:
        return sorted(events, key=lambda event: int(event["eventId"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"These are not events of a history: {error!r}.") from error


def facts(timeline: Timeline) -> list[str]:
    """Return how long an execution took, and the number of its events."""
    count = len(timeline.events)
    found = ["1 event" if count == 1 else f"{count:,} events"]
    if timeline.times:
        passed = duration(timeline.milliseconds)
        found.insert(0, passed if timeline.milliseconds else "all at one instant")
    return found


def _payloads(events: Sequence[Mapping[str, Any]], *, is_open: bool) -> list[tuple[str, str]]:
    """Return input and outcome of an execution, by what they are called."""
    if not events:
        return []
    first = attributes_of(events[0])
    last = {} if is_open else attributes_of(events[-1])
    found = [("input", first.get("input"))]
    found += [(name, last.get(name)) for name in ("result", "reason", "details")]
    return [(name, pretty(value)) for name, value in found if value]


def _instant(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03} UTC"

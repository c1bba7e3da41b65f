"""Pages about runs: one HTML file with timelines and events, that needs nothing else.

A page has no scripts and makes no requests, which its own Content-Security-Policy enforces. It
shows what `flowy_sim._events.spans` reads, as timelines in terminals do.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._events.schema import EVENTS, OPEN, TROUBLES, attributes_of, refused_decision
from flowy_sim._events.spans import Timeline, read
from flowy_sim._report.layout import duration
from flowy_sim._report.page_timeline import ROW_HEIGHT, STATES, WIDTH, Picture

if TYPE_CHECKING:
    from jinja2 import Environment

_CHUNK = 100
"""The number of events in a table; a browser lays out those that are on the screen."""
_LABEL = 200
"""The maximum number of characters of an id or a name."""
_LINKED = 8
"""The maximum number of effects of an event that are linked."""


class ReportedRun(NamedTuple):
    """A run to be reported.

    Attributes:
        events: its history.
        workflow_id, run_id: its IDs, if they are known.
        title: what to call it instead of by its type, such as the name of a test.
        story: lines about it.
        source: where it comes from, such as the name of a file.
        verdict: ``passed`` or ``failed``, of a test.
    """

    events: Sequence[Mapping[str, Any]]
    workflow_id: str = ""
    run_id: str = ""
    title: str = ""
    story: Sequence[str] = ()
    source: str = ""
    verdict: str = ""


@dataclass(slots=True)
class _EventRow:
    """An event in the table."""

    id: int
    offset: str
    type: str
    subject: str = ""
    state: str = ""
    causes: list[int] = field(default_factory=list)
    effects: list[int] = field(default_factory=list)
    more: int = 0
    members: list[tuple[str, str]] = field(default_factory=list)


def page(runs: Iterable[ReportedRun], title: str, notes: Sequence[str] = ()) -> str:
    """Return a page about runs.

    Args:
        runs: the runs, in the order in which they are shown.
        title: the title of the page.
        notes: sentences about it, such as what was left out.

    Raises:
        ValueError: the events of a run are not events of a history.
    """
    environment = _environment()
    style = _source(environment, "report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    shown = [_View(number, run) for number, run in enumerate(runs, 1)]
    return environment.get_template("report.html").render(
        runs=shown, notes=notes, title=safe_text(title), style=style, digest=digest, width=WIDTH
    )


def failed_first(runs: Iterable[ReportedRun]) -> list[ReportedRun]:
    """Return runs with those first that failed or timed out, and otherwise in the same order."""
    return sorted(runs, key=lambda run: read(run.events).outcome not in TROUBLES)


def svg(events: Iterable[Mapping[str, Any]]) -> str:
    """Return the timeline of a history as an SVG file.

    Raises:
        ValueError: these are not events of a history.
    """
    environment = _environment()
    timeline = read(events)
    return environment.get_template("timeline.svg").render(
        picture=Picture(timeline),
        title=" · ".join((safe_text(timeline.name, _LABEL), timeline.outcome, *_facts(timeline))),
        rows=len(timeline.rows),
        width=WIDTH,
        row=ROW_HEIGHT,
    )


class _View:
    """What a page shows of a run."""

    def __init__(self, number: int, run: ReportedRun) -> None:
        events = sorted(run.events, key=lambda event: int(event["eventId"]))
        timeline = read(events)
        self.anchor = f"r{number}"
        self.name = safe_text(run.title or timeline.name, _LABEL) or "execution"
        self.outcome = timeline.outcome
        self.verdict = run.verdict
        self.state = STATES[timeline.outcome]
        self.facts = _facts(timeline)
        self.ids = [
            (label, safe_text(value, _LABEL))
            for label, value in (
                ("workflow ID", run.workflow_id),
                ("run ID", run.run_id),
                ("file", run.source),
            )
            if value
        ]
        if timeline.times:
            self.ids.append(("started", _instant(timeline.times[timeline.events[0]])))
        self.story = [safe_text(line) for line in run.story]
        self.problems = timeline.problems
        self.picture = Picture(timeline)
        self.payloads = _payloads(events, is_open=timeline.outcome == OPEN)
        rows = _event_rows(events, timeline)
        self.chunks = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]


def _facts(timeline: Timeline) -> list[str]:
    count = len(timeline.events)
    facts = ["1 event" if count == 1 else f"{count:,} events"]
    if timeline.times:
        passed = duration(timeline.milliseconds)
        facts.insert(0, passed if timeline.milliseconds else "all at one instant")
    return facts


def _payloads(events: Sequence[Mapping[str, Any]], *, is_open: bool) -> list[tuple[str, str]]:
    """Return input and outcome of an execution, by what they are called."""
    if not events:
        return []
    first = attributes_of(events[0])
    last = {} if is_open else attributes_of(events[-1])
    found = [("input", first.get("input"))]
    found += [(name, last.get(name)) for name in ("result", "reason", "details")]
    return [(name, pretty(value)) for name, value in found if value]


def _event_rows(events: Sequence[Mapping[str, Any]], timeline: Timeline) -> list[_EventRow]:
    rows: dict[int, _EventRow] = {}
    effects: dict[int, list[int]] = defaultdict(list)
    known = set(timeline.events)
    for event in events:
        event_id, attributes = event["eventId"], attributes_of(event)
        schema = EVENTS.get(event["eventType"])
        row = _EventRow(event_id, "", safe_text(event["eventType"]))
        if timeline.times:
            time = timeline.times[event_id]
            row.offset = duration(time - timeline.times[timeline.events[0]])
        links = schema.links if schema is not None else ()
        row.causes = [attributes[name] for name in links if attributes.get(name) in known]
        for cause in row.causes:
            effects[cause].append(event_id)
        if schema is not None:
            label = schema.label(attributes) or _subject(event, attributes, rows, row.causes)
            row.subject = safe_text(label, _LABEL)
            row.state = STATES[schema.outcome] if schema.outcome in TROUBLES else ""
        row.members = [
            (safe_text(name), pretty(value))
            for name, value in attributes.items()
            if name not in links and value not in ("", None)
        ]
        rows[event_id] = row
    for event_id, row in rows.items():
        row.effects = list(islice(effects[event_id], _LINKED))
        row.more = len(effects[event_id]) - len(row.effects)
    return list(rows.values())


def _subject(
    event: Mapping[str, Any],
    attributes: Mapping[str, Any],
    rows: Mapping[int, _EventRow],
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


def _instant(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03} UTC"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("flowy_sim._report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["harmless"] = lambda text: safe_text(text, _LABEL)
    return environment


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

"""Pages about runs: one HTML file with timelines and events, that needs nothing else.

A page makes no requests, which its own Content-Security-Policy enforces, and it can be read without
scripts and styles. It shows what `flowy_sim._events.spans` reads, as timelines in terminals do. Its
parts are macros in ``templates/run.html``, which the console uses as well.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._events.schema import OPEN, TROUBLES, attributes_of
from flowy_sim._events.spans import Timeline, read
from flowy_sim._report.drawn_row import STATES
from flowy_sim._report.event_table import event_rows, pretty, redacted
from flowy_sim._report.layout import WIDTH, duration
from flowy_sim._report.picture import LABEL, ROW_HEIGHT, Picture

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SCRIPTS = (
    *("scale.js", "drawing.js", "address.js", "details.js", "keys.js"),
    *("tools.js", "timeline.js", "report.js"),
)
"""The script modules of a report; each imports only from those before it."""
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
        awaited: the names of signals that it waits for, which no history tells.
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
        """Return it without inputs, results and details."""
        return self._replace(events=redacted(self.events))


def page(
    runs: Iterable[ReportedRun],
    title: str,
    notes: Sequence[str] = (),
    *,
    redact: bool = False,
    explorations: Sequence[object] = (),
) -> str:
    """Return a page about runs.

    Args:
        runs: the runs, in the order in which they are shown.
        title: the title of the page.
        notes: sentences about it, such as what was left out.
        redact: whether to leave out inputs, results and details, and say so.
        explorations: the views of explorations, which are shown before the runs; see
            `flowy_sim._report.exploration.page`.

    Raises:
        ValueError: the events of a run are not events of a history.
    """
    shown = list(runs)
    if redact:
        shown = [run.redacted() for run in shown]
    alone = len(shown) == 1 and not explorations
    views = [RunView(run, "" if alone else f"r{number}") for number, run in enumerate(shown, 1)]
    _relate(views)
    return (
        environment()
        .get_template("report.html")
        .render(
            runs=views,
            explorations=explorations,
            notes=notes,
            title=safe_text(title),
            style=asset("report.css"),
            script=_joined_scripts(),
            redacted=redact,
            width=WIDTH,
        )
    )


def failed_first(runs: Iterable[ReportedRun]) -> list[ReportedRun]:
    """Return runs with those first that failed or timed out, and otherwise in the same order."""
    return sorted(runs, key=lambda run: read(run.events).outcome not in TROUBLES)


def svg(events: Iterable[Mapping[str, Any]]) -> str:
    """Return the timeline of a history as an SVG file.

    Raises:
        ValueError: these are not events of a history.
    """
    timeline = read(events)
    picture = Picture(timeline)
    return (
        environment()
        .get_template("timeline.svg")
        .render(
            picture=picture,
            title=" · ".join(
                (safe_text(timeline.name, LABEL), timeline.outcome, *_facts(timeline))
            ),
            width=WIDTH,
            row=ROW_HEIGHT,
        )
    )


class RunView:
    """What a page shows of a run.

    Args:
        run: the run.
        anchor: what the anchors of the run begin with, if there are several on the page.
        now: the current time of an open execution, in milliseconds since the epoch.
        heartbeats: the last heartbeats of its activities; see `Picture`.
        after: the last event that the page has already; its table has those after it.
    """

    def __init__(
        self,
        run: ReportedRun,
        anchor: str = "",
        now: int | None = None,
        heartbeats: Mapping[int, int] = MappingProxyType({}),
        after: int = 0,
    ) -> None:
        events = sorted(run.events, key=lambda event: int(event["eventId"]))
        timeline = read(events, run.awaited)
        is_open = timeline.outcome == OPEN
        self.anchor = anchor
        self.execution = (run.workflow_id, run.run_id)
        self.name = safe_text(run.title or timeline.name, LABEL) or "execution"
        self.outcome = timeline.outcome
        self.verdict = run.verdict
        self.state = STATES[timeline.outcome]
        self.facts = _facts(timeline)
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
        self.picture = Picture(timeline, now if is_open else None, heartbeats, run.faults)
        self.payloads = _payloads(events, is_open=is_open)
        rows, self._whole = event_rows(events, timeline, after)
        self.events_cut = sum(row.is_cut for row in rows)
        self.chunks = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]

    def data(self) -> dict[str, Any]:
        """Return what scripts need: the timeline, and in full the payloads that the table cuts."""
        return {**self.picture.data(), "execution": self.execution, "payloads": self._whole}

    @property
    def packed(self) -> str:
        """The same, compressed: text that cannot end an element."""
        written = json.dumps(self.data(), separators=(",", ":")).encode()
        return base64.b64encode(gzip.compress(written, mtime=0)).decode()


def _relate(views: Iterable[RunView]) -> None:
    """Link parents and children that are on one page."""
    by_ids = {view.execution: view for view in views if all(view.execution)}
    for view in views:
        for row in view.picture.rows:
            child = by_ids.get(row.child) if row.child else None
            if child is not None:
                view.relatives.append(("child", child.anchor, child.name))
                child.relatives.append(("parent", view.anchor, view.name))


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


def _instant(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03} UTC"


@cache
def environment(*packages: str) -> Environment:
    """Return where templates are rendered.

    Args:
        *packages: other packages with templates, which come before those of reports.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(package) for package in (*packages, "flowy_sim._report")]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["harmless"] = lambda text: safe_text(text, LABEL)
    environment.filters["harmless_lines"] = safe_lines
    environment.filters["isolated"] = _isolated
    environment.filters["text"] = _text
    environment.filters["digest"] = _digest
    return environment


@cache
def asset(name: str) -> str:
    """Return a style sheet or script of pages."""
    return files("flowy_sim._report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _joined_scripts() -> str:
    """Return all modules as one, because a module in a page cannot import another."""
    joined = "".join(map(asset, SCRIPTS))
    return re.sub(r"^import .*;\n|^export ", "", joined, flags=re.MULTILINE)


def _text(text: str) -> Markup:
    """Escape what is the content of an element, in which quotes are harmless.

    JSON is full of them: pages of 10,000 events are a tenth smaller if they stay as they are.
    """
    from markupsafe import Markup

    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))  # noqa: S704 - It is escaped.


def _isolated(name: str) -> Markup:
    """Return a name that does not turn the text around it, which text in ASCII never does."""
    from markupsafe import Markup

    shown = safe_text(name, LABEL)
    written = Markup("{}") if shown.isascii() else Markup("<bdi>{}</bdi>")
    return written.format(shown)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

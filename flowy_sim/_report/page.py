"""Pages about runs: one self-contained HTML file with timelines and events.

A page makes no requests, which its own Content-Security-Policy enforces, and it can be read without
scripts and styles. It shows what `flowy_sim._events.spans` reads, as timelines in terminals do. Its
parts are macros in ``templates/run.html``, which the console uses as well.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._events.schema import TROUBLES
from flowy_sim._events.spans import read
from flowy_sim._report.drawn_row import LABEL
from flowy_sim._report.layout import WIDTH
from flowy_sim._report.picture import ROW_HEIGHT, Picture
from flowy_sim._report.run_view import ReportedRun, RunView, facts

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SCRIPTS = (
    *("scale.js", "drawing.js", "address.js", "details.js", "keys.js"),
    *("tools.js", "timeline.js", "report.js"),
)
"""The script modules of a report; each imports only from those before it."""


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
            title=" · ".join((safe_text(timeline.name, LABEL), timeline.outcome, *facts(timeline))),
            width=WIDTH,
            row=ROW_HEIGHT,
        )
    )


def _relate(views: Iterable[RunView]) -> None:
    """Link parents and children that are on one page."""
    by_ids = {view.execution: view for view in views if all(view.execution)}
    for view in views:
        for row in view.picture.rows:
            child = by_ids.get(row.child) if row.child else None
            if child is not None:
                view.relatives.append(("child", child.anchor, child.name))
                child.relatives.append(("parent", view.anchor, view.name))


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

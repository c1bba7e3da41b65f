"""Rendering: templates, and how values from outside are shown in them.

Everything in a history is data: templates escape it and make control characters visible. `harmless`
also cuts it in the middle, for what is shown in a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from time import perf_counter
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from flowy._safe_text import safe_lines, safe_text
from flowy_sim._console.source import STATUSES
from flowy_sim._events.schema import outcome_of
from flowy_sim._report import drawn_row
from flowy_sim._report.drawn_row import MARKS
from flowy_sim._report.layout import duration
from flowy_sim._report.page import environment as report_environment
from flowy_sim._simulation.clock import from_milliseconds, to_milliseconds

_SLICE = 0.001
"""The number of seconds for which a page is rendered before calls are answered again."""
_PART = 32_768
"""The number of characters of a page that are sent at once."""
_TEMPLATES = ("executions.html", "execution.html", "console.html", "actions.html", "run.html")
"""What takes long to load, and then stays loaded."""

STATES = {status: drawn_row.STATES[outcome_of(status)] for status in STATUSES}
"""The state of each status, of which each has a colour, as in timelines."""


def render(template: str, context: dict[str, Any]) -> str:
    """Return a page.

    Args:
        template: the name of its template.
        context: what it shows, as plain data.
    """
    return environment().get_template(template).render(context)


async def rendered(template: str, context: dict[str, Any]) -> list[bytes]:
    """Return a page in parts, and let calls be answered in between.

    Args:
        template: the name of its template.
        context: what it shows, as data that does not change meanwhile.
    """
    is_loaded = environment.cache_info().currsize
    made = environment() if is_loaded else await asyncio.to_thread(environment)
    parts, short, until = [], bytearray(), perf_counter() + _SLICE
    for text in made.get_template(template).generate(context):
        for part in sliced(text):
            short += part.encode()
            if len(short) >= _PART:
                parts.append(bytes(short))
                short.clear()
            if perf_counter() > until:
                await asyncio.sleep(0)
                until = perf_counter() + _SLICE
    return [*parts, bytes(short)]


def sliced(text: str) -> Iterator[str]:
    """Yield a text in slices, each of which is sent at once."""
    for begin in range(0, len(text), _PART):
        yield text[begin : begin + _PART]


@cache
def environment() -> Environment:
    """Return the templates of the console, and of reports, whose parts it uses."""
    made = report_environment("flowy_sim._console")
    made.finalize = _shown
    made.filters.update(
        whole=safe_text,
        duration=duration,
        instant=instant,
        iso=iso,
        words=lambda status: status.replace("_", " ").lower(),
        state=STATES.__getitem__,
        mark=lambda status: MARKS[STATES[status]],
    )
    for name in _TEMPLATES:
        made.get_template(name)
    return made


def _shown(value: Any) -> Any:
    """Return what a template shows, made harmless even where it does not ask for that."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return value if value.isascii() and value.isprintable() else safe_lines(value)


def instant(milliseconds: int) -> str:
    """Return an instant in UTC for a reader.

    >>> instant(1704067200000), instant(1704067200120)
    ('2024-01-01 00:00:00', '2024-01-01 00:00:00.120')
    """
    moment = from_milliseconds(milliseconds)
    fraction = f".{milliseconds % 1000:03}" if milliseconds % 1000 else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}"


def iso(milliseconds: int) -> str:
    """Return an instant in UTC for a program."""
    moment = from_milliseconds(milliseconds).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int | None:
    """Return the milliseconds since 1970 of an instant that a person entered, in UTC by default.

    Raises:
        ValueError: it is not an instant.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return to_milliseconds(moment)

"""The marker ``swf``: its keywords, and what they say for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

SIMULATION = ("seed", "start", "region", "latency", "limits", "patience", "empty_poll_token")
SLEEP = ("virtual_sleep",)
RUNNER = (
    "activities",
    "workflows",
    "domain",
    "workers",
    "task_lists",
    "most_restarts",
    "times_out",
    "ends_within",
    "arguments",
    "starts",
    "freeze",
    "payloads",
    *SLEEP,
)
CHECKS = ("strict", "golden")
TOLERANCE = ("ignore", "any_order")
_SWITCHES = (*CHECKS, *SLEEP, "freeze", "times_out", "any_order")
KEYWORDS = (*SIMULATION, *RUNNER, *CHECKS, *TOLERANCE, "explore")


def marked_options(test: pytest.Item, names: tuple[str, ...]) -> dict[str, Any]:
    """Return keywords of a test's markers; the marker nearest to the test wins."""
    __tracebackhide__ = True
    options: dict[str, Any] = {}
    for marker in test.iter_markers("swf"):
        unknown = [name for name in marker.kwargs if name not in KEYWORDS]
        if marker.args or unknown:
            wrong = ", ".join([*map(repr, marker.args), *unknown])
            refuse(f"@pytest.mark.swf takes keywords {', '.join(KEYWORDS)}, not {wrong}")
        for name in _SWITCHES:
            if not isinstance(marker.kwargs.get(name, True), bool):
                refuse(
                    f"@pytest.mark.swf: {name} must be True or False, not {marker.kwargs[name]!r}"
                )
        for name in names:
            if name in marker.kwargs:
                options.setdefault(name, marker.kwargs[name])
    return options


@contextmanager
def marker_errors_refused() -> Iterator[None]:
    """Fail the test with one sentence if an option of its marker is wrong."""
    from flowy.errors import ConfigurationError

    try:
        yield
    except (ConfigurationError, ImportError, TypeError, ValueError) as error:
        if not isinstance(error.__cause__, ModuleNotFoundError | None):
            raise  # The test's own code is wrong.
        refuse(f"@pytest.mark.swf: {error}")


def refuse(sentence: str) -> NoReturn:
    """Fail the test with a sentence, without a traceback."""
    raise pytest.fail.Exception(sentence, pytrace=False) from None

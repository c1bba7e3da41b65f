"""Replay: would this code have decided what was decided then?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN, Decider
from flowy._decider.history import Event, History
from flowy.errors import ConfigurationError, HistoryError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

HistorySource = Iterable[Event] | Mapping[str, Any] | str | PathLike[str]


def replay(
    workflow: type[Workflow],
    history: HistorySource,
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> None:
    """Decide again what was decided in a history, and compare.

    For each decision task that was completed, the code decides from the events that were known
    when it was started, and its decisions must be those that the history shows.

    Args:
        workflow: the workflow's class.
        history: a list of events, a reply of GetWorkflowExecutionHistory, or the path of a JSON
            file of either, with timestamps as numbers or as ISO 8601 text.
        payloads: how its arguments and results travelled.
        execution: the execution, whose ids a history does not tell; needed only if ``run`` makes
            use of them.

    Raises:
        NonDeterminismError: at the first difference; it names the event, what the history holds
            there and what the code decided.
        HistoryError: that is no history, or not the whole of it.
        ConfigurationError: the class is no workflow.

    Example:
        ``flowy.replay.replay(ImageCategory, "tests/histories/photo.json")``
    """
    if not isinstance(getattr(workflow, "flowy_type", None), WorkflowType):
        raise ConfigurationError(f"{workflow!r} is no class decorated with @workflow")
    try:
        past = History(_events(history))
    except (KeyError, TypeError) as error:
        raise HistoryError(f"these events are not as Amazon SWF writes them: {error!r}") from error
    Decider(workflow, past, payloads, execution).replay()


def _events(history: HistorySource) -> list[Event]:
    """Find the events, oldest first."""
    found: Any = _loaded(Path(history)) if isinstance(history, str | PathLike) else history
    if isinstance(found, Mapping):
        if found.get("nextPageToken"):
            raise HistoryError("this is only the first page of a history; get the others as well")
        found = found.get("events") or ()
    events = list(found)
    if not all(isinstance(event, Mapping) and "eventId" in event for event in events):
        raise HistoryError("a history is a list of events, each with an eventId; this one is not")
    events.sort(key=lambda event: int(event["eventId"]))
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise HistoryError("the events of a history have the ids 1, 2, 3, …; here some are missing")
    return events


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HistoryError(f"the history {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HistoryError(f"the history {path} is not JSON: {error}") from error

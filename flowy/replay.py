"""Replay: check that code still makes the decisions that a history records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from flowy._call_sites import SourceLine
from flowy._client import Execution
from flowy._decider.decider import UNKNOWN, Decider
from flowy._decider.history import Event, ReplayedHistory
from flowy._determinism.causes import Reason
from flowy._determinism.differences import Difference
from flowy.errors import ConfigurationError, HistoryError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

__all__ = ["Difference", "HistorySource", "Reason", "SourceLine", "replay"]

HistorySource = Iterable[Event] | Mapping[str, Any] | str | PathLike[str]


def replay(
    workflow: type[Workflow],
    history: HistorySource,
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> None:
    """Repeat the decisions of a history with the current code, and compare.

    For each completed decision task, the code decides from the events that were known when the
    task was started, and must make the decisions that the history records.

    Args:
        workflow: the workflow's class.
        history: a list of events, a reply of GetWorkflowExecutionHistory, or the path of a JSON
            file with either; timestamps may be numbers or ISO 8601 text.
        payloads: how arguments and results are written; the same as that of the workers.
        execution: the execution, since a history does not hold its IDs; needed only if ``run`` uses
            them.

    Raises:
        NonDeterminismError: at the first difference; it names the event, what the history records
            there, and what the code decided.
        HistoryError: the events are not a history, or not a complete one.
        ConfigurationError: the class is not a workflow.

    Example:
        ``flowy.replay.replay(ImageCategorization, "tests/histories/photo.json")``
    """
    if not isinstance(getattr(workflow, "flowy_type", None), WorkflowType):
        raise ConfigurationError(f"{workflow!r} is not a class decorated with @workflow")
    try:
        recorded = ReplayedHistory(_events(history))
    except (KeyError, TypeError) as error:
        raise HistoryError(f"these events are not as Amazon SWF writes them: {error!r}") from error
    Decider(workflow, recorded, payloads, execution).replay()


def _events(history: HistorySource) -> list[Event]:
    """Return the events of a history in any form, oldest first."""
    found: Any = _loaded(Path(history)) if isinstance(history, str | PathLike) else history
    if isinstance(found, Mapping):
        if found.get("nextPageToken"):
            raise HistoryError(
                "this is only the first page of a history; get the remaining pages as well"
            )
        found = found.get("events") or ()
    events = list(found)
    if not all(isinstance(event, Mapping) and "eventId" in event for event in events):
        raise HistoryError("a history is a list of events, each with an eventId; this is not one")
    events.sort(key=lambda event: int(event["eventId"]))
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise HistoryError("the events of a history have the IDs 1, 2, 3, …; some are missing here")
    return events


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HistoryError(f"the history {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HistoryError(f"the history {path} is not JSON: {error}") from error

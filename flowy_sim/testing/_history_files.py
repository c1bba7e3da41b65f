"""History files: JSON, in the form in which GetWorkflowExecutionHistory returns histories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy.errors import HistoryError
from flowy_sim._events.history import Event, History


class LoadedHistory(NamedTuple):
    """A history from a file.

    Attributes:
        events: its events, oldest first.
        execution: the IDs of the execution; `UNKNOWN` if they are not in the file, as in what
            Amazon SWF returns.
    """

    events: History
    execution: Execution


def save(path: Path, events: Sequence[Event], execution: Execution = UNKNOWN) -> None:
    """Write a history to a file.

    Args:
        path: the file.
        events: the history.
        execution: the IDs of the execution, if they are to be in the file.

    Raises:
        OSError: the file cannot be written.
    """
    ids = {"workflowId": execution.workflow_id, "runId": execution.run_id}
    known = {} if execution == UNKNOWN else ids
    text = json.dumps({**known, "events": events}, default=iso, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


def load(path: Path) -> LoadedHistory:
    """Read the history of one execution.

    Args:
        path: a JSON file: the output of ``aws swf get-workflow-execution-history``, or a list of
            events. The pages of a long history can follow each other, or be in a list, in any
            order.

    Returns:
        The history. Its times are as in the file.

    Raises:
        HistoryError: the file is not a history, or not a complete one.
    """
    try:
        documents = list(_documents(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise HistoryError(f"{path} is not JSON: {error}") from error
    return collect(str(path), documents)


def collect(what: str, documents: Iterable[Any]) -> LoadedHistory:
    """Collect the pages of the history of one execution.

    Args:
        what: the source, for error messages.
        documents: replies of GetWorkflowExecutionHistory, or lists of events. Replies may have
            ``workflowId`` and ``runId``, as ``flowy-sim history`` and ``flowy-sim run --json``
            write them.

    Raises:
        HistoryError: that is not a history, or not a complete one.
    """
    pages = [page for document in documents for page in _pages(document)]
    if pages and all(page.get("nextPageToken") for page in pages):
        raise HistoryError(
            f"{what} is only part of a history: its last page has a nextPageToken; fetch all pages"
        )
    events = [event for page in pages for event in page.get("events") or ()]
    if not events or not all(isinstance(e, dict) and "eventId" in e for e in events):
        raise HistoryError(
            f"{what} is not a history, which is JSON with a list of events that have an eventId"
        )
    events.sort(key=lambda event: int(event["eventId"]))
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise HistoryError(
            f"{what} is not the complete history of one execution: its events must have the IDs "
            "1, 2, 3, …"
        )
    found = [page for page in pages if "workflowId" in page and "runId" in page]
    execution = Execution(found[0]["workflowId"], found[0]["runId"]) if found else UNKNOWN
    return LoadedHistory(History(events), execution)


def files(*paths: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of each file, and of the JSON files in folders at any depth."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield str(file.relative_to(path)), file
        else:
            yield path.name, path


def iso(value: object) -> str:
    """Return a time as it is written in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON")


def _documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents in a text, which follow each other."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].lstrip()


def _pages(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the pages in a document, as replies of GetWorkflowExecutionHistory."""
    if isinstance(document, Mapping):
        yield document
    elif isinstance(document, Iterable) and not isinstance(document, str):
        document = list(document)
        if document and all(isinstance(each, Mapping) and "events" in each for each in document):
            yield from document
        else:
            yield {"events": document}

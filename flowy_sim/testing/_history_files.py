"""Histories in files: as JSON, the way GetWorkflowExecutionHistory gives them."""

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
    """What a file holds."""

    events: History
    execution: Execution
    """Whose it is; `UNKNOWN` of the decider if the file does not tell, as Amazon SWF does not."""


def save(path: Path, events: Sequence[Event], execution: Execution = UNKNOWN) -> None:
    """Keep a history in a file.

    Args:
        path: the file.
        events: the history.
        execution: whose it is.

    Raises:
        OSError: the file cannot be written.
    """
    ids = {"workflowId": execution.workflow_id, "runId": execution.run_id}
    whose = {} if execution == UNKNOWN else ids
    text = json.dumps({**whose, "events": events}, default=iso, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


def load(path: Path) -> LoadedHistory:
    """Read the history of one execution.

    Args:
        path: a file of JSON: what ``aws swf get-workflow-execution-history`` prints, a list of
            events, or several such things, one after the other or in a list: the pages of a long
            history, in either order.

    Returns:
        The events, oldest first, their times as they are in the file; and whose they are.

    Raises:
        HistoryError: it holds no history, or not the whole of one.
    """
    try:
        documents = list(_documents(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise HistoryError(f"{path} is not JSON: {error}") from error
    return collect(str(path), documents)


def collect(what: str, documents: Iterable[Any]) -> LoadedHistory:
    """Put the history of one execution together.

    Args:
        what: what it comes from, for the message of an error.
        documents: replies of GetWorkflowExecutionHistory, also with ``workflowId`` and ``runId``
            as ``flowy-sim history`` and ``flowy-sim run --json`` write them, or lists of events.

    Raises:
        HistoryError: that is no history, or not the whole of one.
    """
    pages = [page for document in documents for page in _pages(document)]
    if pages and all(page.get("nextPageToken") for page in pages):
        raise HistoryError(
            f"{what} holds only a part of a history, as there is a page after the last; get all "
            "pages"
        )
    events = [event for page in pages for event in page.get("events") or ()]
    if not events or not all(isinstance(e, dict) and "eventId" in e for e in events):
        raise HistoryError(
            f"{what} holds no history: that is JSON with a list of events, each with an eventId"
        )
    events.sort(key=lambda event: int(event["eventId"]))
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise HistoryError(
            f"{what} does not hold the whole history of one execution: its events must have the "
            "ids 1, 2, 3, …"
        )
    found = [page for page in pages if "workflowId" in page and "runId" in page]
    whose = Execution(found[0]["workflowId"], found[0]["runId"]) if found else UNKNOWN
    return LoadedHistory(History(events), whose)


def files(*paths: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of JSON among paths and in folders at any depth, each with a name."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield str(file.relative_to(path)), file
        else:
            yield path.name, path


def iso(value: object) -> str:
    """Write a time for JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no form in JSON")


def _documents(text: str) -> Iterator[Any]:
    """Yield what is written in JSON, one after the other."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].lstrip()


def _pages(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield replies of GetWorkflowExecutionHistory."""
    if isinstance(document, Mapping):
        yield document
    elif isinstance(document, Iterable) and not isinstance(document, str):
        document = list(document)
        if document and all(isinstance(each, Mapping) and "events" in each for each in document):
            yield from document
        else:
            yield {"events": document}

"""History files: read, written, and replayed after every prefix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from flowy._client import Execution
from flowy._decider.decider import UNKNOWN
from flowy.errors import HistoryError, NonDeterminismError
from flowy.payloads import PLAIN, Payloads
from flowy.replay import replay
from flowy.workflow import Workflow
from flowy_sim._events.history import Event, History, documents, files
from flowy_sim._events.schema import attributes_of
from flowy_sim.testing._loop_replay import replay_loop
from flowy_sim.testing._polling_code import PollingCode
from flowy_sim.testing._recorded_decisions import Tolerance


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
    path.write_text(written(events, execution), encoding="utf-8")


def written(events: Sequence[Event], execution: Execution = UNKNOWN) -> str:
    """Return a history as `save` writes it."""
    ids = {"workflowId": execution.workflow_id, "runId": execution.run_id}
    known = {} if execution == UNKNOWN else ids
    text = json.dumps({**known, "events": events}, default=iso, indent=2)
    return f"{text}\n"


def load(path: Path) -> LoadedHistory:
    """Read the history of one execution.

    Args:
        path: a JSON file: the output of ``aws swf get-workflow-execution-history``, or a list of
            events. The pages of a long history can follow each other, or be in a list, in any
            order, in each encoding that `documents` reads.

    Returns:
        The history. Its times are as in the file.

    Raises:
        HistoryError: the file is not a history, or not a complete one.
    """
    try:
        found = documents(path)
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HistoryError(f"{path} is not JSON: {error}") from error
    return collect(str(path), found)


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
    # The last page, wherever it is among them, has no token.
    if pages and all(page.get("nextPageToken") for page in pages):
        raise HistoryError(
            f"{what} is only part of a history: its last page has a nextPageToken; fetch all pages"
        )
    lists = [page["events"] for page in pages if isinstance(page.get("events"), Iterable)]
    events = [event for each in lists for event in each]
    if not events or not all(isinstance(e, dict) and _is_id(e.get("eventId")) for e in events):
        raise HistoryError(
            f"{what} is not a history, which is JSON with a list of events that have an eventId"
        )
    # Pages may be in any order, and newest first.
    events.sort(key=itemgetter("eventId"))
    if [event["eventId"] for event in events] != list(range(1, len(events) + 1)):
        raise HistoryError(
            f"{what} is not the complete history of one execution: its events must have the IDs "
            "1, 2, 3, …"
        )
    found = [page for page in pages if "workflowId" in page and "runId" in page]
    execution = Execution(found[0]["workflowId"], found[0]["runId"]) if found else UNKNOWN
    return LoadedHistory(History(events), execution)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def iso(value: object) -> str:
    """Return a time as it is written in JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON")


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


REPLAYS = "replays"
DIFFERS = "differs"
UNREADABLE = "unreadable"
OTHER = "other"


@dataclass(frozen=True, slots=True)
class ReplayedFile:
    """The outcome of replaying the history in a file.

    Attributes:
        name: the name of the file.
        outcome: ``replays``, ``differs``, ``unreadable``, or ``other`` for the history of a
            workflow that is not replayed.
        events: the number of events.
        sentence: the first difference, what is wrong with the file, or the other workflow.
    """

    name: str
    outcome: str
    events: int = 0
    sentence: str = ""

    def __str__(self) -> str:
        """Return the outcome as it is reported, usually in one line."""
        details = f": {self.sentence}" if self.sentence else ""
        return f"{self.outcome}: {self.name}{details}"


def replay_prefixes(
    workflow: type[Workflow],
    events: Sequence[Event],
    payloads: Payloads = PLAIN,
    execution: Execution = UNKNOWN,
) -> None:
    """Replay a history as far as each of its decision tasks, and then the whole history.

    Args:
        workflow: the workflow's class.
        events: the history.
        payloads: decodes its arguments and results.
        execution: the IDs of the execution, if they are known.

    Raises:
        NonDeterminismError: the code makes other decisions than the history shows.
        HistoryError: the events are not a history.
    """
    for index, event in enumerate(events):
        if index > 2 and event["eventType"] == "DecisionTaskStarted":
            replay(workflow, events[: index + 1], payloads, execution)
    replay(workflow, events, payloads, execution)


def type_of(events: Sequence[Event]) -> tuple[str, str]:
    """Return the name and version of the workflow type of a history.

    Raises:
        HistoryError: the history does not begin with WorkflowExecutionStarted, or that event is
            not as the service writes it.
    """
    if events[0].get("eventType") != "WorkflowExecutionStarted":
        raise HistoryError(
            "event 1 of a history must be WorkflowExecutionStarted, not "
            f"{events[0].get('eventType')}"
        )
    try:
        named = attributes_of(events[0])["workflowType"]
        return named["name"], named["version"]
    except (KeyError, TypeError) as error:
        raise HistoryError(
            "event 1 of the history has no workflowType with a name and a version"
        ) from error


def replay_files(
    workflows: Iterable[type[Workflow]],
    paths: Iterable[Path],
    payloads: Payloads = PLAIN,
    loop: PollingCode | None = None,
    tolerance: Tolerance | None = None,
    freeze: bool = False,
) -> Iterator[ReplayedFile]:
    """Replay the histories in files and folders.

    Args:
        workflows: the workflows to replay; histories of others are skipped.
        paths: JSON files, and folders that contain such files at any depth.
        payloads: decodes arguments and results.
        loop: a decider that polls with its own loop; it replays the histories of all other
            workflows.
        tolerance: the differences that do not matter to that decider.
        freeze: whether that decider sees the time of each recorded decision.
    """
    known = {(cls.flowy_type.name, cls.flowy_type.version): cls for cls in workflows}
    for name, path in files(*paths):
        try:
            events, execution = load(path)
            found = type_of(events)
            if found not in known and loop is not None:
                replay_with(loop, events, execution, tolerance, freeze)
                yield ReplayedFile(name, REPLAYS, len(events))
                continue
            if found not in known:
                yield ReplayedFile(name, OTHER, len(events), f"it is of {' '.join(found)}")
                continue
            replay_prefixes(known[found], events, payloads, execution)
        except NonDeterminismError as error:
            yield ReplayedFile(name, DIFFERS, len(events), str(error))
        except HistoryError as error:
            yield ReplayedFile(name, UNREADABLE, sentence=str(error).removeprefix(f"{path} "))
        else:
            yield ReplayedFile(name, REPLAYS, len(events))


def replay_with(
    loop: PollingCode,
    events: Sequence[Event],
    execution: Execution,
    tolerance: Tolerance | None,
    freeze: bool,
) -> None:
    """Replay a history with a decider that polls with its own loop; see `replay_loop`.

    Raises:
        NonDeterminismError: the code makes other decisions than the history shows.
        HistoryError: the events are not a history, or the code does not poll for decision tasks.
    """
    __tracebackhide__ = True
    type_of(events)
    if not replay_loop(loop, events, execution, tolerance, freeze=freeze):
        name = getattr(loop, "__qualname__", repr(loop))
        raise HistoryError(f"{name} cannot replay this history: it polls for no decision task")

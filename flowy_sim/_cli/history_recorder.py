"""Recorder of histories: fetches them from a service, and writes each to a file.

Example:
    ``for recorded in record(boto3.client("swf"), "shop", Path("histories"), status="FAILED"): …``
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from flowy import executions
from flowy._client import Execution, SwfClient, fault_code
from flowy._workers.loop import Backoff, is_transient
from flowy.errors import UnknownExecutionError
from flowy_sim._simulation.clock import from_milliseconds, to_milliseconds
from flowy_sim._storage.files import write_complete

#: The number of refusals in a row after which no call is repeated.
MOST_REFUSALS = 10

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SHOWN = 80


class RecordedHistory(NamedTuple):
    """The history of one execution in a file.

    Attributes:
        execution: the IDs of the execution.
        path: the file.
        events: the number of events; 0 if the execution was deleted before it could be read.
        is_new: whether it was read now. Otherwise the file was there already, complete.
    """

    execution: Execution
    path: Path
    events: int
    is_new: bool


class RetryingClient:
    """An SWF client that repeats calls while the service throttles them or fails.

    Args:
        client: the client that makes the calls.
        on_wait: called with the error and the number of seconds before each wait.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        client: SwfClient,
        on_wait: Callable[[Exception, float], object],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._on_wait = on_wait
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client that repeats its call."""
        call = getattr(self._client, name)

        def retrying(**request: Any) -> Any:
            backoff = Backoff(longest=30)
            while True:
                try:
                    return call(**request)
                except Exception as error:
                    refused = fault_code(error) is not None and is_transient(error)
                    if not refused or backoff.failures >= MOST_REFUSALS:
                        raise
                    wait = backoff.next()
                    self._on_wait(error, wait)
                    self._sleep(wait)

        return retrying


def record(
    client: SwfClient,
    domain: str,
    folder: Path,
    run: Execution | None = None,
    most: int | None = None,
    **filters: Any,
) -> Iterator[RecordedHistory]:
    """Record the histories of executions: open ones first, then closed ones, the latest first.

    A closed execution whose history is in the folder already is not read again.

    Args:
        client: an SWF client.
        domain: the domain's name.
        folder: the folder for the files; created if necessary.
        run: the execution to record; None for all that match the filters.
        most: the maximum number to record; None for no limit.
        filters: those of `flowy.executions.list_executions`.

    Yields:
        Each history, as soon as its file is written.

    Raises:
        flowy.errors.ConfigurationError: a filter is wrong.
        flowy.errors.UnknownExecutionError: the domain or the run does not exist.
        OSError: a file cannot be written.
    """
    if run is not None:
        yield _record(client, domain, run, folder)
        return
    for found in islice(executions.list_executions(client, domain, **filters), most):
        execution = Execution(found["execution"]["workflowId"], found["execution"]["runId"])
        try:
            yield _record(client, domain, execution, folder)
        except UnknownExecutionError:
            # Its retention period has ended since it was listed.
            yield RecordedHistory(execution, path_of(folder, execution), 0, is_new=True)


def path_of(folder: Path, execution: Execution) -> Path:
    """Return the path of the file for the history of an execution.

    >>> path_of(Path("histories"), Execution("shop: 1/2", "22ab/c=")).name
    'shop_1_2.335472d4b530.json'
    """
    named = _UNSAFE.sub("_", execution.workflow_id)[:_SHOWN].strip("._") or "execution"
    unique = blake2b("/".join(execution).encode("utf-8", "surrogatepass"), digest_size=6)
    return folder / f"{named}.{unique.hexdigest()}.json"


def _record(client: SwfClient, domain: str, execution: Execution, folder: Path) -> RecordedHistory:
    path = path_of(folder, execution)
    there = _events_of_closed(path)
    if there:
        return RecordedHistory(execution, path, there, is_new=False)
    events = executions.history(client, domain, execution)
    document = {
        "domain": domain,
        "workflowId": execution.workflow_id,
        "runId": execution.run_id,
        "closed": is_closed(events),
        "events": events,
    }
    text = json.dumps(document, default=_instant, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    write_complete(path, f"{text}\n".encode("ascii"))
    return RecordedHistory(execution, path, len(events), is_new=True)


def is_closed(events: list[Any]) -> bool:
    """Return whether a history is that of a closed execution."""
    return bool(events) and events[-1]["eventType"] in executions.CLOSED_AS


def _events_of_closed(path: Path) -> int:
    """Return the number of events of a closed execution in a file; 0 if it has no such history."""
    try:
        events = json.loads(path.read_text(encoding="ascii"))["events"]
        return len(events) if is_closed(events) else 0
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _instant(value: object) -> str:
    """Return a time as ISO 8601 text in UTC, in milliseconds as the service sends it."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} cannot be written as JSON")
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return from_milliseconds(to_milliseconds(aware)).isoformat(timespec="milliseconds")

"""Histories recorded from a service, one file each, as ``flowy-sim verify`` reads them.

Example:
    ``for recorded in record(boto3.client("swf"), "shop", Path("histories"), status="FAILED"): …``
"""

from __future__ import annotations

import json
import os
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
from flowy._workers.backoff import Backoff, passes
from flowy.errors import UnknownExecutionError
from flowy_sim._simulation.clock import from_milliseconds

#: Refusals in a row after which a service is given up.
MOST_REFUSALS = 10

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SHOWN = 80


class RecordedHistory(NamedTuple):
    """What came of one execution.

    Attributes:
        execution: its ids.
        path: the file that has its history.
        events: how many events that has; 0 if the execution was gone before it could be read.
        is_new: whether it was read now, or was there already, whole, since it is closed.
    """

    execution: Execution
    path: Path
    events: int
    is_new: bool


class RetryingClient:
    """An SWF client that waits and tries again while the service throttles or has trouble.

    Args:
        client: what it calls.
        tell: called with the refusal and the seconds of the wait before each wait.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        client: SwfClient,
        tell: Callable[[Exception, float], object],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Have had no refusal yet."""
        self._client = client
        self._tell = tell
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client that is patient."""
        call = getattr(self._client, name)

        def patient(**request: Any) -> Any:
            backoff = Backoff(longest=30)
            while True:
                try:
                    return call(**request)
                except Exception as error:
                    refused = fault_code(error) is not None and passes(error)
                    if not refused or backoff.failures >= MOST_REFUSALS:
                        raise
                    wait = backoff.next()
                    self._tell(error, wait)
                    self._sleep(wait)

        return patient


def record(
    client: SwfClient,
    domain: str,
    folder: Path,
    run: Execution | None = None,
    most: int | None = None,
    **filters: Any,
) -> Iterator[RecordedHistory]:
    """Record executions, those that are open first, each kind from the latest start on.

    A closed execution whose history is in the folder already is not read again.

    Args:
        client: an SWF client.
        domain: the domain's name.
        folder: where the files go; it is made if there is none.
        run: the one execution to record; None for all that match.
        most: how many to record at most.
        filters: which to record; see `flowy.executions.list_executions`.

    Yields:
        What came of each, as soon as its file is written.

    Raises:
        flowy.errors.ConfigurationError: a filter is wrong.
        flowy.errors.UnknownExecutionError: there is no such domain, or no such run.
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
            # Its retention has ended since it was listed.
            yield RecordedHistory(execution, path_of(folder, execution), 0, is_new=True)


def path_of(folder: Path, execution: Execution) -> Path:
    """Return the file in which the history of an execution is kept.

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
    written = path.with_name(f"{path.name}.new")
    folder.mkdir(parents=True, exist_ok=True)
    written.write_text(f"{text}\n", encoding="ascii")
    os.replace(written, path)
    return RecordedHistory(execution, path, len(events), is_new=True)


def is_closed(events: list[Any]) -> bool:
    """Return whether a history has come to its end."""
    return bool(events) and events[-1]["eventType"] in executions.CLOSED_AS


def _events_of_closed(path: Path) -> int:
    """Return how many events a file has with the history of a closed execution; 0 if not so."""
    try:
        events = json.loads(path.read_text(encoding="ascii"))["events"]
        return len(events) if is_closed(events) else 0
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def _instant(value: object) -> str:
    """Write an instant as ISO 8601 text in UTC, to the millisecond as the service sends it."""
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} cannot be in a history")
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return from_milliseconds(round(aware.timestamp() * 1000)).isoformat(timespec="milliseconds")

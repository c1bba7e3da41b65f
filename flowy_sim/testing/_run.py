"""Runs of workflows: their outcomes and histories, and how to fetch them from a service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flowy._client import Execution, SwfClient
from flowy._safe_text import safe_lines, safe_text
from flowy.errors import ConfigurationError, SerializationError
from flowy.executions import CLOSED_AS
from flowy.payloads import PLAIN, Payloads
from flowy_sim._events.history import Event, History, RecordedCall, calls, nearest
from flowy_sim._events.schema import attributes_of
from flowy_sim._report import timeline
from flowy_sim._report.layout import duration

if TYPE_CHECKING:
    from flowy_sim._clients.in_process import Client

OPEN = "OPEN"
COMPLETED = "COMPLETED"
_WIDTH = 88


_BEGINNING = datetime.fromtimestamp(0, UTC)


class NoResultError(Exception):
    """The result was read of a run that did not complete.

    The message contains the reason and the timeline of the run.
    """

    __module__ = "flowy_sim"


class StuckError(Exception):
    """Nothing more will happen, and an execution is still open. The message explains why.

    Attributes:
        run: the run that got stuck.
    """

    __module__ = "flowy_sim"

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type, tuple[str, Run]]:
        """Return how to pickle the error."""
        return type(self), (str(self), self.run)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a workflow, up to its end or to where it got stuck.

    Everything but `simulated_seconds` covers this run only. If an earlier run continued as new,
    `runs` holds that run as well.

    Attributes:
        workflow_id, run_id: the IDs of the execution.
        history: the events of the run, oldest first, as GetWorkflowExecutionHistory returns them;
            see `flowy_sim.testing.History` for how to search them.
        payloads: decodes the arguments and results of the run.
        earlier: the runs before this one, each of which continued as new, oldest first.
        can_call: the names of everything that the workflow can call; empty if they are not known.
        awaited: the names of the signals that the workflow waits for, if it got stuck.
    """

    workflow_id: str
    run_id: str
    history: History = field(repr=False)
    payloads: Payloads = field(default=PLAIN, repr=False, compare=False)
    earlier: tuple[Run, ...] = ()
    can_call: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    _written: Sequence[str] = field(default=(), repr=False, compare=False)
    _now: datetime | None = field(default=None, repr=False, compare=False)
    awaited: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The earlier runs, each of which continued as new, oldest first; then this run.

        Example:
            ``[call for each in run.runs for call in each.calls(Resize)]``
        """
        return (*self.earlier, self)

    @property
    def successor(self) -> Execution | None:
        """The IDs of the next run if this run continued as new; None otherwise."""
        new = self._last.get("newExecutionRunId")
        return None if new is None else Execution(self.workflow_id, new)

    @property
    def type(self) -> str:
        """The name and version of the workflow type, such as ``imagecateg 1``."""
        named = attributes_of(self.history[0])["workflowType"]
        return f"{named['name']} {named['version']}"

    @property
    def status(self) -> str:
        """The close status as the service names it, such as ``COMPLETED``; or ``OPEN``."""
        return CLOSED_AS.get(self.history[-1]["eventType"], OPEN)

    @property
    def result(self) -> Any:
        """What the workflow returned, decoded; text that is not JSON is returned unchanged.

        Raises:
            NoResultError: the run did not complete.
            SerializationError: the result cannot be decoded.
        """
        __tracebackhide__ = True
        if self.status != COMPLETED:
            details = safe_lines(self.details)
            parts = (self.describe(), self._continued(), self.picture(), details)
            raise NoResultError("\n\n".join(filter(None, parts)))
        text = self.raw_result
        try:
            return self.payloads.decode_result(self.type, text)
        except SerializationError as error:
            # Another decider may answer with any text.
            if isinstance(error.__cause__, ValueError):
                return text
            raise

    @property
    def raw_result(self) -> str | None:
        """The result as the text that the decider sent; None if there is none."""
        text: str | None = self._last.get("result")
        return text

    @property
    def reason(self) -> str:
        """Why the run failed, or the type of the time-out that closed it; otherwise empty."""
        reason: str = self._last.get("reason") or self._last.get("timeoutType") or ""
        return reason

    @property
    def details(self) -> str:
        """Details of the reason, such as the traceback of an activity; empty if there are none."""
        details: str = self._last.get("details") or ""
        return details

    @property
    def simulated_seconds(self) -> float:
        """The simulated seconds from the first event to the last, including earlier runs.

        An open run lasts until the runner gave up on it.
        """
        last = self.history[-1]["eventTimestamp"]
        if self.status == OPEN and self._now is not None:
            last = self._now
        lasted: timedelta = last - self.runs[0].history[0]["eventTimestamp"]
        return lasted / timedelta(seconds=1)

    def calls(self, what: object = None) -> list[RecordedCall]:
        """Return the calls to activities, child workflows and Lambda functions, in order.

        Each attempt is a separate call. Calls of earlier runs are not included; see `runs`.

        Args:
            what: the activity or child workflow whose calls to return, or the name of an
                activity, child workflow or Lambda function; None for all calls.

        Example:
            ::

                [first, second] = run.calls(Resize)
                assert first.args == ("photo.jpg", 150)
                assert first.overlaps(second)

        Raises:
            ConfigurationError: the workflow cannot call anything with that name.
        """
        __tracebackhide__ = True
        writes = [number for number, run_id in enumerate(self._written, 1) if run_id == self.run_id]
        found = calls(self.history, self.payloads, what, writes[: len(self.history)])
        if not found and isinstance(what, str) and self.can_call and what not in self.can_call:
            raise ConfigurationError(
                f"{self.type} cannot call anything named {what!r}{nearest(what, self.can_call)}"
            )
        return found

    def describe(self) -> str:
        """Return a one-line description of the outcome, with the reason."""
        lasted = duration(self.simulated_seconds * 1000)
        line = f"{self.type} ({self.workflow_id}) {_words(self.status)} after {lasted}"
        return safe_text(f"{line}: {self.reason}" if self.reason else line)

    def timeline(self, width: int = _WIDTH, ascii: bool = False) -> str:
        """Return the timeline of the run as text.

        Args:
            width: the number of columns.
            ascii: whether to use ASCII characters only.
        """
        return timeline.text(self.history, width, ascii=ascii, awaited=self.awaited)

    def picture(self) -> str:
        """Return the timeline as text, in characters that the terminal can show."""
        timeline = self.timeline()
        return timeline if showable(timeline) == timeline else self.timeline(ascii=True)

    def _continued(self) -> str:
        """Explain why the next run was not followed, if there is one."""
        if self.successor is None:
            return ""
        return (
            f"It was followed through {len(self.earlier) + 1} runs, as many as most_restarts "
            "allows. Increase most_restarts, or let the workflow end."
        )

    @property
    def _last(self) -> Mapping[str, Any]:
        return attributes_of(self.history[-1]) if self.status != OPEN else {}


def showable(text: str) -> str:
    """Return text with the characters escaped that the terminal cannot show."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _words(status: str) -> str:
    return "is open" if status == OPEN else status.lower().replace("_", " ")


def history(client: SwfClient, domain: str, execution: Execution, after: int = 0) -> History:
    """Fetch the events of an execution, oldest first.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its IDs.
        after: the ID of the last event to leave out; 0 to return all events.
    """
    request: dict[str, Any] = {
        "domain": domain,
        "execution": {"workflowId": execution.workflow_id, "runId": execution.run_id},
        # A few events are usually new. From the newest on, one page is then enough.
        "maximumPageSize": 20 if after else 1000,
        "reverseOrder": True,
    }
    newest_first: list[Event] = []
    while not newest_first or newest_first[-1]["eventId"] > after + 1:
        page = client.get_workflow_execution_history(**request)
        newest_first += page["events"]
        if "nextPageToken" not in page:
            break
        request["nextPageToken"] = page["nextPageToken"]
    newest_first.reverse()
    return History(newest_first[max(0, after + 1 - newest_first[0]["eventId"]) :])


def fetch(
    client: SwfClient,
    domain: str,
    execution: Execution,
    payloads: Payloads = PLAIN,
    can_call: frozenset[str] = frozenset(),
    written: Sequence[str] = (),
    now: datetime | None = None,
) -> Run:
    """Fetch the current state of an execution from a service.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: the IDs of the execution, as returned by `flowy.start`.
        payloads: decodes its arguments and results.
        can_call: the names of everything that it can call; empty if they are not known.
        written: the run IDs of the events of all executions, in the order in which they were
            written, as far as that is known; it may grow.
        now: the current time; None if it is not known.
    """
    events = history(client, domain, execution)
    return Run(
        execution.workflow_id, execution.run_id, events, payloads, (), can_call, written, now
    )


def open_executions(client: Client, domain: str, most: int) -> list[Execution]:
    """Return the open executions of a domain, the oldest first.

    Args:
        client: the simulation's client.
        domain: the domain.
        most: the maximum number to return.
    """
    reply = client.list_open_workflow_executions(
        domain=domain,
        startTimeFilter={"oldestDate": _BEGINNING},
        reverseOrder=True,
        maximumPageSize=most,
    )
    infos = [info["execution"] for info in reply["executionInfos"]]
    return [Execution(info["workflowId"], info["runId"]) for info in infos]


EventListener = Callable[[str, Event], None]
"""Called with a workflow ID and an event."""


class EventFeed:
    """Publishes each event of some executions once, in the order of their histories.

    Args:
        client: fetches the events.
        domain: the domain of the executions.
        listener: called with each event; None for no listener.
    """

    def __init__(self, client: SwfClient, domain: str, listener: EventListener | None) -> None:
        self._client = client
        self._domain = domain
        self._listener = listener
        self._published: dict[Execution, int] = {}

    def add(self, execution: Execution) -> None:
        """Publish the events of an execution, beginning with those that it has."""
        self._published[execution] = 0
        self.publish()

    def remove(self, execution: Execution) -> None:
        """Stop publishing the events of an execution."""
        self._published.pop(execution, None)

    def publish(self) -> None:
        """Publish the events that are new."""
        if self._listener is None:
            return
        for execution, published in self._published.items():
            for event in history(self._client, self._domain, execution, after=published):
                self._published[execution] = event["eventId"]
                self._listener(execution.workflow_id, event)

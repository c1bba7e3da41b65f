"""What became of an execution, as its history tells it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flowy._client import Execution, SwfClient
from flowy.errors import ConfigurationError
from flowy.executions import CLOSED_AS
from flowy.payloads import PLAIN, Payloads
from flowy_sim import _report
from flowy_sim._events.history import Call, History, calls, nearest
from flowy_sim._events.history import Event as Event
from flowy_sim._events.vocabulary import attributes_of

if TYPE_CHECKING:
    from flowy_sim._clients.in_process import Client

OPEN = "OPEN"


COMPLETED = "COMPLETED"


_WIDTH = 88


_BEGINNING = datetime.fromtimestamp(0, UTC)


class NoResultError(Exception):
    """An execution was asked for its result and did not complete; says why, with a picture."""

    __module__ = "flowy_sim"


@dataclass(frozen=True, slots=True)
class Run:
    """An execution that was run, up to its end or to where it got stuck.

    Attributes:
        workflow_id, run_id: the execution.
        history: its events, oldest first, as GetWorkflowExecutionHistory gives them; see
            `flowy_sim._events.history.History` for how to search them.
        payloads: how its arguments and results travelled.
        earlier: the runs before it, oldest first, each of which continued as new.
        can_call: the names of all that it could call; empty if they are not known.
    """

    workflow_id: str
    run_id: str
    history: History = field(repr=False)
    payloads: Payloads = field(default=PLAIN, repr=False, compare=False)
    earlier: tuple[Run, ...] = ()
    can_call: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    @property
    def successor(self) -> Execution | None:
        """The run that came after it, if it continued as new."""
        new = self._last.get("newExecutionRunId")
        return None if new is None else Execution(self.workflow_id, new)

    @property
    def type(self) -> str:
        """Name and version of the workflow's type, such as ``imagecateg 1``."""
        named = attributes_of(self.history[0])["workflowType"]
        return f"{named['name']} {named['version']}"

    @property
    def status(self) -> str:
        """``COMPLETED``, ``FAILED``, … as the service names it; ``OPEN`` while it is not closed."""
        return CLOSED_AS.get(self.history[-1]["eventType"], OPEN)

    @property
    def result(self) -> Any:
        """What the workflow returned.

        Raises:
            NoResultError: the execution did not complete.
        """
        __tracebackhide__ = True
        if self.status != COMPLETED:
            parts = (self.describe(), self._goes_on(), self.picture(), self.details)
            raise NoResultError("\n\n".join(filter(None, parts)))
        return self.payloads.decode_result(self.type, self._last.get("result"))

    @property
    def reason(self) -> str:
        """Why the execution failed, or which time-out closed it; empty if nothing of this is so."""
        reason: str = self._last.get("reason") or self._last.get("timeoutType") or ""
        return reason

    @property
    def details(self) -> str:
        """More about the reason, such as the traceback of an activity; empty if there is none."""
        details: str = self._last.get("details") or ""
        return details

    @property
    def simulated_seconds(self) -> float:
        """How long it took, from the first event of the first run to its last."""
        first = self.earlier[0] if self.earlier else self
        lasted: timedelta = self.history[-1]["eventTimestamp"] - first.history[0]["eventTimestamp"]
        return lasted / timedelta(seconds=1)

    def calls(self, what: object = None) -> list[Call]:
        """Return what the workflow called, each attempt by itself, in the order in which it was.

        What the runs before it called comes first.

        Args:
            what: an activity or a child workflow, or the name of one or of a Lambda function;
                None for all of these.

        Example:
            ::

                [first, second] = run.calls(Resize)
                assert first.args == ("photo.jpg", 150)
                assert first.overlaps(second)

        Raises:
            ConfigurationError: the workflow could not call anything of that name.
        """
        __tracebackhide__ = True
        found: list[Call] = []
        for run in (*self.earlier, self):
            found += calls(run.history, self.payloads, what)
        if not found and isinstance(what, str) and self.can_call and what not in self.can_call:
            raise ConfigurationError(
                f"{self.type} can call nothing of the name {what!r}{nearest(what, self.can_call)}"
            )
        return found

    def describe(self) -> str:
        """Say in a line what became of it."""
        lasted = _report.duration(self.simulated_seconds * 1000)
        line = f"{self.type} ({self.workflow_id}) {_words(self.status)} after {lasted}"
        return f"{line}: {self.reason}" if self.reason else line

    def timeline(self, width: int = _WIDTH, ascii: bool = False) -> str:
        """Draw what ran when, as text of so many columns, if asked for in ASCII alone."""
        return _report.text(self.history, width, ascii=ascii)

    def picture(self) -> str:
        """Draw what ran when, as the terminal can show it: in ASCII if it has nothing else."""
        picture = self.timeline()
        return picture if showable(picture) == picture else self.timeline(ascii=True)

    def _goes_on(self) -> str:
        """Say what to do about a run that another one follows, which nobody has followed."""
        if self.successor is None:
            return ""
        return (
            f"It was followed through {len(self.earlier) + 1} runs, as many as most_restarts lets "
            "one; give most_restarts more, or let the workflow end."
        )

    @property
    def _last(self) -> Mapping[str, Any]:
        return attributes_of(self.history[-1]) if self.status != OPEN else {}


def showable(text: str) -> str:
    """Escape what the terminal cannot show."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _words(status: str) -> str:
    return "is open" if status == OPEN else status.lower().replace("_", " ")


def history(client: SwfClient, domain: str, execution: Execution, after: int = 0) -> History:
    """Fetch the events of an execution, oldest first.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its ids.
        after: the newest event that is not wanted.
    """
    request: dict[str, Any] = {
        "domain": domain,
        "execution": {"workflowId": execution.workflow_id, "runId": execution.run_id},
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
    return History(event for event in reversed(newest_first) if event["eventId"] > after)


def fetch(
    client: SwfClient,
    domain: str,
    execution: Execution,
    payloads: Payloads = PLAIN,
    can_call: frozenset[str] = frozenset(),
) -> Run:
    """Ask a service what has become of an execution so far.

    Args:
        client: an SWF client.
        domain: the execution's domain.
        execution: its ids, as `flowy.start` returns them.
        payloads: how its arguments and results travel.
        can_call: the names of all that it can call; empty if they are not known.
    """
    events = history(client, domain, execution)
    return Run(execution.workflow_id, execution.run_id, events, payloads, can_call=can_call)


def open_executions(client: Client, domain: str, most: int) -> list[Execution]:
    """Ask a simulation which executions are open.

    Args:
        client: the simulation's client.
        domain: whose executions.
        most: at most so many are returned, those that started first.
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


"""Is called with a workflow id and an event."""


class EventFeed:
    """Tells a listener of each event once, in the order of the history.

    Args:
        client: asks the service for the events.
        domain: the domain of the executions.
        listener: who is told; None for nobody.
    """

    def __init__(self, client: SwfClient, domain: str, listener: EventListener | None) -> None:
        """Start with no execution."""
        self._client = client
        self._domain = domain
        self._listener = listener
        self._told: dict[Execution, int] = {}

    def add(self, execution: Execution) -> None:
        """Tell of an execution from now on, and of all its events so far."""
        self._told[execution] = 0
        self.tell()

    def remove(self, execution: Execution) -> None:
        """Tell of an execution no longer."""
        self._told.pop(execution, None)

    def tell(self) -> None:
        """Tell of the events that are new."""
        if self._listener is None:
            return
        for execution, told in self._told.items():
            for event in history(self._client, self._domain, execution, after=told):
                self._told[execution] = event["eventId"]
                self._listener(execution.workflow_id, event)

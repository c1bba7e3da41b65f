"""Sources: where the pages find executions, whether simulated or real.

Everything that pages show comes from a `Source`. It answers only what it is asked for, and never
scans more than a page needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flowy_sim._engine.model import TYPE, event_types
from flowy_sim._events.waits import Workers

OPEN = "OPEN"
STATUSES = (
    OPEN,
    "COMPLETED",
    "FAILED",
    "TIMED_OUT",
    "CANCELED",
    "TERMINATED",
    "CONTINUED_AS_NEW",
)
"""The statuses of executions: open, or how they closed."""

PAGE = 100
"""The maximum number of executions on a page."""

Event = dict[str, Any]
IsGone = Callable[[], Awaitable[bool]]


class SourceError(Exception):
    """A source refuses a request; the message is its own, word for word.

    Attributes:
        code: the code of the fault, such as ``UnknownResourceFault``; empty if there is none.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Place(NamedTuple):
    """What a page is about.

    Attributes:
        simulation: the name in the path; empty for the simulation without a name.
        account: twelve digits; empty for the default.
        region: empty for the default.
        domain: empty for the default.
    """

    simulation: str = ""
    account: str = ""
    region: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which executions a list shows.

    Attributes:
        status: one of `STATUSES`, or empty for all.
        type_name, type_version: of their workflow type; empty for any.
        tag: one of their tags; empty for any.
        workflow_id: empty for any.
        text: part of an ID, a type or a tag; empty for any.
        started_from, started_to, closed_from, closed_to: milliseconds since 1970; None for no
            limit.
        before: where the page before ended; None for the first page.
    """

    status: str = ""
    type_name: str = ""
    type_version: str = ""
    tag: str = ""
    workflow_id: str = ""
    text: str = ""
    started_from: int | None = None
    started_to: int | None = None
    closed_from: int | None = None
    closed_to: int | None = None
    before: int | None = None


class ExecutionRow(NamedTuple):
    """An execution in a list.

    Attributes:
        workflow_id, run_id: its IDs.
        type_name, type_version: of its workflow type.
        status: one of `STATUSES`.
        started, closed: milliseconds since 1970; `closed` is None while it is open.
        tags: its tags.
        waits_for: what it waits for, in a few words; empty if that is unknown.
        cancel_requested: whether it was asked to cancel itself.
    """

    workflow_id: str
    run_id: str
    type_name: str
    type_version: str
    status: str
    started: int
    closed: int | None
    tags: Sequence[str]
    waits_for: str = ""
    cancel_requested: bool = False


@dataclass(slots=True)
class ExecutionPage:
    """A page of a list.

    Attributes:
        rows: the executions, the newest first.
        end: where the page ends, if there may be more; else None.
        examined: how many executions were examined, if the search for a text gave up before it
            filled the page; else 0.
    """

    rows: list[ExecutionRow] = field(default_factory=list)
    end: int | None = None
    examined: int = 0


class ClockState(NamedTuple):
    """The clock of a source.

    Attributes:
        now: milliseconds since 1970.
        mode: ``real``, ``virtual``, ``paused`` or a factor such as ``x60``.
        rate: simulated seconds per real second; 0 if it stands still.
        next_at: when something happens next by itself; None if nothing does, or if that is
            unknown.
        next_what: what that is, in words.
    """

    now: int
    mode: str
    rate: float
    next_at: int | None = None
    next_what: str = ""

    @property
    def can_move(self) -> bool:
        """Whether it can be moved."""
        return self.mode != "real"


class PollerRow(NamedTuple):
    """Clients of one name that poll a task list.

    Attributes:
        name: their identity, and their address.
        connections: the number of connections on which they poll.
        waiting: the number of their polls of the list that wait.
        silent: for how many real seconds they have made no call; 0 while a poll waits.
    """

    name: str
    connections: int
    waiting: int
    silent: float


class HeldRow(NamedTuple):
    """A task that was handed out, and is neither answered nor timed out.

    Attributes:
        holder: the client that has it.
        task: such as ``charge-1``, the ID of an activity; ``decision task``.
        workflow_id, run_id: its execution.
        since: since when, in milliseconds since 1970.
    """

    holder: str
    task: str
    workflow_id: str
    run_id: str
    since: int


@dataclass(slots=True)
class TaskListRow:
    """A task list.

    Attributes:
        kind: ``decision`` or ``activity``.
        name: its name.
        backlog: the number of tasks that wait.
        oldest: since when the one has waited that has waited longest, in milliseconds since 1970;
            None if none waits.
        pollers: the clients that poll it; None if they are unknown.
        held: the tasks of it that were handed out, at most `PAGE`.
        held_count: their number.
    """

    kind: str
    name: str
    backlog: int = 0
    oldest: int | None = None
    pollers: list[PollerRow] | None = field(default_factory=list)
    held: list[HeldRow] = field(default_factory=list)
    held_count: int = 0

    @property
    def is_stuck(self) -> bool:
        """Whether tasks wait for which no worker polls."""
        return bool(self.backlog) and self.pollers == []


class LastHeartbeat(NamedTuple):
    """A heartbeat of an activity: when, in milliseconds since 1970, and its details."""

    at: int
    details: str


class Recorded(NamedTuple):
    """The history of an execution.

    Attributes:
        events: its events, as the service sends them or as the engine stores them.
        is_stored: whether they are as the engine stores them, which takes less time to read.
        first: the number of events before them.
    """

    events: Sequence[Any]
    is_stored: bool = False
    first: int = 0

    def history(self) -> list[Event]:
        """Return the events as the service sends them."""
        if not self.is_stored:
            return list(self.events)
        types, first = event_types(), self.first + 1
        return [
            types[each[TYPE]].thaw(each, number) for number, each in enumerate(self.events, first)
        ]

    def part(self, begin: int, end: int) -> Recorded:
        """Return some of the events."""
        return self._replace(events=self.events[begin:end], first=begin)


class Source(Protocol):
    """Executions of one domain, and what is around them.

    Simulations answer everything at once. Amazon SWF answers only its own operations, and each
    request counts against the account's rates.

    Attributes:
        place: what it is about, with nothing left empty but what does not exist.
        unnamed: what to call a simulation without a name.
        can_act: whether it accepts calls that change something.
        is_costly: whether each answer takes such a request.
        unknown: sentences about what cannot be known here.
        endpoint: the URL that SWF clients call, or empty for Amazon SWF itself; None if it is the
            URL of the page.
    """

    place: Place
    unnamed: str
    can_act: bool
    is_costly: bool
    endpoint: str | None
    unknown: Sequence[str]

    def clock(self) -> ClockState:
        """Return its clock."""
        ...

    def stamp(self) -> str:
        """Return a text that differs once something may have changed; empty if that is unknown."""
        ...

    async def places(self) -> list[Place]:
        """Return the other places of the same server, this one included."""
        ...

    async def types(self) -> list[tuple[str, str]]:
        """Return the names and versions of the registered workflow types."""
        ...

    async def executions(self, wanted: Filter) -> ExecutionPage:
        """Return a page of executions.

        Raises:
            SourceError: they cannot be listed.
        """
        ...

    async def counts(self, wanted: Filter) -> Mapping[str, int]:
        """Return the number of executions by status, apart from the filter's own status.

        Statuses whose count would take too long are left out.

        Raises:
            SourceError: they cannot be counted.
        """
        ...

    async def find_run(self, run_id: str) -> ExecutionRow | None:
        """Return the execution with a run ID; None if it is unknown."""
        ...

    async def runs(self, workflow_id: str) -> list[ExecutionRow]:
        """Return the runs of a workflow ID, the newest first, at most `PAGE`.

        Raises:
            SourceError: they cannot be listed.
        """
        ...

    async def execution_row(self, workflow_id: str, run_id: str) -> ExecutionRow:
        """Return an execution; without a run ID the newest run.

        Raises:
            SourceError: there is none.
        """
        ...

    def workers(self) -> Workers:
        """Return what is known of the workers that poll for tasks."""
        ...

    async def heartbeats(self, workflow_id: str, run_id: str) -> Mapping[str, LastHeartbeat]:
        """Return the last heartbeats of open activities by activity ID, as far as known."""
        ...

    async def task_lists(self) -> list[TaskListRow]:
        """Return the task lists on which a task waits, or which a worker polls.

        Raises:
            SourceError: they cannot be read.
        """
        ...

    async def recorded(self, workflow_id: str, run_id: str) -> Recorded:
        """Return all events of an execution, the oldest first.

        Raises:
            SourceError: there is no such execution, or its history cannot be read.
        """
        ...

    async def task_token(self, workflow_id: str, run_id: str, activity_id: str) -> str:
        """Return the token of an activity task that a worker has.

        Raises:
            SourceError: no worker has it.
        """
        ...

    async def move(self, how: str, seconds: float) -> str:
        """Move the clock; return what has happened, as a sentence.

        Args:
            how: one of `flowy_sim._console.actions.MOVES`.
            seconds: by how much, to advance it.

        Raises:
            SourceError: it cannot be moved like this.
        """
        ...

    async def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a call of Amazon SWF that changes something.

        Raises:
            SourceError: it is refused.
        """
        ...

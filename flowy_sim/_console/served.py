"""The simulations of a server as sources: what pages show is read from the engines directly.

Reading changes nothing: no call is made, no time passes, and the virtual clock does not wait for a
page as it waits for a client. What would take long is done in slices, between which the server
answers calls.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from flowy_sim._console.search import ExecutionSearch
from flowy_sim._console.served_clock import MOVES, clock_of
from flowy_sim._console.source import (
    OPEN,
    PAGE,
    STATUSES,
    ClockState,
    ExecutionPage,
    ExecutionRow,
    Filter,
    HeldRow,
    IsGone,
    LastHeartbeat,
    Place,
    PollerRow,
    Recorded,
    SourceError,
    TaskListRow,
)
from flowy_sim._console.stream import stamp
from flowy_sim._engine import queues, tokens
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.tokens import TaskToken
from flowy_sim._events.waits import Workers
from flowy_sim._server.served_simulation import ServedSimulation
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.presence import Poller
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, POLL_OF, TaskList
from flowy_sim._storage.journal import JournalError

_SLICE = 500
"""The number of executions or events that are read before calls are answered again."""
_EXAMINED = 20_000
"""The number of executions that a search for a text examines for one page."""
_FILE = "A file does not record which workers poll."
_COUNTED = 2_000
"""The number of executions that may be counted one by one."""

_KINDS = {queues.DECISION: "decision", queues.ACTIVITY: "activity"}
_KIND_OF = {POLL_OF[kind]: name for kind, name in _KINDS.items()}


class ServedSource:
    """A domain of a simulation; see `flowy_sim._console.source.Source`.

    Args:
        simulations: all simulations of the server.
        simulation: the one.
        engine: the service in one region; None if none of it was used yet.
        domain: the domain; None if there is none.
        can_act: whether pages may change something.
    """

    endpoint: str | None = None
    unnamed = "default"
    is_costly = False

    def __init__(
        self,
        simulations: Simulations,
        simulation: ServedSimulation,
        engine: Engine | None,
        domain: Domain | None,
        can_act: bool,
    ) -> None:
        self.simulation = simulation
        self.engine = engine
        self.domain = domain
        self.can_act = can_act
        self.unknown: Sequence[str] = () if can_act else (_FILE,)
        self.place = Place(
            simulation.name,
            simulation.account,
            simulation.region if engine is None else engine.region,
            "" if domain is None else domain.name,
        )
        self._simulations = simulations

    def clock(self) -> ClockState:
        """Return the clock of the simulation."""
        return clock_of(self.simulation)

    def stamp(self) -> str:
        """Return a text that differs once something may have changed in the simulation."""
        return "-".join(map(str, stamp(self.simulation)))

    async def places(self) -> list[Place]:
        """Return the domains of all simulations."""
        return [place for simulation in self._simulations for place in _places(simulation)]

    async def types(self) -> list[tuple[str, str]]:
        """Return the names and versions of the registered workflow types."""
        return [] if self.domain is None else list(self.domain.workflow_types.keys(None))

    async def executions(self, wanted: Filter) -> ExecutionPage:
        """Return a page of executions; a search for a text may give up before it is full."""
        page = ExecutionPage()
        if self.domain is None:
            return page
        search = ExecutionSearch(self.domain, wanted)
        examined = 0
        while True:
            stopped = True
            # In slices: between two of them, the server answers calls.
            for key, execution in islice(search.found(), _SLICE):
                examined += 1
                search.high, stopped = key, False
                if search.matches(execution):
                    page.rows.append(row_of(execution))
                if len(page.rows) == PAGE:
                    break
            if stopped:
                return page
            if len(page.rows) == PAGE or examined >= _EXAMINED:
                break
            await asyncio.sleep(0)
        # A full page may be the last one. There is a next page only if something is left for it.
        if next(search.found(), None) is not None:
            page.end = search.high
            page.examined = examined if len(page.rows) < PAGE else 0
        return page

    async def counts(self, wanted: Filter) -> Mapping[str, int]:
        """Return the number of executions by status."""
        counts: dict[str, int] = {}
        if self.domain is None:
            return counts
        search = ExecutionSearch(self.domain, wanted, any_status=True)
        # These numbers are kept up to date in the engine, so nothing is scanned.
        if search.is_by_time_only:
            visibility = self.domain.visibility
            return {
                status: visibility.count_of(("status", status), search.low, search.high)
                for status in STATUSES
            }
        counts = dict.fromkeys(STATUSES, 0)
        for examined, (_, execution) in enumerate(search.found(), 1):
            # Without numbers, the page still works; while it counts, nothing else does.
            if examined > _COUNTED:
                return {}
            if search.matches(execution):
                counts[execution.close_status or OPEN] += 1
        return counts

    async def find_run(self, run_id: str) -> ExecutionRow | None:
        """Return the execution with a run ID, of this domain."""
        found = None if self.engine is None else self.engine.executions.get(run_id)
        return row_of(found) if found is not None and found.domain is self.domain else None

    async def runs(self, workflow_id: str) -> list[ExecutionRow]:
        """Return the newest runs of a workflow ID."""
        if self.domain is None:
            return []
        return [row_of(run) for run in self.domain.visibility.runs_of(workflow_id)[:PAGE]]

    async def recorded(self, workflow_id: str, run_id: str) -> Recorded:
        """Return all events of an execution."""
        execution = self.execution(workflow_id, run_id)
        return Recorded(list(execution.stored(0)), is_stored=True)

    def workers(self) -> Workers:
        """Return the lists that are polled; which types are implemented is unknown."""
        # What is read from a file that no server uses has no workers.
        if not self.can_act:
            return Workers(None, None, ())
        lists: dict[str, list[str]] = {DECISION_POLL: [], ACTIVITY_POLL: []}
        for task_list in self.simulation.presence.polled_lists():
            if task_list.domain == self.place.domain and task_list.region == self.place.region:
                lists[task_list.poll].append(task_list.name)
        return Workers(lists[DECISION_POLL], lists[ACTIVITY_POLL], (), may_answer=True)

    async def heartbeats(self, workflow_id: str, run_id: str) -> Mapping[str, LastHeartbeat]:
        """Return the last heartbeats of open activities by activity ID."""
        activities = self.execution(workflow_id, run_id).activities
        return {
            name: LastHeartbeat(task.heartbeat_at, task.heartbeat_details or "")
            for name, task in activities.items()
            # Until the first heartbeat, this is the instant of the start.
            if task.heartbeat_at and task.heartbeat_at > task.execution.time(task.started_id)
        }

    def execution(self, workflow_id: str, run_id: str) -> WorkflowExecution:
        """Return an execution; without a run ID the newest run.

        Raises:
            SourceError: there is none.
        """
        if self.engine is None or self.domain is None:
            raise SourceError("There is no domain yet.", "UnknownResourceFault")
        if not run_id:
            runs = self.domain.visibility.runs_of(workflow_id)
            run_id = runs[0].run_id if runs else ""
        try:
            named = {"workflowId": workflow_id, "runId": run_id}
            return self.engine.execution(self.domain.name, named)
        except Fault as fault:
            raise _refused(fault) from fault

    async def execution_row(self, workflow_id: str, run_id: str) -> ExecutionRow:
        """Return an execution; without a run ID the newest run."""
        return row_of(self.execution(workflow_id, run_id))

    async def task_lists(self) -> list[TaskListRow]:
        """Return the task lists of the domain on which a task waits, or which a worker polls."""
        if self.domain is None:
            return []
        rows = _task_lists(self.simulation, self.domain)
        if not self.can_act:
            for row in rows:
                row.pollers = None
        return rows

    async def task_token(self, workflow_id: str, run_id: str, activity_id: str) -> str:
        """Return the token of an activity task that a worker has."""
        execution = self.execution(workflow_id, run_id)
        task = execution.activities.get(activity_id)
        if task is None or not task.is_held:
            raise SourceError(f"No worker has an activity task {activity_id!r}.")
        token = TaskToken(
            tokens.ACTIVITY, task.opened_id, task.started_id, 0, execution.run_id, workflow_id
        )
        return execution.engine.tokens.write(token)

    async def move(self, how: str, seconds: float) -> str:
        """Move the clock of the simulation."""
        try:
            sentence = await MOVES[how](self.simulation, seconds)
            # As with a reply to a call: what a browser is shown must survive a crash.
            await self.simulation.journal.durable()
        except (ValueError, JournalError) as error:
            raise SourceError(str(error)) from error
        return sentence

    async def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a call of Amazon SWF."""
        try:
            return await self.simulation.carry_out(operation, request, self.place.region)
        except Fault as fault:
            raise _refused(fault) from fault
        except JournalError as error:
            raise SourceError(str(error)) from error


class ServedSources:
    """Finds the sources of a server.

    Args:
        simulations: its simulations.
        account: the default account.
        can_act: whether pages may change something.
    """

    def __init__(self, simulations: Simulations, account: str, can_act: bool = True) -> None:
        self.simulations = simulations
        self._account = account
        self._can_act = can_act

    def find(self, place: Place, is_gone: IsGone) -> ServedSource | None:
        """Return the source of a place, with defaults for what is empty in it.

        By default it shows the domain with most executions. None if there is no such simulation;
        the one without a name is shown as it would begin.

        Raises:
            SourceError: there is no such region or domain, or there cannot be such an account.
        """
        account = place.account or self._account
        try:
            simulation = self.simulations.find(place.simulation, account)
            if simulation is None and not place.simulation:
                simulation = self.simulations.find_or_preview("", account)
        except ValueError as error:
            raise SourceError(str(error)) from error
        if simulation is None:
            return None
        engine = _engine(simulation, place.region)
        return ServedSource(
            self.simulations, simulation, engine, _domain(engine, place.domain), self._can_act
        )


def row_of(execution: Any) -> ExecutionRow:
    """Return an execution as a list shows it."""
    name, version = execution.workflow_type
    return ExecutionRow(
        execution.workflow_id,
        execution.run_id,
        name,
        version,
        execution.close_status or OPEN,
        execution.started_at,
        execution.closed_at,
        execution.tags,
        ", ".join(_waits(execution)) if execution.is_open else "",
        execution.cancel_requested,
    )


def _waits(execution: WorkflowExecution) -> Iterator[str]:
    """Yield what an open execution waits for, as its engine knows it: its history is not read."""
    task = execution.decision_task or execution.running_decision_task
    if task is not None:
        yield "a decider" if task.started_id else f"a decider on {task.task_list}"
    yield from _some("activity", execution.activities, str)
    yield from _some("timer", execution.timers, str)
    yield from _some("child", execution.children, lambda each: execution.member(each, "workflowId"))
    yield from _some("Lambda function", execution.lambda_functions, str)


def _some(kind: str, opened: Mapping[Any, Any], name: Callable[[Any], str]) -> Iterator[str]:
    """Yield the first open item by its name, with the number of the others."""
    if opened:
        more = f" and {len(opened) - 1:,} more" if len(opened) > 1 else ""
        yield f"{kind} {name(next(iter(opened)))}{more}"


def _task_lists(simulation: ServedSimulation, domain: Domain) -> list[TaskListRow]:
    """Return the task lists of a domain, those first for which no worker polls."""
    rows: dict[tuple[str, str], TaskListRow] = {}

    def row(kind: str, name: str) -> TaskListRow:
        return rows.setdefault((kind, name), TaskListRow(kind, name))

    for kind, poll in _KINDS.items():
        lists = domain.task_lists(kind)
        for name in lists.names():
            found, oldest = row(poll, name), lists.longest_waiting(name)
            found.backlog = lists.count(name)
            found.oldest = None if oldest is None else oldest.execution.time(oldest.opened_id)
    presence = simulation.presence
    for task_list, pollers in presence.polled_lists().items():
        if task_list.domain == domain.name:
            row(_KIND_OF[task_list.poll], task_list.name).pollers = _grouped(
                simulation, task_list, pollers
            )
    for held in presence.held_tasks.open():
        task = held.task
        # Another region may have a domain of the same name.
        if task.engine.domains.get(domain.name) is domain and task.task_list.domain == domain.name:
            found = row(_KIND_OF[task.task_list.poll], task.task_list.name)
            found.held_count += 1
            if len(found.held) < PAGE:
                execution = task.engine.executions[task.run_id]
                found.held.append(
                    HeldRow(
                        str(held.holder),
                        task.activity_id or "decision task",
                        task.workflow_id,
                        task.run_id,
                        execution.time(task.started_id),
                    )
                )
    # What needs attention comes first.
    return sorted(rows.values(), key=lambda each: (not each.is_stuck, each.kind, each.name))


def _grouped(
    simulation: ServedSimulation, task_list: TaskList, pollers: Sequence[Poller]
) -> list[PollerRow]:
    """Return the pollers of a list, with those of one name together."""
    waiting = Counter(poll.poller for poll in simulation.polls if poll.task_list == task_list)
    now = simulation.presence.now()
    by_name: dict[str, list[Poller]] = {}
    for poller in pollers:
        by_name.setdefault(str(poller), []).append(poller)
    return [
        PollerRow(
            name,
            len(several),
            count := sum(waiting[each] for each in several),
            0.0 if count else now - max(each.last_call for each in several),
        )
        for name, several in sorted(by_name.items())
    ]


def _places(simulation: ServedSimulation) -> list[Place]:
    places = [
        Place(simulation.name, simulation.account, engine.region, name)
        for engine in simulation.engines
        for name in engine.domains
    ]
    return places or [Place(simulation.name, simulation.account, simulation.region, "")]


def _engine(simulation: ServedSimulation, region: str) -> Engine | None:
    engines = {engine.region: engine for engine in simulation.engines}
    if region:
        found = engines.get(region)
        if found is None and region != simulation.region:
            raise SourceError(f"Nothing has called the region {region!r} of this simulation.")
        return found
    # Its own region, unless only others are in use.
    preferred = sorted(engines.values(), key=lambda each: each.region != simulation.region)
    return next((each for each in preferred if each.domains), None)


def _domain(engine: Engine | None, name: str) -> Domain | None:
    domains = {} if engine is None else engine.domains
    if name:
        if name not in domains:
            raise SourceError(f"Unknown domain: {name}", "UnknownResourceFault")
        return domains[name]
    return max(domains.values(), key=lambda each: each.started, default=None)


def _refused(fault: Fault) -> SourceError:
    return SourceError(fault.message or fault.code, fault.code)

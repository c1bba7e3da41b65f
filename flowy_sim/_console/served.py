"""The simulations of a server as sources: what pages show is read from the engines directly.

Reading changes nothing: no call is made, no time passes, and the virtual clock does not wait for a
page as it waits for a client. What would take long is done in slices, between which the server
answers calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from flowy_sim._console.source import (
    OPEN,
    PAGE,
    STATUSES,
    Clock,
    Event,
    ExecutionPage,
    ExecutionRow,
    Filter,
    Place,
    SourceError,
    TaskListRow,
)
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.queues import Effect
from flowy_sim._engine.visibility import LATEST_KEY, Label, first_key
from flowy_sim._server.simulation import ServedSimulation
from flowy_sim._server.simulations import Simulations
from flowy_sim._simulation.settings import REAL, rate_of
from flowy_sim._storage.journal import JournalError

_SLICE = 500
"""The number of executions or events that are read before calls are answered again."""
_EXAMINED = 20_000
"""The number of executions that a search for a text examines for one page."""
_COUNTED = 2_000
"""The number of executions that may be counted one by one."""

_EFFECTS = {
    "timer": "timer {0} fires",
    "zero timer": "timer {0} fires",
    "activity task time-out": "activity {0} times out",
    "decision task time-out": "a decision task times out",
    "execution time-out": "the execution times out",
    "lambda time-out": "Lambda function {0} times out",
    "activity cancel": "activity {0} is canceled",
    "external request": "a request to another execution arrives",
    "external confirmation": "a request to another execution is confirmed",
    "child start": "child {0} starts",
    "child started": "the start of child {0} is reported",
    "child close": "the close of child {0} is reported",
    "child policy": "the child policy is applied to {0}",
    "lambda start": "Lambda function {0} starts",
    "lambda close": "Lambda function {0} ends",
}
"""What each kind of effect does, in words."""
_NAMES = ("timerId", "activityId", "workflowId", "id")


class ServedSource:
    """A domain of a simulation; see `flowy_sim._console.source.Source`.

    Args:
        simulations: all simulations of the server.
        simulation: the one.
        engine: the service in one region; None if none of it was used yet.
        domain: the domain; None if there is none.
        can_act: whether pages may change something.
    """

    unknown: Sequence[str] = ()

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
        self.place = Place(
            simulation.name,
            simulation.account,
            simulation.region if engine is None else engine.region,
            "" if domain is None else domain.name,
        )
        self._simulations = simulations

    def clock(self) -> Clock:
        """Return the clock of the simulation."""
        return clock_of(self.simulation)

    async def places(self) -> list[Place]:
        """Return the domains of all simulations of the account."""
        return [
            place
            for simulation in self._simulations
            if simulation.account == self.simulation.account
            for place in _places(simulation)
        ]

    async def types(self) -> list[tuple[str, str]]:
        """Return the names and versions of the registered workflow types."""
        return [] if self.domain is None else list(self.domain.workflow_types.keys(None))

    async def executions(self, wanted: Filter) -> ExecutionPage:
        """Return a page of executions; a search for a text may give up before it is full."""
        page = ExecutionPage()
        if self.domain is None:
            return page
        search = _Search(self.domain, wanted)
        examined = 0
        while True:
            stopped = True
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
        if next(search.found(), None) is not None:
            page.end = search.high
            page.examined = examined if len(page.rows) < PAGE else 0
        return page

    async def counts(self, wanted: Filter) -> Mapping[str, int]:
        """Return the number of executions by status."""
        counts: dict[str, int] = {}
        if self.domain is None:
            return counts
        search = _Search(self.domain, wanted, any_status=True)
        if search.is_by_time_only:
            visibility = self.domain.visibility
            return {
                status: visibility.count_of(("status", status), search.low, search.high)
                for status in STATUSES
            }
        counts = dict.fromkeys(STATUSES, 0)
        for examined, (_, execution) in enumerate(search.found(), 1):
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

    async def history(self, workflow_id: str, run_id: str) -> list[Event]:
        """Return all events of an execution."""
        execution = self.execution(workflow_id, run_id)
        events: list[Event] = []
        while len(events) < len(execution):
            events += execution.events(len(events) + 1, len(events) + _SLICE)
            await asyncio.sleep(0)
        return events

    def execution(self, workflow_id: str, run_id: str) -> Execution:
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
        """Return the task lists of the domain on which a task waits, or which somebody polls."""
        return []

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

    def find(self, place: Place) -> ServedSource | None:
        """Return the source of a place, with defaults for what is empty in it.

        By default it shows the domain with most executions. None if there is no such simulation;
        the one without a name is shown as it would begin.

        Raises:
            SourceError: there is no such region or domain.
        """
        account = place.account or self._account
        simulation = self.simulations.find(place.simulation, account)
        if simulation is None and not place.simulation:
            simulation = self.simulations.find_or_preview("", account)
        if simulation is None:
            return None
        engine = _engine(simulation, place.region)
        return ServedSource(
            self.simulations, simulation, engine, _domain(engine, place.domain), self._can_act
        )


def clock_of(simulation: ServedSimulation) -> Clock:
    """Return the clock of a simulation, and what happens next."""
    mode = simulation.clock.mode
    rate = 1.0 if mode == REAL else rate_of(mode)
    pending = [
        (effect[0], engine.region, effect[1])
        for engine in simulation.engines
        if (effect := engine.effects.peek()) is not None
    ]
    if not pending:
        return Clock(simulation.clock.milliseconds, mode, rate)
    at, _, first = min(pending, key=lambda each: each[:2])
    return Clock(simulation.clock.milliseconds, mode, rate, at, in_words(first))


def in_words(effect: Effect) -> str:
    """Return what an effect does, in words."""
    about = effect.arguments[0]
    execution = about if isinstance(about, Execution) else about.execution
    name = ""
    if not isinstance(about, Execution):
        opened = execution.attributes(about.opened_id)
        name = next((str(opened[each]) for each in _NAMES if each in opened), "")
    what = _EFFECTS.get(effect.kind, effect.kind).replace("{0}", name)
    return f"{what} ({execution.workflow_id})"


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


def _waits(execution: Execution) -> Iterator[str]:
    """Yield what an open execution waits for, as its engine knows it: its history is not read."""
    task = execution.decision_task or execution.running_decision_task
    if task is not None:
        yield "a decider" if task.started_id else f"a decider on {task.task_list}"
    yield from _some("activity", execution.activities, str)
    yield from _some("timer", execution.timers, str)
    yield from _some("child", execution.children, lambda each: execution.member(each, "workflowId"))
    yield from _some("Lambda function", execution.lambda_functions, str)


def _some(kind: str, opened: Mapping[Any, Any], name: Callable[[Any], str]) -> Iterator[str]:
    """Yield the name of the first of the things that are open, and how many more there are."""
    if opened:
        more = f" and {len(opened) - 1:,} more" if len(opened) > 1 else ""
        yield f"{kind} {name(next(iter(opened)))}{more}"


class _Search:
    """Finds executions by the index that is nearest to what is wanted.

    Attributes:
        low, high: the keys between which to search.
        is_by_time_only: whether nothing but the times of their start restricts them.
    """

    def __init__(self, domain: Domain, wanted: Filter, any_status: bool = False) -> None:
        self._visibility = domain.visibility
        self._wanted = wanted
        self._status = "" if any_status else wanted.status
        self._text = wanted.text.casefold()
        self._by_closing = (
            wanted.closed_from is not None or wanted.closed_to is not None
        ) and self._status != OPEN
        first, last = wanted.started_from, wanted.started_to
        if self._by_closing:
            first, last = wanted.closed_from, wanted.closed_to
        self.low = 0 if first is None else first_key(first)
        self.high = LATEST_KEY if last is None else first_key(last + 1)
        if wanted.before is not None:
            self.high = min(self.high, wanted.before)
        self._labels = self._most_selective()
        self.is_by_time_only = not self._by_closing and not (
            wanted.type_name or wanted.tag or wanted.workflow_id or wanted.text
        )

    def _most_selective(self) -> list[Label]:
        """Return the labels of the criterion that the fewest executions meet."""
        wanted, visibility = self._wanted, self._visibility
        criteria: list[list[Label]] = [[("status", status) for status in STATUSES]]
        if self._status:
            criteria.append([("status", self._status)])
        if wanted.type_name:
            versions = [wanted.type_version] if wanted.type_version else None
            if versions is None:
                versions = visibility.versions_of(wanted.type_name)
            criteria.append([("type", wanted.type_name, each) for each in versions])
        if wanted.tag:
            criteria.append([("tag", wanted.tag)])
        return min(criteria, key=lambda labels: sum(map(visibility.count_of, labels)))

    def found(self) -> Iterator[tuple[int, Any]]:
        """Yield the executions below `high`, the newest first."""
        if self._wanted.workflow_id:
            runs = self._visibility.runs_of(self._wanted.workflow_id)
            keyed = ((first_key(run.started_at) | run.number, run) for run in runs)
            return (each for each in keyed if self.low <= each[0] < self.high)
        return self._visibility.browse(
            self._labels, self.low, self.high, by_closing=self._by_closing
        )

    def matches(self, execution: Any) -> bool:
        """Return whether an execution meets all criteria."""
        wanted = self._wanted
        if self._status and (execution.close_status or OPEN) != self._status:
            return False
        name, version = execution.workflow_type
        if wanted.type_name and name != wanted.type_name:
            return False
        if wanted.type_version and version != wanted.type_version:
            return False
        if wanted.tag and wanted.tag not in execution.tags:
            return False
        if not _within(execution.started_at, wanted.started_from, wanted.started_to):
            return False
        if wanted.closed_from is not None or wanted.closed_to is not None:
            closed_at = execution.closed_at
            if closed_at is None or not _within(closed_at, wanted.closed_from, wanted.closed_to):
                return False
        if not self._text:
            return True
        words = (execution.workflow_id, execution.run_id, name, version, *execution.tags)
        return any(self._text in word.casefold() for word in words)


def _within(instant: int, first: int | None, last: int | None) -> bool:
    return (first is None or first <= instant) and (last is None or instant <= last)


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

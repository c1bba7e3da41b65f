"""Reads a database file, restores the engines in it, and verifies what an untrusted file holds.

Restoring has shown that everything fits together. What remains is whether each value is one that
the service could have been given or could have written. The engine's own checks of requests and the
service model decide that.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from sqlite3 import Connection
from typing import Any, NamedTuple, overload

from flowy_sim._engine.coercion import Refused
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import EFFECTS, Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import Event, event_types, instant, service_model
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._engine.restore import Restore
from flowy_sim._engine.validation import Check, checked, compiled
from flowy_sim._events.invariants import check
from flowy_sim._simulation.settings import Settings, check_account, check_mode, check_name
from flowy_sim._storage import schema
from flowy_sim._storage.journal import SimulationKey
from flowy_sim._storage.schema import EventLayout, Row, type_state

#: Number of executions that a domain may have had: as many run IDs are generated to restore it.
MOST_STARTED = 100_000_000


@dataclass(slots=True)
class StoredSimulation:
    """A simulation in a file, without the content of its engines.

    Attributes:
        number: its ID in the file.
        key: its name and account.
        settings: how it was set up.
        begun: when, in milliseconds since 1970.
        mode: the mode of its clock.
        now: the instant up to which everything has happened, in milliseconds since 1970.
        engines: the IDs of its engines, by region.
    """

    number: int
    key: SimulationKey
    settings: dict[str, Any]
    begun: int
    mode: str
    now: int
    engines: dict[str, int]

    def state(self) -> list[Any]:
        """Return the content of its row, apart from `number` and `now`."""
        return [*self.key, self.settings, self.begun, self.mode]


def read_simulations(connection: Connection) -> list[StoredSimulation]:
    """Return the simulations in a file.

    Raises:
        ValueError, TypeError: the file is damaged.
    """
    engines: dict[int, dict[str, int]] = {}
    for number, simulation, region, _ in schema.read(connection, "engines"):
        engines.setdefault(simulation, {})[json.loads(region)] = number
    simulations = []
    for number, state, now in schema.read(connection, "simulations"):
        name, account, settings, begun, mode = json.loads(state)
        key = SimulationKey(name, account)
        simulations.append(
            StoredSimulation(number, key, settings, begun, mode, now, engines.get(number, {}))
        )
    return simulations


def read_domain_ids(connection: Connection) -> dict[tuple[int, str], int]:
    """Return the IDs of the domains in a file, by their engines' IDs and their names."""
    return {
        (engine, json.loads(state)["name"]): number
        for number, engine, state in schema.read(connection, "domains")
    }


class Places(NamedTuple):
    """Where the executions of an engine are in a file.

    Attributes:
        forgotten: the executions that are no longer retained.
        history: the IDs of the rows of `history` that hold the events of each execution.
    """

    forgotten: list[WorkflowExecution]
    history: dict[WorkflowExecution, array[int]]


def read_engines(
    connection: Connection, engines: Mapping[int, Engine], *, whole: bool = False
) -> dict[int, Places]:
    """Restore engines from a file; afterwards their changes are tracked.

    Args:
        connection: to the file.
        engines: the engines, by their IDs in the file; whatever is in them is discarded. Others in
            the file are ignored.
        whole: whether to read the histories of closed executions as well, instead of relying on
            what is stored about them.

    Returns:
        For each engine where its executions are in the file.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    restores = {}
    for number, engine in engines.items():
        engine.reset()
        restores[number] = Restore(engine)
    domains: dict[int, tuple[Restore, Domain] | None] = {}
    for number, engine_number, text in schema.read(connection, "domains"):
        restore, state = restores.get(engine_number), json.loads(text)
        if state["started"] > MOST_STARTED:
            raise ValueError(f"a domain has had {state['started']} executions")
        domains[number] = None if restore is None else (restore, restore.domain(**state))
    executions: dict[tuple[int, int], WorkflowExecution] = {}
    closed: dict[WorkflowExecution, tuple[Restore, dict[str, Any], list[str]]] = {}

    def rows(table: str) -> Iterator[tuple[Restore, Domain, int, Row]]:
        place = schema.COLUMNS[table].index("domain")
        for row in schema.read(connection, table):
            found = domains[row[place]]
            if found is not None:
                yield *found, row[place], row[place + 1 :]

    for restore, domain, _, (kind, _, state) in rows("types"):
        restore.type(domain, kind, **json.loads(state))
    for restore, domain, domain_id, (number, state) in rows("executions"):
        workflow_id, run_id, close_number, places, summary, time_out = json.loads(state)
        places = {int(scheduled_id): place for scheduled_id, place in places.items()}
        execution = restore.execution(domain, number, workflow_id, run_id, close_number, places)
        executions[domain_id, number] = execution
        if time_out is not None:
            key, at = time_out
            restore.effect(key, at, schema.TIME_OUT, [execution])
        if summary is not None and not whole:
            closed[execution] = restore, summary, []
    layout = EventLayout.read(connection)
    history = _read_history(connection, layout, domains, executions, closed)
    for execution, (restore, summary, texts) in closed.items():
        restore.closed(execution, StoredEvents(layout, texts, summary["length"]), summary)
    for restore, _, domain_id, (number, scheduled_id, at, details) in rows("heartbeats"):
        restore.heartbeat(executions[domain_id, number], scheduled_id, at, json.loads(details))

    def argument(restore: Restore, domain: int, tag: str, value: Any, *opened: Any) -> Any:
        if tag == "value":
            return value
        execution = executions[domain, value]
        return execution if tag == "execution" else restore.opened(execution, *opened)

    for restore, _, domain_id, (_, key, at, kind, arguments) in rows("effects"):
        given = [argument(restore, domain_id, *each) for each in json.loads(arguments)]
        restore.effect(key, at, kind, given)
    found = {}
    for number, _, _, now in schema.read(connection, "engines"):
        if number in restores:
            restore = restores[number]
            found[number] = Places(restore.finish(now), history.get(restore, {}))
    for engine in engines.values():
        engine.track_changes()
    return found


def _read_history(
    connection: Connection,
    layout: EventLayout,
    domains: Mapping[int, tuple[Restore, Domain] | None],
    executions: Mapping[tuple[int, int], WorkflowExecution],
    closed: Mapping[WorkflowExecution, tuple[Restore, dict[str, Any], list[str]]],
) -> dict[Restore, dict[WorkflowExecution, array[int]]]:
    """Restore events, except those of closed executions; return the IDs of the rows of all."""
    rows: dict[Restore, dict[WorkflowExecution, array[int]]] = {}
    for row_id, domain_id, number, events in schema.read(connection, "history"):
        owner = domains[domain_id]
        if owner is None:
            continue
        restore, execution = owner[0], executions[domain_id, number]
        rows.setdefault(restore, {}).setdefault(execution, array("q")).append(row_id)
        if execution in closed:
            closed[execution][2].append(events)
        else:
            restore.events(execution, layout.decode(events))
    return rows


class LoadedSimulation(NamedTuple):
    """A simulation that was read from a file.

    Attributes:
        stored: the simulation.
        engines: its engines, by region; no effect happens in them.
    """

    stored: StoredSimulation
    engines: dict[str, Engine]


def load(connection: Connection, *, whole: bool = False) -> list[LoadedSimulation]:
    """Read everything in a file.

    Args:
        connection: to the file.
        whole: see `read_engines`.

    Raises:
        sqlite3.Error, LookupError, TypeError, ValueError, AssertionError: the file is damaged.
    """
    engines: dict[int, Engine] = {}
    loaded = []
    for stored in read_simulations(connection):
        settings = Settings.read(stored.settings)
        by_region = {}
        for region, number in stored.engines.items():
            engines[number] = by_region[region] = Engine(
                account=stored.key.account,
                region=region,
                seed=settings.seed,
                limits=settings.make_limits(),
            )
        loaded.append(LoadedSimulation(stored, by_region))
    read_engines(connection, engines, whole=whole)
    return loaded


class StoredEvents(Sequence[Event]):
    """The history of a closed execution, decoded when an event in the middle is first used.

    A server reads only the first and the last event of a closed execution when it starts.

    Args:
        layout: of the events in the file.
        texts: the events as they are stored, in their order.
        length: number of events.

    Raises:
        LookupError, TypeError, ValueError: the first or the last event cannot be decoded.
    """

    __slots__ = ("_decode", "_events", "_first", "_last", "_length", "_texts")

    def __init__(self, layout: EventLayout, texts: Sequence[str], length: int) -> None:
        self._decode = layout.decode
        first = self._decode(texts[0])
        self._first = first[0]
        self._last = (first if len(texts) == 1 else self._decode(texts[-1]))[-1]
        self._length = length
        self._texts = texts
        self._events: list[Event] | None = None

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if index == 0:
            return self._first
        if index == self._length - 1:
            return self._last
        if self._events is None:
            self._events = [event for text in self._texts for event in self._decode(text)]
            self._texts = ()
        return self._events[index]


# Verification


def verify_simulation(stored: StoredSimulation) -> None:
    """Refuse a simulation that no server can have; see `verify_engine` for the errors."""
    check_name(stored.key.name)
    check_account(stored.key.account)
    check_mode(stored.mode)
    _verify_instants("a simulation", stored.begun, stored.now)


def verify_engine(engine: Engine, executions: Iterable[WorkflowExecution]) -> None:
    """Refuse an engine in a state that the service cannot reach or cannot continue from.

    Args:
        engine: the engine; all its pending effects happen.
        executions: those in it, and those that its effects refer to.

    Raises:
        ValueError: a value is wrong; the message names it.
        AssertionError, LookupError, TypeError, ArithmeticError: something breaks an invariant.
    """
    if not isinstance(engine.region, str):
        raise ValueError(f"{engine.region!r:.40} is not a region")
    _verify_instants("an engine", engine.now, *(at for at, _, _ in engine.effects.entries()))
    for domain in engine.domains.values():
        _verify_domain(domain)
    numbers: dict[Domain, set[int]] = {domain: set() for domain in engine.domains.values()}
    for execution in executions:
        _verify_execution(execution)
        if execution.number in numbers[execution.domain]:
            raise ValueError(f"two executions of a domain have the number {execution.number}")
        numbers[execution.domain].add(execution.number)
    for _, _, effect in engine.effects.entries():
        if effect.kind not in EFFECTS:
            raise ValueError(f"{effect.kind!r:.40} is not a kind of effect")
    check(engine)
    while (at := engine.next_instant()) is not None:
        engine.run_until(at)


def _verify_domain(domain: Domain) -> None:
    what = f"the domain {domain.name!r:.40}"
    tags = [{"key": key, "value": value} for key, value in domain.tags.items()]
    _verify_request(
        "RegisterDomain",
        what,
        name=domain.name,
        description=domain.description,
        workflowExecutionRetentionPeriodInDays=domain.retention_period,
        tags=tags,
    )
    if type(domain.deprecated) is not bool:
        raise ValueError(f"{what} is deprecated: {domain.deprecated!r:.40}")
    if not 0 <= _whole_number(domain.closed) <= _whole_number(domain.started):
        raise ValueError(f"{what} has {domain.started} executions, {domain.closed} of them closed")
    for kind in (WORKFLOW, ACTIVITY):
        for key in domain.types(kind).keys(None):
            state = type_state(domain.types(kind).require(key))
            created_at, deprecated_at = state.pop("created_at"), state.pop("deprecated_at")
            what = f"the {kind} {key!r:.80}"
            _verify_instants(what, created_at, deprecated_at or created_at)
            defaults = state.pop("defaults")
            _verify_request(f"Register{kind}", what, domain=domain.name, **state, **defaults)


def _verify_execution(execution: WorkflowExecution) -> None:
    domain, what = execution.domain, f"the execution {execution.workflow_id!r:.40}"
    _verify_request(
        "DescribeWorkflowExecution", what, domain=domain.name, execution=execution.structure()
    )
    if not len(execution):
        raise ValueError(f"{what} has no events")
    for number, most in (
        (execution.number, domain.started),
        (execution.close_number or 1, domain.closed or 1),
    ):
        if not 1 <= _whole_number(number) <= most:
            raise ValueError(f"{what} is number {number} of {most}")
    for task in execution.activities.values():
        _verify_instants(what, task.heartbeat_at)
        details = task.heartbeat_details
        _verify_request("RecordActivityTaskHeartbeat", what, taskToken="-", details=details)
    for event_id in range(1, len(execution) + 1):
        _verify_event(execution, event_id, f"event {event_id} of {what}")


def _verify_event(execution: WorkflowExecution, event_id: int, what: str) -> None:
    """Refuse an event that the service does not write."""
    _verify_instants(what, execution.time(event_id))
    kind, attributes = execution.event_type(event_id), execution.attributes(event_id)
    required, checks = _checks(event_types()[kind].attributes_key)
    try:
        known = {member: checks[member](value) for member, value in attributes.items()}
    except (Fault, Refused) as refusal:
        raise ValueError(f"{what} is wrong: {refusal.message}") from None
    if known != attributes or not attributes.keys() >= required:
        raise ValueError(f"{what} is not as the service writes a {kind}")


@cache
def _checks(attributes_key: str) -> tuple[set[str], dict[str, Check]]:
    """Return the required members of an event's attributes, and the check of each member."""
    shape = service_model().shape_for("HistoryEvent").members[attributes_key]
    checks = {
        name: _whole_number if member.type_name == "long" else compiled(member, name, exact=False)
        for name, member in shape.members.items()
    }
    return set(shape.required_members), checks


def _verify_request(operation: str, what: str, **members: Any) -> None:
    """Refuse values that the service would not have accepted in a request."""
    given = {name: value for name, value in members.items() if value is not None}
    try:
        known = checked(operation, given)
    except Fault as fault:
        raise ValueError(f"{what} is wrong: {fault.message}") from None
    if known != given:
        raise ValueError(f"{what} has members that are not known")


def _verify_instants(what: str, *instants: Any) -> None:
    for at in instants:
        # A time that a datetime cannot hold is shown as the nearest that it can.
        shown = (instant(_whole_number(at)) - instant(0)) // timedelta(milliseconds=1)
        if shown != at:
            raise ValueError(f"{what} has a time of {at!r:.40}, which no clock shows")


def _whole_number(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r:.40} is not a whole number")
    return value

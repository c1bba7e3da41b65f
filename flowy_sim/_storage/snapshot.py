"""Snapshots: simulations, or parts of them, as database files of their own.

A snapshot has the format of any other file: a server can serve it. It is written from engines in
memory, whether these are restored from a file or served at the moment. An import restores the
engines of a snapshot, checks that they are sound, and adds *them* to another file, in one
transaction: no byte of a file from elsewhere is copied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from sqlite3 import Connection
from tempfile import TemporaryDirectory
from typing import NamedTuple

from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import LifeCycleError, OpenItem
from flowy_sim._engine.queues import Effect
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._events.rules import Violation
from flowy_sim._storage import files
from flowy_sim._storage.file_reader import LoadedSimulation, load
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.tables import (
    TIME_OUT,
    EventLayout,
    domain_state,
    encode,
    execution_of,
)
from flowy_sim._storage.unit_of_work import ExecutionRow, Ids, UnitOfWork
from flowy_sim._storage.verification import verify_engine, verify_simulation
from flowy_sim._storage.writable_file import writing


class Selection(NamedTuple):
    """What a snapshot contains; everything by default.

    Attributes:
        simulation: the name of a simulation; None for all.
        domain: the name of a domain; None for all.
        workflow_ids: workflow IDs in the domain; empty for all. All their runs are in it, their
            parents and children, and executions that a pending effect refers to.
    """

    simulation: str | None = None
    domain: str | None = None
    workflow_ids: Collection[str] = ()


EVERYTHING = Selection()


class NothingSelectedError(Exception):
    """What was selected does not exist; the message names it."""


class SnapshotError(Exception):
    """A snapshot cannot be imported; the message says why."""


class Imported(NamedTuple):
    """What was imported.

    Attributes:
        simulations, executions, events: how many.
        lost_tokens: number of tasks that a worker holds with a token that is no longer valid,
            because the simulation that they were added to has another seed.
    """

    simulations: int
    executions: int
    events: int
    lost_tokens: int


# Snapshots


def snapshot_file(
    path: Path, output: Path, selection: Selection = EVERYTHING, *, said: str = ""
) -> None:
    """Write a snapshot of what is in a file, which no server has open.

    Args:
        path: the file; it is not changed.
        output: the snapshot, which must not exist.
        selection: what it has.
        said: what messages call the file; its path by default.

    Raises:
        FileRefusedError: one of the files cannot be used.
        NothingSelectedError: what was selected does not exist.
    """
    with files.reading(path, said) as connection:
        write_snapshot(load(connection), output, selection)


def write_snapshot(
    simulations: Iterable[LoadedSimulation], output: Path, selection: Selection = EVERYTHING
) -> None:
    """Write a snapshot of simulations; see `snapshot_file`."""
    unit = UnitOfWork(Ids(0, 0, {}), EventLayout({}))
    for simulation, contents in _selected(simulations, selection):
        _put_simulation(unit, simulation, contents)
    files.create(output, unit.write)


def snapshot_of(simulations: Iterable[LoadedSimulation]) -> bytes:
    """Return the content of a snapshot of simulations."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.db"
        write_snapshot(simulations, path)
        return path.read_bytes()


class _Content(NamedTuple):
    """What is exported or imported of an engine."""

    engine: Engine
    domains: list[Domain]
    executions: dict[WorkflowExecution, None]


def _selected(
    simulations: Iterable[LoadedSimulation], selection: Selection
) -> list[tuple[LoadedSimulation, list[_Content]]]:
    name, domain, workflow_ids = selection
    everything = {each.stored.key: each for each in simulations}
    chosen = [each for key, each in everything.items() if name in (None, key.name)]
    if name is not None and not chosen:
        known = ", ".join(repr(key.name) for key in everything) or "none"
        raise NothingSelectedError(f"There is no simulation {name!r}; there are {known}.")
    selected = []
    found: set[str] = set()
    for simulation in chosen:
        contents = [_content(engine, selection) for engine in simulation.engines.values()]
        contents = [content for content in contents if content.domains or domain is None]
        if contents or domain is None:
            selected.append((simulation, contents))
        found |= {each.workflow_id for content in contents for each in content.executions}
    if not selected and domain is not None:
        raise NothingSelectedError(f"There is no domain {domain!r}.")
    missing = ", ".join(repr(each) for each in workflow_ids if each not in found)
    if missing:
        raise NothingSelectedError(f"There is no execution of {missing} in the domain {domain!r}.")
    return selected


def _content(engine: Engine, selection: Selection = EVERYTHING) -> _Content:
    """Return what is selected in an engine.

    That includes executions that are no longer retained while effects still refer to them.
    """
    name, workflow_ids = selection.domain, selection.workflow_ids
    domains = [each for each in engine.domains.values() if name in (None, each.name)]
    executions = list(engine.executions.values())
    for _, _, effect in engine.effects.entries():
        executions += _referred(effect)
    executions = [each for each in dict.fromkeys(executions) if each.domain in domains]
    if workflow_ids:
        executions = _related(engine, executions, workflow_ids)
    return _Content(engine, domains, dict.fromkeys(executions))


def _referred(effect: Effect) -> list[WorkflowExecution]:
    return [
        execution_of(argument)
        for argument in effect.arguments
        if isinstance(argument, WorkflowExecution | OpenItem)
    ]


def _related(
    engine: Engine, executions: list[WorkflowExecution], workflow_ids: Collection[str]
) -> list[WorkflowExecution]:
    """Return the executions of some workflow IDs, and those that are related to them."""
    related: dict[WorkflowExecution, set[WorkflowExecution]] = {each: set() for each in executions}
    by_run_id = {execution.run_id: execution for execution in executions}
    first_runs: dict[str, WorkflowExecution] = {}

    def relate(one: WorkflowExecution, other: WorkflowExecution | None) -> None:
        if one in related and other in related:
            related[one].add(other)
            related[other].add(one)

    for execution in executions:
        relate(execution, first_runs.setdefault(execution.workflow_id, execution))
        relate(execution, by_run_id.get(execution.parent[0]) if execution.parent else None)
    for _, _, effect in engine.effects.entries():
        owner, *others = _referred(effect)
        for other in others:
            relate(owner, other)
    chosen: set[WorkflowExecution] = set()
    pending = [each for each in executions if each.workflow_id in workflow_ids]
    while pending:
        execution = pending.pop()
        if execution not in chosen:
            chosen.add(execution)
            pending += related[execution]
    return [execution for execution in executions if execution in chosen]


def _put_simulation(
    unit: UnitOfWork, simulation: LoadedSimulation, contents: Iterable[_Content]
) -> None:
    stored = replace(simulation.stored, number=unit.ids.new())
    unit.put_simulation(stored)
    for content in contents:
        _Writer(unit, unit.ids.new(), content).write(stored.number)


class _Writer:
    """Adds the content of an engine to a unit of work.

    Args:
        unit: the unit of work.
        number: the ID of the engine.
        content: what to write.
        present: the engine that is there under that id, if any. What is written is numbered after
            its executions, its effects, and the places of its waiting tasks.
    """

    def __init__(
        self, unit: UnitOfWork, number: int, content: _Content, present: Engine | None = None
    ) -> None:
        self._unit = unit
        self._number = number
        self._content = content
        self._present = present
        self._ids: dict[Domain, int] = {}
        #: How many executions have started and closed before, in each domain.
        self._counts: dict[Domain, tuple[int, int]] = {}

    def write(self, simulation: int) -> None:
        """Add the content, with the ID of its simulation."""
        engine, present = self._content.engine, self._present
        now, places, last_key = engine.now, 0, 0
        if present is not None:
            now = max(now, present.now)
            places = sum(map(len, _content(present).executions))
            last_key = max((key for _, key, _ in present.effects.entries()), default=0)
        self._unit.put("engines", self._number, simulation, encode(engine.region), now)
        for domain in self._content.domains:
            former = None if present is None else present.domains.get(domain.name)
            self._write_domain(domain, former)
        effects = list(self._effects(last_key))
        self._write_executions(
            places,
            {owner: (key, at) for owner, key, at, effect in effects if effect.kind == TIME_OUT},
        )
        for owner, key, at, effect in effects:
            if effect.kind != TIME_OUT:
                started, _ = self._counts[owner.domain]
                self._unit.put_effect(self._row(owner), key, at, effect, started)

    def _write_domain(self, domain: Domain, present: Domain | None) -> None:
        number = self._ids[domain] = self._unit.ids.domain(self._number, domain.name)
        started, closed = (present.started, present.closed) if present else (0, 0)
        self._counts[domain] = started, closed
        counts = {"started": started + domain.started, "closed": closed + domain.closed}
        state = domain_state(present or domain) | counts
        self._unit.put("domains", number, self._number, encode(state))
        for kind in (WORKFLOW, ACTIVITY):
            for key in domain.types(kind).keys(None):
                if present is None or present.types(kind).get(key) is None:
                    self._unit.put_type(number, domain.types(kind).require(key))

    def _write_executions(
        self, places_before: int, time_outs: Mapping[WorkflowExecution, tuple[int, int]]
    ) -> None:
        places = _places(self._content, places_before)
        for execution in sorted(self._content.executions, key=lambda each: each.number):
            row = self._row(execution)
            _, closed = self._counts[execution.domain]
            self._unit.put_execution(
                row, execution, time_outs.get(execution), places.get(execution), closed
            )
            self._unit.append(row, tuple(execution.stored(0)))
            for task in execution.activities.values():
                if task.started_id:
                    self._unit.put_heartbeat(row, task)

    def _effects(self, last_key: int) -> Iterator[tuple[WorkflowExecution, int, int, Effect]]:
        """Yield each effect with the execution that it belongs to, a new key, and its instant."""
        for at, _, effect in sorted(self._content.engine.effects.entries(), key=itemgetter(1)):
            owner = execution_of(effect.arguments[0])
            if owner in self._content.executions:
                last_key += 1
                yield owner, last_key, at, effect

    def _row(self, execution: WorkflowExecution) -> ExecutionRow:
        started, _ = self._counts[execution.domain]
        return self._ids[execution.domain], started + execution.number


def _places(content: _Content, place: int) -> dict[WorkflowExecution, dict[str, int]]:
    """Return the order in which waiting tasks of the same priority are handed out."""
    places: dict[WorkflowExecution, dict[str, int]] = {}
    for domain in content.domains:
        for lists in (domain.decision_lists, domain.activity_lists):
            for name in sorted(lists.names()):
                for task in lists.waiting(name):
                    if task.execution in content.executions:
                        place += 1
                        places.setdefault(task.execution, {})[str(task.opened_id)] = place
    return places


# Import


def import_file(path: Path, snapshot: Path, *, name: str | None, said: str = "") -> Imported:
    """Add everything in a snapshot to a file, or nothing.

    Args:
        path: the file; it is created if it does not exist. No server may have it open.
        snapshot: the snapshot, or any other file; it is not changed.
        name: another name for the simulation.
        said: what messages call the snapshot; its path by default.

    Raises:
        SnapshotError: the snapshot is not sound. The file is unchanged.
        FileRefusedError: one of the files cannot be used, or the snapshot does not fit into the
            file, which is unchanged.
    """
    arriving = read_snapshot(snapshot, name=name, said=said)
    is_new = files.is_missing(path)
    if is_new:
        files.create(path)
    try:
        return _add(path, arriving)
    except BaseException:
        if is_new:
            path.unlink()
        raise


def read_snapshot(
    snapshot: Path, *, name: str | None = None, said: str = ""
) -> list[LoadedSimulation]:
    """Return the simulations in a snapshot if all of them are sound; see `import_file`."""
    with files.reading(snapshot, said) as connection:
        try:
            for each in _load(connection, name):
                for engine in each.engines.values():
                    verify_engine(engine, _content(engine).executions)
            # All their effects have happened by now.
            return _load(connection, name)
        except files.DAMAGE as error:
            # The messages of Python's own errors are hard to understand without the name of the
            # class.
            own = isinstance(error, Violation | LifeCycleError) or type(error) is ValueError
            reason = str(error) if own else f"{type(error).__name__}: {error}"
    raise SnapshotError(f"{said or snapshot} cannot be imported: {reason.rstrip('.')}.")


def _load(connection: Connection, name: str | None) -> list[LoadedSimulation]:
    loaded = load(connection, whole=True)
    if name is not None:
        if len(loaded) != 1:
            raise ValueError(f"it has {len(loaded)} simulations, and only one can be renamed")
        stored = loaded[0].stored
        stored.key = stored.key._replace(name=name)
    if len({each.stored.key for each in loaded}) < len(loaded):
        raise ValueError("it has a simulation twice")
    for each in loaded:
        verify_simulation(each.stored)
    return loaded


def _add(path: Path, arriving: list[LoadedSimulation]) -> Imported:
    seen = files.signature(path)
    with files.reading(path) as connection:
        unit = UnitOfWork(Ids.read(connection), EventLayout.read(connection))
        present = {each.stored.key: each for each in load(connection)}
    executions: list[WorkflowExecution] = []
    lost_tokens = 0
    for each in arriving:
        contents = list(map(_content, each.engines.values()))
        beside = present.get(each.stored.key)
        if beside is None:
            _put_simulation(unit, each, contents)
        else:
            lost_tokens += _merge(unit, each, contents, beside, path)
        executions += (execution for content in contents for execution in content.executions)
    unit.changes = len(executions)
    with writing(path, seen) as file:
        file.write(unit)
        file.flush()
    return Imported(len(arriving), len(executions), sum(map(len, executions)), lost_tokens)


def _merge(
    unit: UnitOfWork,
    arriving: LoadedSimulation,
    contents: Iterable[_Content],
    present: LoadedSimulation,
    path: Path,
) -> int:
    """Add to an existing simulation; return how many tokens are no longer valid."""
    stored = present.stored
    if stored.now < arriving.stored.now:
        raise FileRefusedError(
            f"The clock in {path} is behind that of the snapshot; let time pass there first."
        )
    lost_tokens = 0
    for content in contents:
        engine = present.engines.get(content.engine.region)
        if engine is not None:
            _check_room(engine, content, path)
        number = stored.engines.get(content.engine.region) or unit.ids.new()
        _Writer(unit, number, content, engine).write(stored.number)
        if stored.settings["seed"] != arriving.stored.settings["seed"]:
            for each in content.executions:
                tasks = (each.running_decision_task, *each.activities.values())
                lost_tokens += sum(1 for task in tasks if task is not None and task.is_held)
    return lost_tokens


def _check_room(engine: Engine, content: _Content, path: Path) -> None:
    """Refuse executions that cannot be in an engine together with the existing ones."""
    for execution in content.executions:
        if execution.run_id in engine.executions:
            raise FileRefusedError(
                f"{path} already has the run {execution.run_id} of {execution.workflow_id!r}."
            )
        domain = engine.domains.get(execution.domain.name)
        if domain is not None and execution.workflow_id in domain.open_executions:
            raise FileRefusedError(
                f"In {path} an execution of {execution.workflow_id!r} is open, and only one can be "
                "at a time."
            )

"""Simulations from a JSON document into a file, all of it or nothing.

A simulation that is not in the file is begun there. One that is gets the executions, domains and
types added to its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flowy_sim._engine.engine import Engine
from flowy_sim._simulation.tasks import all_handed_out
from flowy_sim._storage import files
from flowy_sim._storage.documents import Document, changes_from
from flowy_sim._storage.files import FileRefusedError
from flowy_sim._storage.importing import Arriving, read_document
from flowy_sim._storage.restore import Loaded, load, read_ids
from flowy_sim._storage.restoring import restore
from flowy_sim._storage.tracking import Changes, Tracker
from flowy_sim._storage.unit_of_work import Batch, Ids


class Imported(NamedTuple):
    """What was imported.

    Attributes:
        simulations: the names of the simulations.
        executions: how many executions.
        events: how many events they have.
        lost_tokens: how many tasks are held by somebody whose token is no good any more, because
            the simulation that they came to has another seed.
    """

    simulations: list[str]
    executions: int
    events: int
    lost_tokens: int


def import_file(path: Path, document: Any) -> Imported:
    """Put what a document holds into a file.

    Args:
        path: the file, which is made if there is none. Nobody may have it open.
        document: as JSON was read.

    Raises:
        DocumentError: the document is not what `flowy_sim._storage.exporting` writes, or does not
            fit what is in the file. The file was not changed.
        FileRefusedError: the file cannot be used; it was not changed.
    """
    arriving = read_document(document)
    is_new = files.is_missing(path)
    if is_new:
        files.create(path)
    try:
        return _add(path, arriving)
    except BaseException:
        if is_new:
            path.unlink()
        raise


def _add(path: Path, arriving: list[Arriving]) -> Imported:
    seen = files.signature(path)
    with files.looking_at(path) as connection:
        ids = read_ids(connection)
        there = {(each.kept.name, each.kept.account): each for each in load(connection)}
    batch = Batch(ids)
    lost_tokens = 0
    for each in arriving:
        present = there.get((each.name, each.account))
        if present is None:
            _add_simulation(batch, ids, each)
        else:
            lost_tokens += _add_executions(batch, ids, each, present, path)
    with files.writing(path, seen) as connection:
        batch.write(connection)
    executions = list(_executions(arriving))
    return Imported(
        [each.name for each in arriving],
        len(executions),
        sum(len(execution["events"]) for execution in executions),
        lost_tokens,
    )


def _executions(arriving: list[Arriving]) -> Iterator[Document]:
    for simulation in arriving:
        for region in simulation.regions:
            for domain in region["domains"]:
                yield from domain["executions"]


def _add_simulation(batch: Batch, ids: Ids, arriving: Arriving) -> None:
    number = ids.new()
    settings = arriving.settings.written()
    state = [arriving.name, arriving.account, settings, arriving.now, arriving.mode]
    batch.simulation(number, state, arriving.now)
    for region in arriving.regions:
        batch.engine(ids.new(), number, region["region"], changes_from(region))


def _add_executions(batch: Batch, ids: Ids, arriving: Arriving, present: Loaded, path: Path) -> int:
    """Add what arrives to a simulation that is there; return how many tokens are lost."""
    kept = present.kept
    if kept.now < arriving.now:
        raise FileRefusedError(
            f"In {path} it is earlier than in what is to be added to it; let time pass there first."
        )
    numbers = {each.region: each.id for each in kept.engines}
    lost_tokens = 0
    for region in arriving.regions:
        name = region["region"]
        engine = present.engines.get(name)
        number = numbers.get(name) or ids.new()
        if engine is None:
            changes = changes_from(region)
        else:
            _check_room(engine, region, path)
            changes = changes_from(_beside(engine, region))
            _leave_known_types(changes, engine)
            changes.now = max(changes.now, engine.now)
        batch.engine(number, kept.id, name, changes)
        if kept.settings["seed"] != arriving.settings.seed:
            lost_tokens += _held_tasks(region)
    return lost_tokens


def _check_room(engine: Engine, region: Document, path: Path) -> None:
    """Refuse executions that cannot be beside those that are there."""
    for domain in region["domains"]:
        present = engine.domains.get(domain["name"])
        for execution in domain["executions"]:
            named = execution["workflowExecution"]
            if named["runId"] in engine.executions:
                raise FileRefusedError(
                    f"{path} already has the run {named['runId']} of {named['workflowId']!r}."
                )
            if present is not None and named["workflowId"] in present.open_executions:
                raise FileRefusedError(
                    f"In {path} an execution of {named['workflowId']!r} is open, and there can be "
                    "one at a time."
                )


def _beside(engine: Engine, region: Document) -> Document:
    """Return the document of an engine, numbered on from what is in an engine already."""
    keys = max((key for _, key, _ in engine.deadlines.entries()), default=0)
    places = sum(map(len, engine.executions.values()))
    domains = []
    for domain in region["domains"]:
        present = engine.domains.get(domain["name"])
        if present is not None:
            domain = {
                **domain,
                "description": present.description,
                "retention": present.retention_period,
                "tags": present.tags,
                "deprecated": present.deprecated,
            }
        started, closed = (present.started, present.closed) if present else (0, 0)
        domains.append(
            {
                **domain,
                "started": started + domain["started"],
                "closed": closed + domain["closed"],
                "executions": [
                    _numbered_on(execution, started, closed, keys, places)
                    for execution in domain["executions"]
                ],
            }
        )
    return {**region, "domains": domains}


def _numbered_on(
    execution: Document, started: int, closed: int, keys: int, places: int
) -> Document:
    closed_as = execution["closed_as"]
    return {
        **execution,
        "number": started + execution["number"],
        "closed_as": None if closed_as is None else closed + closed_as,
        "places": {task: places + place for task, place in execution["places"].items()},
        "deadlines": [
            [keys + key, at, kind, [_refer_on(argument, started) for argument in arguments]]
            for key, at, kind, arguments in execution["deadlines"]
        ],
    }


def _refer_on(argument: list[Any], started: int) -> list[Any]:
    tag, value, *rest = argument
    return argument if tag == "value" else [tag, started + value, *rest]


def _leave_known_types(changes: Changes, engine: Engine) -> None:
    changes.types = [
        each
        for each in changes.types
        if each[0] not in engine.domains
        or engine.domains[each[0]].types(each[1]).get(each[2]) is None
    ]


def _held_tasks(region: Document) -> int:
    """Return how many tasks of executions that are open are held by somebody."""
    engine = Engine(region=region["region"])
    restore(changes_from(region), Tracker(engine))
    return len(list(all_handed_out(engine)))

"""What an engine holds, as one JSON object, and back.

Histories are in it as the service sends them, with times in seconds since 1970, so that an
execution can be taken out and read by whatever reads a history. Beside each stands what its
history does not tell: at which places its tasks wait, the last heartbeats, and what will happen
by itself. Two engines in the same state have the same object.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from flowy_sim._engine.actions import ACTIONS
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import Engine
from flowy_sim._engine.events import event_types
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._engine.timer_queue import Deadline
from flowy_sim._engine.validation import checked
from flowy_sim._storage.codec import argument_state, domain_state, type_state
from flowy_sim._storage.forms import DocumentError, check, check_event, check_instant
from flowy_sim._storage.tracking import Changes, Key, execution_of

Document = dict[str, Any]

_NUMBER_OR_NONE = (int, type(None))
_TEXT_OR_NONE = (str, type(None))
_TYPE = {
    "name": str,
    "version": str,
    "description": _TEXT_OR_NONE,
    "defaults": dict,
    "created_at": int,
    "deprecated_at": _NUMBER_OR_NONE,
}
_EXECUTION = {
    "number": int,
    "closed_as": _NUMBER_OR_NONE,
    "workflowExecution": {"runId": str, "workflowId": str},
    "events": [dict],
    "places": {str: int},
    "heartbeats": [list],
    "deadlines": [list],
}
_DOMAIN = {
    "name": str,
    "description": _TEXT_OR_NONE,
    "retention": str,
    "tags": {str: str},
    "deprecated": bool,
    "started": int,
    "closed": int,
    WORKFLOW: [_TYPE],
    ACTIVITY: [_TYPE],
    "executions": [_EXECUTION],
}
_ENGINE = {"region": str, "now": int, "domains": [_DOMAIN]}
#: Executions that a domain may ever have had: so many run ids are made again when it is read.
_MOST_STARTED = 100_000_000


def engine_document(engine: Engine) -> Document:
    """Return all that an engine holds, as data that JSON can carry."""
    return _Writing(engine).document()


class _Writing:
    """An engine while it is written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executions = dict.fromkeys(engine.executions.values())
        self._deadlines: dict[Execution, list[Any]] = {}
        entries = sorted(engine.deadlines.entries(), key=itemgetter(1))
        for key, (at, _, deadline) in enumerate(entries, 1):
            self._note(key, at, deadline)
        self._of_domain: dict[Domain, list[Execution]] = {}
        for execution in self._executions:
            self._of_domain.setdefault(execution.domain, []).append(execution)

    def _note(self, key: int, at: int, deadline: Deadline) -> None:
        owner = execution_of(deadline.arguments[0])
        arguments = [argument_state(argument) for argument in deadline.arguments]
        self._deadlines.setdefault(owner, []).append([key, at, deadline.kind, arguments])
        for argument in deadline.arguments:
            # Also executions that are not retained any longer, while something refers to them.
            if isinstance(argument, Execution | Open):
                self._executions[execution_of(argument)] = None

    def document(self) -> Document:
        domains = self._engine.domains.values()
        return {
            "region": self._engine.region,
            "now": self._engine.now,
            "domains": [self._domain(domain) for domain in domains],
        }

    def _domain(self, domain: Domain) -> Document:
        executions = sorted(self._of_domain.get(domain, ()), key=lambda each: each.number)
        places = _places(domain)
        return {
            **domain_state(domain),
            **{
                kind: [type_state(types.require(key)) for key in types.keys(None)]
                for kind in (WORKFLOW, ACTIVITY)
                for types in (domain.types(kind),)
            },
            "executions": [self._execution(each, places.get(each, {})) for each in executions],
        }

    def _execution(self, execution: Execution, places: dict[str, int]) -> Document:
        return {
            "number": execution.number,
            "closed_as": execution.close_number,
            "workflowExecution": execution.structure(),
            "events": [
                {**event, "eventTimestamp": execution.time(event["eventId"]) / 1000}
                for event in execution.events(1, len(execution))
            ],
            "places": places,
            "heartbeats": list(_heartbeats(execution)),
            "deadlines": self._deadlines.get(execution, []),
        }


def _places(domain: Domain) -> dict[Execution, dict[str, int]]:
    """Return the places at which tasks wait: a lower one is handed out earlier than its equals."""
    places: dict[Execution, dict[str, int]] = {}
    place = 0
    for lists in (domain.decision_lists, domain.activity_lists):
        for name in sorted(lists.names()):
            for task in lists.waiting(name):
                place += 1
                places.setdefault(task.execution, {})[str(task.opened_id)] = place
    return places


def _heartbeats(execution: Execution) -> Iterator[list[Any]]:
    for task in execution.activities.values():
        heard = (task.heartbeat_at, task.heartbeat_details)
        if task.started_id and heard != (execution.time(task.started_id), None):
            yield [task.opened_id, *heard]


def check_engine(document: Any, place: str) -> None:
    """Refuse what `engine_document` cannot have returned, as far as its form tells.

    Args:
        document: as JSON was read.
        place: where it stands.

    Raises:
        DocumentError: it has another form.
    """
    check(document, _ENGINE, place)
    check_instant(document["now"], f"{place}.now")
    for number, domain in enumerate(document["domains"]):
        _check_domain(domain, f"{place}.domains[{number}]")


def _check_domain(domain: Document, place: str) -> None:
    description = domain["description"]
    request = {
        "name": domain["name"],
        "workflowExecutionRetentionPeriodInDays": domain["retention"],
        **({} if description is None else {"description": description}),
    }
    _check_request("RegisterDomain", request, place)
    if not domain["closed"] <= domain["started"] <= _MOST_STARTED:
        raise DocumentError(f"{place}.started is {domain['started']}, which cannot be.")
    for kind in (WORKFLOW, ACTIVITY):
        for number, registered in enumerate(domain[kind]):
            _check_type(domain["name"], kind, registered, f"{place}.{kind}[{number}]")
    for number, execution in enumerate(domain["executions"]):
        where = f"{place}.executions[{number}]"
        _check_execution(execution, where)
        for count, most in (("number", "started"), ("closed_as", "closed")):
            if execution[count] is not None and not 1 <= execution[count] <= domain[most]:
                raise DocumentError(f"{where}.{count} is {execution[count]}, which cannot be.")


def _check_type(domain: str, kind: str, registered: Document, place: str) -> None:
    members = {name: registered[name] for name in ("name", "version", "description")}
    given = {name: value for name, value in members.items() if value is not None}
    request = {"domain": domain, **given, **registered["defaults"]}
    _check_request(f"Register{kind}", request, place)
    for name in ("created_at", "deprecated_at"):
        if registered[name] is not None:
            check_instant(registered[name], f"{place}.{name}")


def _check_request(operation: str, request: Document, place: str) -> None:
    """Refuse what cannot have been registered so."""
    try:
        kept = checked(operation, request)
    except Fault as fault:
        raise DocumentError(f"{place} cannot be: {fault.message}.") from None
    if kept != request:
        raise DocumentError(f"{place} has something that is not known.")


def _check_execution(execution: Document, place: str) -> None:
    if not execution["events"]:
        raise DocumentError(f"{place}.events is empty.")
    for event_id, event in enumerate(execution["events"], 1):
        check_event(event, event_id, f"{place}.events[{event_id - 1}]")
    for number, heartbeat in enumerate(execution["heartbeats"]):
        where = f"{place}.heartbeats[{number}]"
        _check_row(heartbeat, [int, int, _TEXT_OR_NONE], where)
        check_instant(heartbeat[1], f"{where}[1]")
    for number, deadline in enumerate(execution["deadlines"]):
        where = f"{place}.deadlines[{number}]"
        _check_row(deadline, [int, int, str, [list]], where)
        check_instant(deadline[1], f"{where}[1]")
        if deadline[2] not in ACTIONS:
            raise DocumentError(f"{where} is of the kind {deadline[2]!r:.40}, which is not known.")


def _check_row(row: list[Any], forms: list[Any], place: str) -> None:
    if len(row) != len(forms):
        raise DocumentError(f"{place} has {len(row)} elements, not {len(forms)}.")
    for number, (value, form) in enumerate(zip(row, forms, strict=True)):
        check(value, form, f"{place}[{number}]")


def changes_from(document: Document) -> Changes:
    """Return what has to be written so that an engine holds what a document tells.

    Args:
        document: one that `check_engine` has let pass.

    Raises:
        LookupError, TypeError, ValueError, ArithmeticError: it cannot be.
    """
    changes = Changes(document["now"])
    for domain in document["domains"]:
        name = domain["name"]
        changes.domains.append({state: domain[state] for state in _DOMAIN_STATE})
        for kind in (WORKFLOW, ACTIVITY):
            for state in domain[kind]:
                changes.types.append((name, kind, (state["name"], state["version"]), state))
        for execution in domain["executions"]:
            _add_execution(changes, Key(name, execution["number"]), execution)
    return changes


_DOMAIN_STATE = [name for name in _DOMAIN if name not in (WORKFLOW, ACTIVITY, "executions")]


def _add_execution(changes: Changes, key: Key, execution: Document) -> None:
    named = execution["workflowExecution"]
    changes.executions.append(
        (
            key,
            named["workflowId"],
            named["runId"],
            execution["closed_as"],
            execution["places"],
            None,
        )
    )
    changes.events.append((key, tuple(map(_event_from, execution["events"]))))
    changes.heartbeats += [(key, *heartbeat) for heartbeat in execution["heartbeats"]]
    changes.deadlines += [(key, *deadline) for deadline in execution["deadlines"]]


def _event_from(wire: Document) -> tuple[Any, ...]:
    event_type = event_types()[wire["eventType"]]
    at = round(wire["eventTimestamp"] * 1000)
    return event_type.freeze(at, wire[event_type.attributes_key])

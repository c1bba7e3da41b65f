"""Verifies what an untrusted file holds.

Restoring has shown that everything fits together. What remains is whether each value is one that
the service could have been given or could have written. The engine's own checks of requests and the
service model decide that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

from flowy_sim._engine.coercion import Refused
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import EFFECTS, Engine
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import event_types, instant, service_model
from flowy_sim._engine.registered_types import ACTIVITY, WORKFLOW
from flowy_sim._engine.validation import Check, checked, compiled
from flowy_sim._events.invariants import check
from flowy_sim._simulation.settings import check_account, check_mode, check_name
from flowy_sim._storage.file_reader import StoredSimulation
from flowy_sim._storage.tables import type_state


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

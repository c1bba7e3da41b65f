"""What an event does is written once: applied again, the events lead to the same state."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import settings

from flowy_sim._engine import Engine
from flowy_sim._engine.apply import APPLY
from flowy_sim._engine.changes import Changes
from flowy_sim._engine.closing import forget
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import EFFECTS, OUTLIVING
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.latency import KINDS
from flowy_sim._engine.life_cycles import CLOSED, TABLES, LifeCycleError, OpenItem
from flowy_sim._engine.restore import Restore
from tests.support.engine_driver import START
from tests.support.engine_machine import Service, run_campaign
from tests.support.properties import examples

#: What an event alone does not contain: pending effects, places on lists, heartbeats, and which run
#: a child is before its parent knows of it.
NOT_TOLD = {
    *("engine", "domain", "execution", "effect", "waiting_key"),
    *("heartbeat_at", "heartbeat_details", "run_id"),
}


class Replica:
    """An engine that receives only registrations and events."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.restore = Restore(self.engine)
        self.domains: dict[str, Domain] = {}
        self.executions: dict[WorkflowExecution, WorkflowExecution] = {}

    def add(self, changes: Changes) -> None:
        for domain in changes.domains:
            if domain.name not in self.domains:
                self.domains[domain.name] = self.restore.domain(
                    name=domain.name,
                    description=domain.description,
                    retention=domain.retention_period,
                    tags=domain.tags,
                    deprecated=domain.deprecated,
                    started=0,
                    closed=0,
                )
        for execution, events in changes.events:
            twin = self.executions.get(execution)
            if twin is None:
                twin = self.executions[execution] = WorkflowExecution(
                    self.engine,
                    self.domains[execution.domain.name],
                    execution.workflow_id,
                    execution.run_id,
                    execution.number,
                )
            for event in events:
                twin.apply(event)
        for execution in changes.forgotten:
            forget(self.executions[execution])


def state_of(engine: Engine) -> dict[str, Any]:
    return {
        "executions": {run_id: slots(each) for run_id, each in engine.executions.items()},
        "domains": {name: domain_state(domain) for name, domain in engine.domains.items()},
    }


def domain_state(domain: Domain) -> list[Any]:
    return [
        domain.closed,
        [(name, each.run_id) for name, each in domain.open_executions.items()],
        [listed(domain, closed) for closed in (False, True)],
    ]


def listed(domain: Domain, closed: bool) -> list[str]:
    request: dict[str, Any] = {"startTimeFilter": {"oldestDate": 0}}
    run_ids: list[str] = []
    after = None
    while True:
        page, after = domain.visibility.page(request, closed, after)
        run_ids += [execution.run_id for execution in page]
        if after is None:
            return run_ids


def slots(thing: Any) -> dict[str, Any]:
    names = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    return {name: value(getattr(thing, name)) for name in names if name not in NOT_TOLD}


def value(found: Any) -> Any:
    if isinstance(found, OpenItem):
        return slots(found)
    if isinstance(found, dict):
        return [(key, value(inner)) for key, inner in found.items()]
    return found


class Applied(Service):
    """A service whose events are also applied to another engine."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()

    def call(self, operation: str, request: Any) -> dict[str, Any] | None:
        if self.engine.changes is None:
            self.engine.track_changes()
        reply = super().call(operation, request)
        log = self.engine.changes
        assert log is not None
        self.replica.add(log.drain())
        return reply

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.check()

    def check(self) -> None:
        log = self.engine.changes
        assert log is not None
        self.replica.add(log.drain())
        assert state_of(self.replica.engine) == state_of(self.engine)


TestApplied: Callable[[], Any] = Applied.TestCase
Applied.TestCase.settings = settings(max_examples=examples(20), stateful_step_count=50)


@pytest.mark.parametrize("seed", range(examples(6)))
def test_events_applied_again_lead_to_the_same_state(seed: int) -> None:
    service = Applied()
    for step, _ in enumerate(run_campaign(service, seed, Random(seed))):
        if step % 10 == 0:
            service.check()


def test_every_event_of_a_life_cycle_is_applied() -> None:
    assert {event for table in TABLES for _, event in table} <= set(APPLY)


def test_every_life_cycle_ends() -> None:
    for table in TABLES:
        ended = set(table.values()) - {state for state, _ in table}
        assert ended == {CLOSED}


def test_an_event_that_cannot_follow_is_refused() -> None:
    engine = Engine()
    request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
    engine.call("RegisterDomain", request, START)
    execution = WorkflowExecution(engine, engine.domains["shop"], "w", "r", 1)
    with pytest.raises(LifeCycleError):
        execution.append("WorkflowExecutionCompleted", decisionTaskCompletedEventId=4)


def test_every_kind_of_effect_except_the_end_of_retention_can_be_late() -> None:
    assert set(EFFECTS) - {"retention"} == set(KINDS) - {"call"}
    assert set(KINDS) >= OUTLIVING

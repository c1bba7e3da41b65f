"""An engine is restored, or refused if it cannot have been in that state."""

from __future__ import annotations

from typing import Any

import pytest

from flowy_sim._engine import Engine
from flowy_sim._engine.changes import Changes
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import CLOSED
from flowy_sim._engine.restore import Restore
from tests.support.engine_driver import DOMAIN, PACK, Driver, decision

SCHEDULE = [
    decision("ScheduleActivityTask", activityId=str(number), activityType=PACK)
    for number in range(3)
]


class Restored:
    """Another engine with what has changed in a service; it is not completed yet."""

    def __init__(self, changes: Changes) -> None:
        self.engine = Engine()
        self.restore = Restore(self.engine)
        self.domain = self.restore.domain(
            name=DOMAIN,
            description=None,
            retention="7",
            tags={},
            deprecated=False,
            started=len(changes.executions),
            closed=0,
        )
        self.executions: dict[WorkflowExecution, WorkflowExecution] = {}
        self.changes = changes

    def add(self, execution: WorkflowExecution, **given: Any) -> WorkflowExecution:
        told = {"close_number": execution.close_number, **given}
        twin = self.restore.execution(
            self.domain, execution.number, execution.workflow_id, execution.run_id, **told
        )
        for written_in, events in self.changes.events:
            if written_in is execution:
                self.restore.events(twin, events)
        return twin


@pytest.fixture
def service() -> Driver:
    service = Driver()
    service.engine.track_changes()
    return service


def drained(service: Driver) -> Restored:
    assert service.engine.changes is not None
    return Restored(service.engine.changes.drain())


def waiting(engine: Engine) -> list[str]:
    return [task.activity_id for task in engine.domains[DOMAIN].activity_lists.waiting("work")]


def test_tasks_wait_in_the_order_of_their_events(service: Driver) -> None:
    run_id = service.start()
    service.decide(*SCHEDULE)
    restored = drained(service)
    restored.add(service.engine.executions[run_id])
    assert restored.restore.finish(service.now) == []
    assert waiting(restored.engine) == ["0", "1", "2"]


def test_tasks_wait_in_the_order_of_given_places(service: Driver) -> None:
    run_id = service.start()
    service.decide(*SCHEDULE)
    execution = service.engine.executions[run_id]
    places = {task.opened_id: -task.opened_id for task in execution.activities.values()}
    restored = drained(service)
    restored.add(execution, places=places)
    restored.restore.finish(service.now)
    assert waiting(restored.engine) == ["2", "1", "0"]


def test_a_task_that_was_handed_out_does_not_wait(service: Driver) -> None:
    run_id = service.start()
    service.decide(*SCHEDULE)
    service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})
    restored = drained(service)
    twin = restored.add(service.engine.executions[run_id])
    restored.restore.finish(service.now)
    assert waiting(restored.engine) == ["1", "2"]
    assert [task.is_held for task in twin.activities.values()] == [True, False, False]


def test_an_execution_whose_retention_has_ended_meanwhile_is_forgotten(service: Driver) -> None:
    run_id = service.start()
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    restored = drained(service)
    twin = restored.add(service.engine.executions[run_id])
    assert restored.restore.finish(service.now + 7 * 24 * 60 * 60 * 1000) == [twin]
    assert restored.engine.executions == {}


def test_a_closed_execution_needs_no_more_than_its_summary(service: Driver) -> None:
    run_id = service.start()
    service.decide(*SCHEDULE)
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    execution = service.engine.executions[run_id]
    restored = drained(service)
    twin = restored.restore.execution(restored.domain, 1, "order-1", run_id, 1)
    restored.restore.closed(twin, execution.stored(0), execution.summary())
    assert (twin.info(), twin.open_counts()) == (execution.info(), execution.open_counts())
    assert (twin.summary(), twin.close_number) == (execution.summary(), 1)


def test_an_execution_that_closes_needs_a_number(service: Driver) -> None:
    run_id = service.start()
    service.call("TerminateWorkflowExecution", domain=DOMAIN, workflowId="order-1")
    restored = drained(service)
    with pytest.raises(LookupError, match="not counted as closed"):
        restored.add(service.engine.executions[run_id], close_number=None)


def test_an_effect_may_be_about_an_activity_task_that_has_ended(service: Driver) -> None:
    run_id = service.start()
    service.decide(SCHEDULE[0])
    token = service.call("PollForActivityTask", domain=DOMAIN, taskList={"name": "work"})[
        "taskToken"
    ]
    service.call("RespondActivityTaskCompleted", taskToken=token)
    restored = drained(service)
    twin = restored.add(service.engine.executions[run_id])
    assert restored.restore.opened(twin, 5).state == CLOSED
    with pytest.raises(LookupError, match="ended"):
        restored.restore.opened(twin, 2)


def test_types_of_another_kind_are_refused(service: Driver) -> None:
    restored = drained(service)
    with pytest.raises(LookupError, match="no kind"):
        restored.restore.type(
            restored.domain,
            "OtherType",
            name="A",
            version="1",
            description=None,
            defaults={},
            created_at=0,
            deprecated_at=None,
        )

"""Fingerprints of states: two runs with equal fingerprints continue in the same ways.

Two states are equal if these are: the executions as deciders see them, what is due later, the tasks
that workers hold, the faults that may still strike, what each poll loop has received, and the
outside world as the test describes it (`Runner.watch`). A poll loop may remember everything that it
has received, so all of it counts, including empty polls and sleeps. Apart from that, event IDs, run
IDs, names of workers, and which of two running activities started first do not count, so orders
that differ only in these are explored once.

Model checkers such as SPIN and TLC prune states in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from flowy_sim._engine.events import TIME, TYPE, event_types
from flowy_sim._engine.execution import Execution
from flowy_sim.testing import Runner
from flowy_sim.testing._worker_pool import HeldAnswer

_MASK = (1 << 64) - 1

_IGNORED = frozenset({"ActivityTaskStarted", "LambdaFunctionStarted"})
"""Events whose place in a history makes no difference to deciders."""

_NAMED_BY = {"ActivityTask": "activityId", "LambdaFunction": "id"}
"""The attribute that names what was scheduled, by the prefix of the event types."""

Extract = Callable[[Execution, Any], object]
"""Extracts one part of an event that makes a difference to deciders."""


class Fingerprints:
    """Takes fingerprints of the states of one run.

    Args:
        runner: the runner of that run.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._read: dict[str, tuple[int, int]] = {}

    def current(self) -> int:
        """Return the fingerprint of the current state."""
        runner = self._runner
        engine, scheduler = runner.simulation.engine(), runner.scheduler
        executions = sum(map(self._execution, engine.executions.values())) & _MASK
        deadlines = sum(hash((at, due.kind)) for at, due in engine.effects) & _MASK
        plans = sum(
            hash((at, kind, _about(runner, about)))
            for at, kind, about in scheduler.delayed_calls.entries()
        )
        late = sum(
            hash((polled, _task(runner, task)))
            for polled, tasks in scheduler.worker_client.late.items()
            for task in tasks
        )
        return hash(
            (
                runner.simulation.clock.milliseconds,
                executions,
                deadlines,
                plans & _MASK,
                late & _MASK,
                scheduler.fault_injector.left,
                tuple((pool.has_idle, len(pool.lists), pool.answers) for pool in scheduler.pools),
                runner.progress,
                runner.outside_state(),
                tuple(runner.stub_dispatch.answered),
                tuple(map(id, scheduler.deployed.values())),
            )
        )

    def _execution(self, execution: Execution) -> int:
        read, digest = self._read.get(execution.run_id, (0, 0))
        for event in execution.stored(read):
            if event[TYPE] not in _IGNORED:
                parts = tuple(extract(execution, event) for extract in _extracts(event[TYPE]))
                digest = hash((digest, event[TIME], event[TYPE], parts))
        self._read[execution.run_id] = len(execution), digest
        return hash((execution.workflow_id, digest, frozenset(_open(execution))))


def _open(execution: Execution) -> Iterator[tuple[object, ...]]:
    """Yield the state of each open activity."""
    for task in execution.activities.values():
        started = execution.time(task.started_id) if task.started_id else 0
        yield task.activity_id, task.state, started, task.heartbeat_at, task.heartbeat_details


def _about(runner: Runner, about: object) -> object:
    if isinstance(about, HeldAnswer):
        request = about.call.request
        answer = {name: value for name, value in request.items() if name != "taskToken"}
        return about.call.operation, _task(runner, about.call.task), repr(answer)
    return _task(runner, about)


def _task(runner: Runner, task: Any) -> object:
    """Return what identifies a task that a worker holds, and whether it is still open."""
    if task is None:
        return None
    ids = task["workflowExecution"]
    execution = runner.simulation.engine().executions.get(ids["runId"])
    name = task.get("activityId")
    is_open_task = False
    if execution is not None and execution.is_open:
        opened = execution.activities.get(name) if name else execution.running_decision_task
        is_open_task = opened is not None and opened.started_id == task["startedEventId"]
    return ids["workflowId"], name, is_open_task


@cache
def _extracts(event_type: str) -> tuple[Extract, ...]:
    """Return what extracts the parts that matter of events of a type."""
    position = event_types()[event_type].position
    return tuple(
        extract
        for member, place in position.items()
        if (extract := _extract(event_type, member, place)) is not None
    )


def _extract(event_type: str, member: str, place: int) -> Extract | None:
    if member == "scheduledEventId":
        for beginning, name in _NAMED_BY.items():
            if event_type.startswith(beginning):
                return lambda execution, event: execution.member(event[place], name)
    if member == "identity" or member.endswith(("EventId", "RunId")):
        return None
    if member.lower().endswith("workflowexecution"):
        return lambda execution, event: event[place] and event[place][1]
    return lambda execution, event: event[place]

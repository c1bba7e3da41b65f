"""When two runs have come to the same state, so that all that follows is the same.

Two states are the same if the executions, as deciders see them, are, and what is waited for, what
is in hand and what may yet go wrong; and what the world outside looks like. Who started first of
two activities that both are being worked on, event ids, run ids and names of workers do not matter,
so orders that differ only in these are counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from flowy_sim._engine.events import TIME, TYPE, event_types
from flowy_sim._engine.execution import Execution
from flowy_sim.testing import Runner
from flowy_sim.testing._worker_pool import Held

_MASK = (1 << 64) - 1
_UNSEEN = frozenset({"ActivityTaskStarted", "LambdaFunctionStarted"})
"""Events whose place in a history means nothing."""

_NAMES = {"ActivityTask": "activityId", "LambdaFunction": "id"}
"""What tells the scheduled apart, by the beginnings of the types of events."""

Part = Callable[[Execution, Any], object]


class States:
    """Recognizes the states of one run."""

    def __init__(self, runner: Runner) -> None:
        """Start before the first turn."""
        self._runner = runner
        self._read: dict[str, tuple[int, int]] = {}

    def print(self) -> int:
        """Return a number that is the same for the same states, and another for others."""
        runner = self._runner
        engine, stage = runner.simulation.engine(), runner.stage
        executions = sum(map(self._execution, engine.executions.values())) & _MASK
        deadlines = sum(hash((at, due.kind)) for at, due in engine.effects) & _MASK
        plans = sum(hash((at, kind, _about(runner, x))) for at, kind, x in stage.agenda.entries())
        late = sum(
            hash((polled, _task(runner, task)))
            for polled, tasks in stage.desk.late.items()
            for task in tasks
        )
        return hash(
            (
                runner.simulation.clock.milliseconds,
                executions,
                deadlines,
                plans & _MASK,
                late & _MASK,
                stage.trouble.left,
                tuple((crew.has_idle, crew.unheard, len(crew.lists)) for crew in stage.crews),
                runner.progress,
                runner.world(),
                tuple(runner.stand_ins.chosen),
                tuple(map(id, stage.deployed.values())),
            )
        )

    def _execution(self, execution: Execution) -> int:
        read, digest = self._read.get(execution.run_id, (0, 0))
        for event in execution.stored(read):
            if event[TYPE] not in _UNSEEN:
                parts = tuple(part(execution, event) for part in _parts(event[TYPE]))
                digest = hash((digest, event[TIME], event[TYPE], parts))
        self._read[execution.run_id] = len(execution), digest
        return hash((execution.workflow_id, digest, frozenset(_open(execution))))


def _open(execution: Execution) -> Iterator[tuple[object, ...]]:
    """Yield how far the activities are that are open."""
    for task in execution.activities.values():
        started = execution.time(task.started_id) if task.started_id else 0
        yield task.activity_id, task.state, started, task.heartbeat_at, task.heartbeat_details


def _about(runner: Runner, about: object) -> object:
    if isinstance(about, Held):
        said = {name: value for name, value in about.call.request.items() if name != "taskToken"}
        return about.call.operation, _task(runner, about.call.task), repr(said)
    return _task(runner, about)


def _task(runner: Runner, task: Any) -> object:
    """Name a task that was handed out, and say whether it is still wanted."""
    if task is None:
        return None
    ids = task["workflowExecution"]
    execution = runner.simulation.engine().executions.get(ids["runId"])
    name = task.get("activityId")
    wanted = False
    if execution is not None and execution.is_open:
        opened = execution.activities.get(name) if name else execution.running_decision_task
        wanted = opened is not None and opened.started_id == task["startedEventId"]
    return ids["workflowId"], name, wanted


@cache
def _parts(event_type: str) -> tuple[Part, ...]:
    """Return what of an event of a type matters."""
    position = event_types()[event_type].position
    return tuple(
        part
        for member, place in position.items()
        if (part := _part(event_type, member, place)) is not None
    )


def _part(event_type: str, member: str, place: int) -> Part | None:
    if member == "scheduledEventId":
        for beginning, name in _NAMES.items():
            if event_type.startswith(beginning):
                return lambda execution, event: execution.member(event[place], name)
    if member == "identity" or member.endswith(("EventId", "RunId")):
        return None
    if member.lower().endswith("workflowexecution"):
        return lambda execution, event: event[place] and event[place][1]
    return lambda execution, event: event[place]

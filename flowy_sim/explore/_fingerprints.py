"""Fingerprints of states: two runs with equal fingerprints continue in the same ways.

Two states are equal if these are: the executions as deciders see them, what is due later, the
tasks that workers hold, the faults that may still strike, what each poll loop has received, and
the outside world as the test describes it (`Runner.watch`). A poll loop may remember everything
that it has received, so all of it counts, including empty polls and sleeps. Apart from that,
event IDs, run IDs, names of workers, and which of two running activities started first do not
count, so orders that differ only in these are explored once. Nor do answers that the service will
refuse because their tasks are over, if no fault can strike them and no worker is waited for.

Model checkers such as SPIN and TLC prune states in the same way.

The same state has the same fingerprint in every process, whatever its hash seed, so processes can
tell each other which states they have seen.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.model import TIME, TYPE, Event, event_types
from flowy_sim.testing import Runner
from flowy_sim.testing._worker_client import HeldAnswer

_IGNORED = frozenset({"ActivityTaskStarted", "LambdaFunctionStarted"})
"""Events whose place in a history makes no difference to deciders."""

_NAMED_BY = {"ActivityTask": "activityId", "LambdaFunction": "id"}
"""The attribute that names what was scheduled, by the prefix of the event types."""

Extract = Callable[[WorkflowExecution, Any], object]
"""Extracts one part of an event that makes a difference to deciders."""


class Fingerprints:
    """Takes fingerprints of the states of one run.

    Args:
        runner: the runner of that run.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._engine = runner.simulation.engine()
        # Of each execution, the number of events read, and what matters in them.
        self._read: dict[str, tuple[int, blake2b, bytes]] = {}

    def current(self) -> int:
        """Return the fingerprint of the current state."""
        runner, engine, scheduler = self._runner, self._engine, self._runner.scheduler
        # What is in no order is sorted as bytes: not all of it can be compared.
        executions = sorted(map(self._execution, engine.executions.values()))
        deadlines = sorted([(at, due.kind) for at, _, due in engine.effects.entries()])
        faults_left = scheduler.fault_injector.left
        refused_count = any(faults_left) or scheduler.worker_pools.size is not None
        plans = sorted(
            [
                _plain_data((at, kind, self._about(about)))
                for at, kind, about in scheduler.delayed_calls.entries()
                if refused_count or not self._is_refused(about)
            ]
        )
        late = sorted(
            [
                _plain_data((polled, self._task(task)))
                for polled, tasks in scheduler.worker_client.late.items()
                for task in tasks
            ]
        )
        return _stable_hash(
            (
                runner.simulation.clock.milliseconds,
                executions,
                deadlines,
                plans,
                late,
                faults_left,
                [pool.state for pool in scheduler.worker_pools.pools],
                runner.progress,
                runner.outside_state(),
                tuple(runner.stub_dispatch.answered),
                tuple(map(_code, scheduler.worker_pools.deployed.parts)),
                scheduler.disturbed_at if runner.ends_within is not None else None,
            )
        )

    def _execution(self, execution: WorkflowExecution) -> bytes:
        known = self._read.get(execution.run_id)
        read, digest, found = known or (0, blake2b(digest_size=8), b"")
        if read < len(execution):
            for event in execution.stored(read):
                if event[TYPE] not in _IGNORED:
                    plain, others = _parts(event[TYPE])
                    parts = plain(event), [extract(execution, event) for extract in others]
                    digest.update(_plain_data((event[TIME], event[TYPE], parts)))
            found = digest.digest()
            self._read[execution.run_id] = len(execution), digest, found
        return _plain_data((execution.workflow_id, found, sorted(_open(execution))))

    def _is_refused(self, about: object) -> bool:
        """Return whether a delayed call is an answer to a task that is over, or a heartbeat."""
        if not isinstance(about, HeldAnswer) or about.call.task is None:
            return False
        return not self._is_open(about.call.task)

    def _about(self, about: object) -> object:
        if isinstance(about, HeldAnswer):
            request = about.call.request
            answer = {name: value for name, value in request.items() if name != "taskToken"}
            return about.call.operation, self._task(about.call.task), repr(answer)
        return self._task(about)

    def _task(self, task: Any) -> object:
        """Return what identifies a task that a worker holds, and whether it is still open."""
        if task is None:
            return None
        return task["workflowExecution"]["workflowId"], task.get("activityId"), self._is_open(task)

    def _is_open(self, task: Any) -> bool:
        execution = self._engine.executions.get(task["workflowExecution"]["runId"])
        if execution is None or not execution.is_open:
            return False
        name = task.get("activityId")
        opened = execution.activities.get(name) if name else execution.running_decision_task
        return opened is not None and opened.started_id == task["startedEventId"]


def _stable_hash(value: Any) -> int:
    """Return a hash of plain data that does not depend on the process."""
    return int.from_bytes(blake2b(_plain_data(value), digest_size=8).digest())


def _plain_data(value: Any) -> bytes:
    try:
        return marshal.dumps(value, 2)  # Later versions tell whether two parts are one object.
    except ValueError:
        return repr(value).encode(errors="backslashreplace")


def _code(deployed: Any) -> object:
    """Return what identifies deployed code; code that cannot be imported exists here only."""
    name = getattr(deployed, "__qualname__", None)
    importable = name is not None and "<" not in name
    return (deployed.__module__, name) if importable else (name, id(deployed))


def _open(execution: WorkflowExecution) -> Iterator[tuple[object, ...]]:
    """Yield the state of each open activity, beginning with its ID, which no other has."""
    for task in execution.activities.values():
        started = execution.time(task.started_id) if task.started_id else 0
        waits = bool(task.waiting_key)
        yield (
            task.activity_id,
            task.state,
            started,
            task.heartbeat_at,
            task.heartbeat_details,
            waits,
        )


@cache
def _parts(event_type: str) -> tuple[Callable[[Event], object], tuple[Extract, ...]]:
    """Return what takes the parts of events of a type that matter as they are, and the others."""
    as_they_are, others = [], []
    for member, place in event_types()[event_type].position.items():
        extract = _extract(event_type, member, place)
        if extract is not None:
            others.append(extract)
        elif member != "identity" and not member.endswith(("EventId", "RunId")):
            as_they_are.append(place)
    return (itemgetter(*as_they_are) if as_they_are else _nothing), tuple(others)


def _extract(event_type: str, member: str, place: int) -> Extract | None:
    """Return what extracts a member that matters, but not as it is; else None."""
    if member == "scheduledEventId":
        for beginning, name in _NAMED_BY.items():
            if event_type.startswith(beginning):
                return lambda execution, event: execution.member(event[place], name)
    if member.lower().endswith("workflowexecution"):
        return lambda execution, event: event[place] and event[place][1]
    return None


def _nothing(event: Event) -> None:
    """Take nothing: only its type and its time matter."""

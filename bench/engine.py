"""How the engine's own cost grows: one long history, many timers, many events in memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from bench import images
from flowy_sim._engine import Engine

NOW = 1_700_000_000_000


class Direct:
    """The engine's calls with the methods and keywords of a boto3 client, and nothing more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.now = NOW

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        """Return the operation of that name."""
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **request: self._engine.call(operation, request, self.now)


def chain(length: int) -> float:
    """Return the seconds of one execution with a number of activities, one after another."""
    client = Direct(Engine())
    images.register(client)
    client.start_workflow_execution(
        domain=images.DOMAIN, workflowId="chain", workflowType=images.WORKFLOW
    )
    return _timed(lambda: _go_on(client, length))


def beside(count: int) -> float:
    """Return the seconds of 1,000 image workflows with a number of open executions."""
    client = Direct(Engine())
    images.register(client)
    for number in range(count):
        client.start_workflow_execution(
            domain=images.DOMAIN,
            workflowId=f"open-{number}",
            workflowType=images.WORKFLOW,
            taskList={"name": "nobody"},
        )
    return _timed(lambda: images.run(client, 1_000))


def long_history(length: int) -> float:
    """Return the seconds of 100 activities in an execution after a number of events."""
    client = Direct(Engine())
    images.register(client)
    client.start_workflow_execution(
        domain=images.DOMAIN, workflowId="chain", workflowType=images.WORKFLOW
    )
    _go_on(client, length // 6)
    return _timed(lambda: _go_on(client, 100))


def _go_on(client: Direct, activities: int) -> None:
    for number in range(activities):
        task = client.poll_for_decision_task(
            domain=images.DOMAIN, taskList=images.DECISIONS, startAtPreviousStartedEvent=True
        )
        decision = images.schedule(images.RESIZE, str(number))
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
        images.work(client)


def timers(count: int, batch: int = 500) -> tuple[float, float]:
    """Return the microseconds to set and cancel a timer, and to set and fire one.

    Timers are set by decisions, a batch at a time, in executions that are continued as new
    before their histories are full.
    """
    client = Direct(Engine())
    images.register(client)
    client.start_workflow_execution(
        domain=images.DOMAIN, workflowId="timers", workflowType=images.WORKFLOW
    )
    canceled = _timed(lambda: _set_timers(client, count, batch, cancel=True)) / count
    fired = _timed(lambda: _set_timers(client, count, batch, cancel=False)) / count
    return canceled * 1e6, fired * 1e6


def _set_timers(client: Direct, count: int, batch: int, cancel: bool) -> None:
    set_so_far = 0
    batches = 0
    while set_so_far < count:
        task = client.poll_for_decision_task(
            domain=images.DOMAIN, taskList=images.DECISIONS, startAtPreviousStartedEvent=True
        )
        if batches == 10:
            batches = 0
            decisions = [{"decisionType": "ContinueAsNewWorkflowExecution"}]
        else:
            batches += 1
            decisions = [_start_timer(number) for number in range(batch)]
            if cancel:
                decisions += [_cancel_timer(number) for number in range(batch)]
                decisions.append(_start_timer(0))
            set_so_far += batch
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)
        client.now += 1000


def _start_timer(number: int) -> dict[str, Any]:
    attributes = {"timerId": str(number), "startToFireTimeout": "1"}
    return {"decisionType": "StartTimer", "startTimerDecisionAttributes": attributes}


def _cancel_timer(number: int) -> dict[str, Any]:
    attributes = {"timerId": str(number)}
    return {"decisionType": "CancelTimer", "cancelTimerDecisionAttributes": attributes}


def memory(executions: int) -> tuple[int, float]:
    """Return how many events a number of executions have, and the bytes of each event.

    The memory of executions and lists is included.
    """
    tracemalloc.start()
    client = Direct(Engine())
    images.register(client)
    before, _ = tracemalloc.get_traced_memory()
    images.run(client, executions)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found = client.list_closed_workflow_executions(
        domain=images.DOMAIN, startTimeFilter={"oldestDate": 0}, maximumPageSize=1
    )["executionInfos"]
    history = client.get_workflow_execution_history(
        domain=images.DOMAIN, execution=found[0]["execution"]
    )
    events = executions * len(history["events"])
    return events, (after - before) / events


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

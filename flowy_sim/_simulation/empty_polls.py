"""Why the polls of a list have found nothing, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.execution import Execution
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, Engines, TaskList


def why_empty(engines: Engines, polled: TaskList) -> str:
    """Explain why polls of a list have found nothing, when no execution is open.

    Args:
        engines: the service.
        polled: the list.

    Returns:
        A clause that names the nearest cause: nothing was started, or in another domain or region;
        a task waited on another list, or on one of the other kind; or how executions closed.
    """
    engine = engines.of(polled.region)
    here = [each for each in engine.executions.values() if each.domain.name == polled.domain]
    if not here:
        return _started_elsewhere(engines, engine, polled)
    untaken = [(each, *task) for each in here for task in _untaken(each, polled)]
    if not untaken:
        last = here[-1]
        return f"the last execution in this domain, {last.workflow_id}, {_closed(last)}"
    same = [each for each in untaken if each[2] == polled.name]
    execution, kind, name = (same or untaken)[-1]
    if kind != polled.poll and name == polled.name:
        where = f"on the list of the other kind: poll that one with {kind}"
    else:
        where = f"on the {TaskList(polled.region, kind, polled.domain, name)}"
    task = "decision task" if kind == DECISION_POLL else "activity task"
    return (
        f"the {task} of the execution {execution.workflow_id} waited {where}; the execution "
        f"{_closed(execution)}"
    )


def _started_elsewhere(engines: Engines, engine: Engine, polled: TaskList) -> str:
    for other in engines:
        for execution in reversed(other.executions.values()):
            where = f"in the domain {execution.domain.name!r}"
            if other is not engine:
                where += f" of the region {other.region}, while {polled.region} is polled"
            return f"the execution {execution.workflow_id} was started {where}"
    return "no execution was ever started"


def _untaken(execution: Execution, polled: TaskList) -> Iterator[tuple[str, str]]:
    """Yield how to poll for each task that no client took, and its list, if it is another one."""
    ids = range(1, len(execution) + 1)
    taken = {
        execution.member(each, "scheduledEventId")
        for each in ids
        if execution.event_type(each).endswith("TaskStarted")
    }
    for each in ids:
        poll = _POLLS.get(execution.event_type(each))
        if poll is not None and each not in taken:
            name = execution.attributes(each)["taskList"]["name"]
            if (poll, name) != (polled.poll, polled.name):
                yield poll, name


def _closed(execution: Execution) -> str:
    """Return how an execution closed, and when."""
    status = str(execution.close_status).lower().replace("_", " ")
    at = datetime.fromtimestamp((execution.closed_at or 0) / 1000, UTC)
    return f"{status} at {at:%Y-%m-%d %H:%M:%S}"


_POLLS = {"DecisionTaskScheduled": DECISION_POLL, "ActivityTaskScheduled": ACTIVITY_POLL}

"""What always holds in an engine between two calls: `check` it after any of them.

The tasks that may be handed out wait on their task lists, everything that can time out has its
deadline, and the lists of executions show the executions that there are. Whether the engine also
agrees with the histories it wrote is checked by `flowy_sim._events.invariants`.

Example:
    >>> engine = Engine()
    >>> request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
    >>> engine.call("RegisterDomain", request, now=0)
    {}
    >>> check(engine)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flowy_sim._engine import Engine
from flowy_sim._engine.decision_tasks import NO_TIMEOUT
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.execution import Execution, Open
from flowy_sim._engine.lifecycle import SCHEDULED
from flowy_sim._engine.task_lists import TaskLists

#: Deadlines that may outlive what they are about, and do nothing then.
_EFFECTS = {
    "activity cancel",
    "child close",
    "child policy",
    "child start",
    "child started",
    "external confirmation",
    "external request",
}


class Violation(AssertionError):
    """A rule is broken. The message names the execution and the rule."""


def check(engine: Engine) -> None:
    """Check all invariants of an engine that can be checked without reading histories.

    Raises:
        Violation: an invariant is broken.
    """
    executions = list(engine.executions.values())
    _check_deadlines(engine, executions)
    for domain in engine.domains.values():
        of_domain = [execution for execution in executions if execution.domain is domain]
        _check_task_lists(domain, of_domain)
        _check_visibility(domain, of_domain)


def _check_deadlines(engine: Engine, executions: list[Execution]) -> None:
    """Check that whatever is open has its deadline, and nothing else has one."""
    watched: dict[int, str] = {}
    for at, (kind, (subject, *_)) in engine.deadlines:
        if kind not in _EFFECTS:
            execution = subject if isinstance(subject, Execution) else subject.execution
            _require(at >= engine.now, execution, f"the {kind} is overdue since {at}")
            _require(id(subject) not in watched, execution, f"the {kind} is one too many")
            watched[id(subject)] = f"{execution.describe()}: the {kind}"
    for execution in executions:
        for what, subject in _to_be_watched(execution):
            present = watched.pop(id(subject), None) is not None
            _require(present, execution, f"{what} has no deadline")
    for left in watched.values():
        raise Violation(f"{left} is set, but what it is about is over")
    retained = sorted(execution.run_id for _, (_, (execution,)) in engine.retentions)
    closed = sorted(execution.run_id for execution in executions if not execution.is_open)
    if retained != closed:
        raise Violation(f"the executions kept until a time are {retained}, those closed {closed}")


def _to_be_watched(execution: Execution) -> Iterator[tuple[str, Execution | Open]]:
    """Yield what a deadline has to be set for."""
    if execution.is_open:
        yield "it", execution
    for timer in execution.timers.values():
        yield f"timer {timer.opened_id}", timer
    for call in execution.lambda_functions.values():
        yield f"Lambda task {call.opened_id}", call
    for task in execution.activities.values():
        settings = ["scheduleToCloseTimeout"]
        if task.state == SCHEDULED:
            settings += ["scheduleToStartTimeout"]
        else:
            settings += ["startToCloseTimeout", "heartbeatTimeout"]
        if any(task.opened(setting) != NO_TIMEOUT for setting in settings):
            yield f"activity task {task.opened_id}", task
    for task, setting in (
        (execution.decision_task, "scheduleToStartTimeout"),
        (execution.running_decision_task, "startToCloseTimeout"),
    ):
        if task is not None and task.opened(setting) != NO_TIMEOUT:
            yield f"decision task {task.opened_id}", task


def _check_task_lists(domain: Domain, executions: list[Execution]) -> None:
    """Check that exactly the tasks that may be handed out wait, each on its own list."""
    decision_tasks = [
        execution.decision_task
        for execution in executions
        if execution.decision_task is not None and execution.running_decision_task is None
    ]
    activity_tasks = [
        task
        for execution in executions
        for task in execution.activities.values()
        if task.state == SCHEDULED and task.cancel_requested_id is None
    ]
    _check_waiting(domain.decision_lists, decision_tasks)
    _check_waiting(domain.activity_lists, activity_tasks)


def _check_waiting(lists: TaskLists[Any], expected: list[Any]) -> None:
    missing = {id(task): task for task in expected}
    for name in lists.names():
        priorities = []
        for task in lists.waiting(name):
            execution, scheduled_id = task.execution, task.opened_id
            waits = f"the task of event {scheduled_id} waits on {name!r}"
            _require(missing.pop(id(task), None) is not None, execution, f"{waits} in vain")
            listed = task.opened("taskList")[0] == name
            _require(listed, execution, f"{waits}, not on {task.opened('taskList')[0]!r}")
            priorities.append(int(task.opened("taskPriority") or 0))
        if priorities != sorted(priorities, reverse=True):
            raise Violation(f"the tasks of {name!r} wait in the order of priorities {priorities}")
    for task in missing.values():
        _require(False, task.execution, f"the task of event {task.opened_id} waits on no list")


def _check_visibility(domain: Domain, executions: list[Execution]) -> None:
    """Check that the lists and counts show the executions that there are, in their order."""
    orders: list[tuple[str, bool, Callable[[Execution], tuple[Any, ...]]]] = [
        ("startTimeFilter", False, lambda execution: (execution.started_at, execution.number)),
        ("startTimeFilter", True, lambda execution: (execution.started_at, execution.number)),
        ("closeTimeFilter", True, lambda execution: (execution.closed_at, execution.close_number)),
    ]
    for time_filter, closed, order in orders:
        request = {time_filter: {"oldestDate": 0}}
        there = [execution for execution in executions if execution.is_open is not closed]
        expected = [execution.number for execution in sorted(there, key=order, reverse=True)]
        shown, after = [], None
        while True:
            page, after = domain.visibility.page(request, closed, after)
            shown += [execution.number for execution in page]
            if after is None:
                break
        which = f"the {'closed' if closed else 'open'} executions of {domain.name!r}"
        if shown != expected:
            raise Violation(f"{which} are shown by {time_filter} as {shown}, they are {expected}")
        count = domain.visibility.count(request, closed)
        most = len(shown) if count["truncated"] else count["count"]
        if most != len(shown):
            raise Violation(f"{which} are counted as {count}, they are {len(shown)}")


def _require(condition: bool, execution: Execution, rule: str) -> None:
    if not condition:
        raise Violation(f"{execution.describe()}: {rule}")

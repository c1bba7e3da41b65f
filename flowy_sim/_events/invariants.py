"""What always holds in an engine and its histories: `check` after any call.

Every history obeys the rules of `flowy_sim._events.rules`. The state of the engine agrees with the
histories that led to it: what is open, which tasks wait on which task list, which effects are
pending, and which executions the lists show.

Example:
    >>> engine = Engine()
    >>> request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
    >>> engine.call("RegisterDomain", request, now=0)
    {}
    >>> check(engine)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from flowy_sim._engine import Engine
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.engine import OUTLIVING
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import CLOSE_STATUS, NO_TIMEOUT, SCHEDULED, OpenItem, Task
from flowy_sim._engine.model import TYPE
from flowy_sim._engine.queues import TaskLists
from flowy_sim._events.rules import HistoryState, Violation, check_history

__all__ = ["Violation", "check", "check_execution"]

#: The limit of each of the open counts.
_LIMITS = {
    "openActivityTasks": "open_activities",
    "openChildWorkflowExecutions": "open_children",
    "openLambdaFunctions": "open_lambda_functions",
    "openTimers": "open_timers",
}
#: The event that an event of another execution points back to, by the event that points.
_SENT_BY = {
    "WorkflowExecutionSignaled": "SignalExternalWorkflowExecutionInitiated",
    "WorkflowExecutionCancelRequested": "RequestCancelExternalWorkflowExecutionInitiated",
}


def check(
    engine: Engine,
    executions: Iterable[WorkflowExecution] | None = None,
    *,
    all_lists: bool = True,
) -> None:
    """Check all invariants of an engine, between two calls.

    Args:
        engine: any engine.
        executions: the executions whose histories are read; all of them by default.
        all_lists: whether the lists of executions are checked in domains, too, where nothing has
            asked for them; that puts them in order.

    Raises:
        Violation: an invariant is broken.
    """
    everything = list(engine.executions.values())
    for execution in everything if executions is None else executions:
        check_execution(execution)
    _check_effects(engine, everything)
    for domain in engine.domains.values():
        of_domain = [execution for execution in everything if execution.domain is domain]
        _check_task_lists(domain, of_domain)
        if all_lists or domain.visibility.is_in_use:
            _check_visibility(domain, of_domain)


def check_execution(execution: WorkflowExecution) -> HistoryState:
    """Check an execution's history against the rules, and the engine's state against the history.

    Returns:
        The state of the execution according to its history.

    Raises:
        Violation: an invariant is broken.
    """
    state = check_history(execution.events(1, len(execution)), execution.describe())
    engine, limits = execution.engine, execution.engine.limits
    latest = execution.time(len(execution))
    if latest > engine.now:
        raise _broken(execution, f"ends at {latest}, later than {engine.now}")
    _agree(execution, "is open", execution.is_open, state.close is None)
    standing = execution.domain.open_executions.get(execution.workflow_id) is execution
    _agree(execution, "is found by its workflow ID", standing, execution.is_open)
    closed_as = state.close and (CLOSE_STATUS[state.close], latest)
    closed = execution.close_status and (execution.close_status, execution.closed_at)
    _agree(execution, "close", closed, closed_as)
    _agree(execution, "open counts", execution.open_counts(), state.counts())
    _agree(execution, "what is open", _open_ids(execution), _open_ids_of_history(state))
    _agree(execution, "completed start", execution.last_completed_start, state.last_completed_start)
    _agree(execution, "context", execution.context_id, state.context_id)
    _agree(execution, "activity", execution.latest_activity_event_id, state.latest_activity_id)
    _agree(execution, "cancel request", execution.cancel_requested, state.cancel_requested)
    for count, limit in _LIMITS.items():
        most = getattr(limits, limit)
        if len(state.open[count]) > most:
            raise _broken(execution, f"has more than {most} {count}")
    if execution.is_open and len(execution) >= limits.events:
        raise _broken(execution, f"is open with {len(execution)} events")
    _check_links_to_others(execution)
    return state


def _open_ids(execution: WorkflowExecution) -> dict[str, set[int]]:
    """Return what is open according to the engine, by the events that opened it."""
    waiting, running = execution.decision_task, execution.running_decision_task
    return {
        "openActivityTasks": {task.opened_id for task in execution.activities.values()},
        "openChildWorkflowExecutions": {c.opened_id for c in execution.children.values()},
        "openDecisionTasks": {waiting.opened_id} if waiting else set(),
        "openLambdaFunctions": {t.opened_id for t in execution.lambda_functions.values()},
        "openTimers": {timer.opened_id for timer in execution.timers.values()},
        "running": {running.started_id} if running else set(),
    }


def _open_ids_of_history(state: HistoryState) -> dict[str, set[int]]:
    """Return what is open according to the history: nothing once the execution is closed."""
    open_ids = {count: set(opened) for count, opened in state.open.items()}
    open_ids["running"] = {state.running} - {0}
    return open_ids if state.close is None else {count: set() for count in open_ids}


def _check_links_to_others(execution: WorkflowExecution) -> None:
    """Check the event ids that refer to the history of another execution."""
    parent, initiated_id = execution.parent, execution.started("parentInitiatedEventId")
    _agree(execution, "parent", parent is None, initiated_id == 0)
    if parent is not None:
        _points(execution, 1, parent, initiated_id, "StartChildWorkflowExecutionInitiated")
    for event_id, event in enumerate(execution.stored(0), 1):
        expected = _SENT_BY.get(event[TYPE])
        if expected is not None:
            target = execution.member(event_id, "externalInitiatedEventId")
            sender = execution.member(event_id, "externalWorkflowExecution")
            if sender is not None and target:
                _points(execution, event_id, sender, target, expected)
            elif target != 0:
                raise _broken(execution, f"event {event_id}: has no sender, but {target}")


def _points(
    execution: WorkflowExecution, event_id: int, other: tuple[str, str], target: int, expected: str
) -> None:
    """Check that an event points to one of the expected type, if that execution still exists."""
    found = execution.engine.executions.get(other[0])
    if found is not None:
        kind = found.event_type(target) if 0 < target <= len(found) else "no event"
        if kind != expected:
            rule = f"event {event_id}: points to {target} of {found.describe()}, which is {kind}"
            raise _broken(execution, rule)


def _check_effects(engine: Engine, executions: list[WorkflowExecution]) -> None:
    """Check that an effect is pending for everything that can time out, and no other effect."""
    watched: dict[int, tuple[WorkflowExecution, str]] = {}
    for at, (kind, (subject, *_)) in engine.effects:
        if kind not in OUTLIVING:
            execution = subject if isinstance(subject, WorkflowExecution) else subject.execution
            if at < engine.now:
                raise _broken(execution, f"the {kind} is overdue since {at}")
            if id(subject) in watched:
                raise _broken(execution, f"the {kind} is pending twice")
            watched[id(subject)] = execution, kind
    for execution in executions:
        for what, subject in _to_be_watched(execution):
            if watched.pop(id(subject), None) is None:
                raise _broken(execution, f"{what} has nothing that will end it")
    for execution, kind in watched.values():
        raise _broken(execution, f"the {kind} is pending, but what it would end has ended")
    retained = sorted(execution.run_id for _, (_, (execution,)) in engine.retentions)
    closed = sorted(execution.run_id for execution in executions if not execution.is_open)
    if retained != closed:
        raise Violation(f"{retained} are retained for a time, but {closed} are closed")


def _to_be_watched(
    execution: WorkflowExecution,
) -> Iterator[tuple[str, WorkflowExecution | OpenItem]]:
    """Yield what an effect must end in time."""
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
    for waiter, setting in (
        (execution.decision_task, "scheduleToStartTimeout"),
        (execution.running_decision_task, "startToCloseTimeout"),
    ):
        if waiter is not None and waiter.opened(setting) != NO_TIMEOUT:
            yield f"decision task {waiter.opened_id}", waiter


def _check_task_lists(domain: Domain, executions: list[WorkflowExecution]) -> None:
    """Check that exactly the tasks that may be handed out wait, each on its own list."""
    _check_waiting(domain.decision_lists, [each.decision_task for each in executions])
    activities = [task for each in executions for task in each.activities.values()]
    _check_waiting(domain.activity_lists, activities)


def _check_waiting(lists: TaskLists[Any], tasks: Sequence[Task | None]) -> None:
    missing = {id(task): task for task in tasks if task is not None and task.can_be_taken}
    for name in lists.names():
        priorities = []
        for task in lists.waiting(name):
            execution, scheduled_id = task.execution, task.opened_id
            waits = f"the task of event {scheduled_id} waits on {name!r}"
            if missing.pop(id(task), None) is None:
                raise _broken(execution, f"{waits}, but it cannot be handed out")
            _agree(execution, waits, task.opened("taskList")[0], name)
            priorities.append(int(task.opened("taskPriority") or 0))
        if priorities != sorted(priorities, reverse=True):
            raise Violation(
                f"the tasks of {name!r} wait in the wrong order of priorities, {priorities}"
            )
    for task in missing.values():
        raise _broken(task.execution, f"the task of event {task.opened_id} waits on no list")


def _check_visibility(domain: Domain, executions: list[WorkflowExecution]) -> None:
    """Check that lists and counts show all executions of a domain in the right order."""
    orders: list[tuple[str, bool, Callable[[WorkflowExecution], tuple[Any, ...]]]] = [
        ("startTimeFilter", False, lambda execution: (execution.started_at, execution.number)),
        ("startTimeFilter", True, lambda execution: (execution.started_at, execution.number)),
        ("closeTimeFilter", True, lambda execution: (execution.closed_at, execution.close_number)),
    ]
    for time_filter, closed, order in orders:
        request = {time_filter: {"oldestDate": 0}}
        existing = [execution for execution in executions if execution.is_open is not closed]
        expected = [execution.number for execution in sorted(existing, key=order, reverse=True)]
        shown, after = [], None
        while True:
            page, after = domain.visibility.page(request, closed, after)
            shown += [execution.number for execution in page]
            if after is None:
                break
        which = f"the {'closed' if closed else 'open'} executions of {domain.name!r}"
        if shown != expected:
            raise Violation(f"{which} are {expected}, but {time_filter} shows {shown}")
        count = domain.visibility.count(request, closed)
        most = len(shown) if count["truncated"] else count["count"]
        if most != len(shown):
            raise Violation(f"{which} are {len(shown)}, but they are counted as {count}")


def _agree(execution: WorkflowExecution, what: str, held: object, recorded: object) -> None:
    if held != recorded:
        raise _broken(execution, f"{what}: the engine holds {held}, the history says {recorded}")


def _broken(execution: WorkflowExecution, rule: str) -> Violation:
    return Violation(f"{execution.describe()}: {rule}")

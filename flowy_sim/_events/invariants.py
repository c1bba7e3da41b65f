"""What always holds in an engine and its histories: `check` after any call.

Every history obeys the rules of `flowy_sim._events.rules`, the engine's state agrees with the
histories that led to it, and the engine agrees with itself, see `flowy_sim._engine.invariants`.

Example:
    >>> engine = Engine()
    >>> request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
    >>> engine.call("RegisterDomain", request, now=0)
    {}
    >>> check(engine)
"""

from __future__ import annotations

from collections.abc import Iterable

from flowy_sim._engine import Engine, invariants
from flowy_sim._engine.events import TYPE
from flowy_sim._engine.execution import CLOSE_STATUS, Execution
from flowy_sim._engine.invariants import Violation
from flowy_sim._events.rules import HistoryState, check_history

__all__ = ["Violation", "check", "check_execution"]

#: The limit of each count of open things.
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


def check(engine: Engine, executions: Iterable[Execution] | None = None) -> None:
    """Check all invariants of an engine, between two calls.

    Args:
        engine: any engine.
        executions: the executions whose histories are read; all of them by default.

    Raises:
        Violation: an invariant is broken.
    """
    for execution in list(engine.executions.values()) if executions is None else executions:
        check_execution(execution)
    invariants.check(engine)


def check_execution(execution: Execution) -> HistoryState:
    """Check an execution's history against the rules, and the engine's state against the history.

    Returns:
        The state of the execution according to its history.

    Raises:
        Violation: an invariant is broken.
    """
    state = check_history(execution.events(1, len(execution)), execution.describe())
    engine, limits = execution.engine, execution.engine.limits
    latest = execution.time(len(execution))
    _require(latest <= engine.now, execution, f"ends at {latest}, later than {engine.now}")
    _agree(execution, "is open", execution.is_open, state.close is None)
    standing = execution.domain.open_executions.get(execution.workflow_id) is execution
    _agree(execution, "is found by its workflow id", standing, execution.is_open)
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
        _require(len(state.open[count]) <= most, execution, f"has more than {most} {count}")
    full = execution.is_open and len(execution) >= limits.events
    _require(not full, execution, f"is open with {len(execution)} events")
    _check_links_to_others(execution)
    return state


def _open_ids(execution: Execution) -> dict[str, set[int]]:
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
    """Return the same according to the history. Nothing is open once the execution is closed."""
    open_ids = {count: set(opened) for count, opened in state.open.items()}
    open_ids["running"] = {state.running} - {0}
    return open_ids if state.close is None else {count: set() for count in open_ids}


def _check_links_to_others(execution: Execution) -> None:
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
            else:
                _require(target == 0, execution, f"event {event_id}: has no sender, but {target}")


def _points(
    execution: Execution, event_id: int, other: tuple[str, str], target: int, expected: str
) -> None:
    """Check that an event points to one of the expected type, if that execution still exists."""
    found = execution.engine.executions.get(other[0])
    if found is not None:
        kind = found.event_type(target) if 0 < target <= len(found) else "no event"
        rule = f"event {event_id}: points to {target} of {found.describe()}, which is {kind}"
        _require(kind == expected, execution, rule)


def _agree(execution: Execution, what: str, held: object, recorded: object) -> None:
    rule = f"{what}: the engine holds {held}, the history says {recorded}"
    _require(held == recorded, execution, rule)


def _require(condition: bool, execution: Execution, rule: str) -> None:
    if not condition:
        raise Violation(f"{execution.describe()}: {rule}")

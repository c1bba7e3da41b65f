"""Pages of a history: GetWorkflowExecutionHistory, and the events that a decision task carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowy_sim._engine.faults import ValidationException
from flowy_sim._engine.paging import page_size

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.execution import Execution

OPERATION = "GetWorkflowExecutionHistory"


def get_workflow_execution_history(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out GetWorkflowExecutionHistory."""
    execution = engine.execution(request["domain"], request["execution"])
    engine.throttle.check_execution(OPERATION, execution, engine.now)
    first, last = 1, len(execution)
    token = request.get("nextPageToken")
    if token is not None:
        run_id, first, last = engine.page_tokens.read(OPERATION, engine.now, token)
        if run_id != execution.run_id:
            raise ValidationException("Invalid token")
    reverse = bool(request.get("reverseOrder"))
    if token is not None and not reverse:
        last = len(execution)
    events, rest = page(execution, first, last, reverse, page_size(request, engine.limits.page))
    reply: dict[str, Any] = {"events": events}
    if rest is not None:
        reply["nextPageToken"] = engine.page_tokens.write(
            OPERATION, engine.now, [execution.run_id, *rest]
        )
    return reply


def page(
    execution: Execution, first: int, last: int, reverse: bool, size: int
) -> tuple[list[dict[str, Any]], tuple[int, int] | None]:
    """Return a page of the events from one id to another, and the ids that are left.

    Args:
        execution: whose events.
        first: the lowest id.
        last: the greatest id.
        reverse: whether the newest come first.
        size: the most that a page may hold.

    Returns:
        The events as the service sends them, and the range that the next pages have to
        cover; None if this was the last page.
    """
    if reverse:
        split = max(first, last - size + 1)
        events = execution.events(split, last)
        events.reverse()
        return events, ((first, split - 1) if split > first else None)
    split = min(last, first + size - 1)
    return execution.events(first, split), ((split + 1, last) if split < last else None)

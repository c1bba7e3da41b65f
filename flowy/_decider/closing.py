"""How an execution is closed: the last decision of all.

If news came while it was decided, the service refuses it, and it is made again with what is known
then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowy._decider.decisions import Decision, cancel_workflow, complete_workflow, fail_workflow
from flowy._decider.leaving import Restarting
from flowy._payloads.failures import reason_and_details
from flowy._payloads.limits import DATA_LIMIT, cut
from flowy.errors import SerializationError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider

Closing = Callable[[], Decision]
"""Makes the decision."""

_KEPT_SETTINGS = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)


def completed(result: str) -> Closing:
    """Close it with a result."""
    return lambda: complete_workflow(result)


def failed(error: Exception | SystemExit) -> Closing:
    """Close it with a failure."""
    reason, details = reason_and_details(error)
    return lambda: fail_workflow(reason, details)


def canceled(details: str) -> Closing:
    """Close it as canceled."""
    return lambda: cancel_workflow(cut(details, DATA_LIMIT))


def restarted(decider: Decider, restart: Restarting) -> Closing:
    """Close it and begin a new run, with the same settings and the signals that nobody took.

    The service would give the new run what its type was registered with, as documented.
    """

    def make() -> Decision:
        text = decider.payloads.encode_input(
            decider.label,
            restart.arguments,
            restart.keywords,
            decider.encode,
            decider.signals.handed_on,
        )
        started = decider.turns.started
        settings: dict[str, Any] = {key: started[key] for key in _KEPT_SETTINGS if key in started}
        attributes = {"input": text, **settings, **restart.members}
        return Decision("ContinueAsNewWorkflowExecution", attributes)

    return make


def decision_of(closing: Closing) -> Decision:
    """Make the decision; one that fails the execution if it cannot be sent.

    That depends on the signals that have come by now, which a new run gets.
    """
    try:
        return closing()
    except SerializationError as error:
        return failed(error)()

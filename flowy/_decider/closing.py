"""How a decider closes an execution: with a result, a failure, a cancellation, or a new run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowy._decisions import Decision, cancel_workflow, complete_workflow, fail_workflow
from flowy._payloads.text import DATA_LIMIT, cut, reason_and_details
from flowy.errors import SerializationError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy._decider.run import RestartRun

Closing = Callable[[], Decision]
"""Returns the decision that closes the execution.

It is called again if the service refuses the decision because new events arrived meanwhile, and
then includes what is known by then.
"""

_KEPT_SETTINGS = (
    "childPolicy",
    "executionStartToCloseTimeout",
    "lambdaRole",
    "tagList",
    "taskList",
    "taskPriority",
    "taskStartToCloseTimeout",
)
"""Settings that a new run takes over; otherwise it has the registered ones, as documented."""


def completed(result: str) -> Closing:
    """Close the execution with a result."""
    return lambda: complete_workflow(result)


def failed(error: Exception | SystemExit) -> Closing:
    """Close the execution with a failure."""
    reason, details = reason_and_details(error)
    return lambda: fail_workflow(reason, details)


def canceled(details: str) -> Closing:
    """Close the execution as canceled."""
    return lambda: cancel_workflow(cut(details, DATA_LIMIT))


def restarted(decider: Decider, restart: RestartRun) -> Closing:
    """Close the execution and start a new run, with the same settings and the signals not taken."""

    def make() -> Decision:
        text = decider.payloads.encode_input(
            decider.label,
            restart.arguments,
            restart.keywords,
            decider.encode,
            decider.signals.unhandled,
        )
        started = decider.turns.started
        settings: dict[str, Any] = {key: started[key] for key in _KEPT_SETTINGS if key in started}
        attributes = {"input": text, **settings, **restart.members}
        return Decision("ContinueAsNewWorkflowExecution", attributes)

    return make


def decision_of(closing: Closing) -> Decision:
    """Return the closing decision, or one that fails the execution if that one cannot be sent.

    This can depend on the signals that have arrived by now, which a new run is given.
    """
    try:
        return closing()
    except SerializationError as error:
        return failed(error)()

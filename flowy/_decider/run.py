"""One run of ``run``, from its input to its end, and the decision that closes the execution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flowy import options
from flowy._decider.history import ArrivedSignal
from flowy._decisions import Decision, cancel_workflow, complete_workflow, fail_workflow
from flowy._determinism.guard import watched
from flowy._logs import LoggingContext, RunInfo
from flowy._payloads.text import DATA_LIMIT, cut, ends_task, reason_and_details
from flowy.errors import ExecutionCanceled, SerializationError, UnrepeatableError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy.workflow import Workflow


class LeaveRun(BaseException):
    """Leaves ``run`` where it waits for something that the history does not know yet.

    It derives from BaseException so that ``except Exception`` in the author's code lets it pass.
    """


class RestartRun(BaseException):
    """Leaves ``run`` to continue in a new run of the execution.

    Args:
        args: the arguments of the new run.
        kwargs: its keyword arguments.
        members: settings of the new run that differ, as the service spells them.
    """

    def __init__(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], members: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.arguments = args
        self.keywords = dict(kwargs)
        self.members = members


def run_to_end(
    decider: Decider, workflow: type[Workflow], unrepeatable: list[UnrepeatableError]
) -> Closing | None:
    """Run a workflow as far as its history goes.

    Args:
        decider: the decider that it calls.
        workflow: its class.
        unrepeatable: a list to which errors are added for what ``run`` must not do, even if ``run``
            handles them.

    Returns:
        How the execution is closed, or None if ``run`` is still waiting.
    """
    closing = None
    try:
        closing = _run(decider, workflow, unrepeatable)
    except LeaveRun:
        pass
    except BaseException as error:
        if not ends_task(error):
            raise
        closing = failed(error)
    if decider.failure is not None:
        return failed(decider.failure)
    return None if decider.left else closing


def _run(
    decider: Decider, workflow: type[Workflow], unrepeatable: list[UnrepeatableError]
) -> Closing:
    label, payloads = decider.label, decider.payloads
    args, kwargs, signals = payloads.decode_start(
        label, decider.turns.started.get("input"), workflow
    )
    if signals:
        decider.signals.carried_over(ArrivedSignal(*signal) for signal in signals)
    instance = workflow()
    instance._decider = decider
    source = RunInfo(*decider.execution, label, lambda: decider.turns.replaying)
    try:
        try:
            with LoggingContext(source):
                value = _called(instance, args, kwargs, unrepeatable)
        except RestartRun as restart:
            decider.wait_for_all()
            return restarted(decider, restart)
        decider.wait_for_all()
        result = decider.when_complete(lambda: payloads.encode_result(label, value, decider.encode))
        return completed(result)
    except ExecutionCanceled as error:
        decider.cancel_all()
        decider.wait_for_all()
        return canceled(error.details)


def _called(
    workflow: Workflow,
    args: list[Any],
    kwargs: dict[str, Any],
    unrepeatable: list[UnrepeatableError],
) -> Any:
    if workflow.flowy_type.guard:
        return watched(workflow.run, tuple(args), kwargs, unrepeatable)
    return workflow.run(*args, **kwargs)


Closing = Callable[[], Decision]
"""Returns the decision that closes the execution.

It is called again if the service refuses the decision because new events arrived meanwhile, and
then includes what is known by then.
"""


_KEPT_SETTINGS = tuple(sorted(member for member, _ in options.WORKFLOW.values()))
"""Settings that a new run takes over; otherwise it has the registered ones, as documented."""


def completed(result: str) -> Closing:
    """Close the execution with a result."""
    return lambda: complete_workflow(result)


def failed(error: BaseException) -> Closing:
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

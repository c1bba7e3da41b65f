"""``run`` from its input to its end: how the execution is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowy._decider.decisions import Closing, canceled, completed, failed, restarted
from flowy._decider.signals import Signal
from flowy._determinism.guard import watched
from flowy._logs import LoggingContext, RunInfo
from flowy.errors import ExecutionCanceled, UnrepeatableError

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy.workflow import Workflow


def run_to_end(
    decider: Decider, workflow: type[Workflow], unrepeatable: list[UnrepeatableError]
) -> Closing | None:
    """Run a workflow as far as its history goes.

    Args:
        decider: what it asks.
        workflow: its class.
        unrepeatable: gets the errors of what ``run`` must not do, also where it handles them.

    Returns:
        How the execution is closed, or None if ``run`` is still waiting.
    """
    closing = None
    try:
        closing = _run(decider, workflow, unrepeatable)
    except LeaveRun:
        pass
    except (Exception, SystemExit) as error:
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
        decider.signals.carried_over(Signal(*signal) for signal in signals)
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


class LeaveRun(BaseException):
    """Leaves ``run`` until the history holds more."""


class RestartRun(BaseException):
    """Leaves ``run`` for good, to begin anew in a new run of the execution.

    Args:
        args: the arguments of the new run.
        kwargs: its keyword arguments.
        members: what the new run is to have otherwise, as the service spells it.
    """

    def __init__(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], members: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.arguments = args
        self.keywords = dict(kwargs)
        self.members = members

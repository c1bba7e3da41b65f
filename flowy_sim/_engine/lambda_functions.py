"""Lambda functions that an execution calls."""

from __future__ import annotations

import inspect
import json
import logging
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flowy_sim._engine.decision_tasks import trigger
from flowy_sim._engine.execution import WorkflowExecution
from flowy_sim._engine.life_cycles import LambdaTask

logger = logging.getLogger("flowy_sim.lambda_functions")

#: How long a function may take, in seconds, unless the decision says otherwise, as documented.
DEFAULT_TIMEOUT = 900

#: The reason of the failure if there is no function of that name.
NOT_FOUND = "ResourceNotFoundException"
#: The reason if it raises an error, as recorded.
UNHANDLED = "UnhandledError"


@dataclass
class LambdaFunction:
    """A function that executions can call by its name.

    Attributes:
        function: called with the decoded JSON payload; what it returns is encoded as JSON. A
            handler of AWS Lambda, with a second parameter, gets a `LambdaContext` as well.
            If it raises an error, the task fails as with an unhandled error in Lambda; a
            `LambdaError` chooses the reason and the details. It may call the service, but
            not poll.
        takes: how long a call lasts, in seconds of simulated time; infinity means forever. The
            function itself may set it while it is called.
        text: whether the function takes and returns the payloads as JSON text instead.
    """

    function: Callable[..., Any]
    takes: float = 0
    text: bool = False


@dataclass(frozen=True)
class DeferredFunction:
    """A function that is called outside the engine; `answer` ends the call.

    Attributes:
        begin: called with the task and the context when a call begins.
    """

    begin: Callable[[LambdaTask, LambdaContext], object]


@dataclass(frozen=True)
class LambdaContext:
    """The context that a handler of AWS Lambda receives as its second argument.

    Attributes:
        function_name, function_version, invoked_function_arn, aws_request_id, memory_limit_in_mb,
        log_group_name, log_stream_name: as AWS Lambda documents them. The request ID follows from
            the execution and the call.
        identity, client_context: None, as always if a service invokes the function.
        seconds: the time-out of the call, in seconds.
    """

    function_name: str
    invoked_function_arn: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    seconds: int
    function_version: str = "$LATEST"
    memory_limit_in_mb: str = "128"
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the time-out in milliseconds: no simulated time passes in the function."""
        return self.seconds * 1000

    def log(self, message: object) -> None:
        """Log a message, as ``print`` does in AWS Lambda."""
        logger.info("%r: %r", self.function_name, message)


class LambdaError(Exception):
    """Raised by a function to fail with a reason and details of its own choice.

    Args:
        reason: the reason of the LambdaFunctionFailed event.
        details: its details.
    """

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(reason, details)
        self.reason = reason
        self.details = details


def schedule_lambda_function(
    execution: WorkflowExecution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out ScheduleLambdaFunction; return the cause if it fails at once."""
    engine = execution.engine
    # Assumption: lambda-id: an ID is in use while its task is open.
    if decision["id"] in execution.lambda_functions:
        return "ID_ALREADY_IN_USE"
    if len(execution.lambda_functions) >= engine.limits.open_lambda_functions:
        return "OPEN_LAMBDA_FUNCTIONS_LIMIT_EXCEEDED"
    if not engine.throttle.allows("ScheduleLambdaFunction", engine.now):
        return "LAMBDA_FUNCTION_CREATION_RATE_EXCEEDED"
    scheduled_id = execution.append(
        "LambdaFunctionScheduled",
        control=decision.get("control"),
        decisionTaskCompletedEventId=completed_id,
        id=decision["id"],
        input=decision.get("input"),
        name=decision["name"],
        startToCloseTimeout=decision.get("startToCloseTimeout"),
    )
    task = execution.lambda_functions[decision["id"]]
    task.effect = engine.later("lambda start", execution, scheduled_id, task)
    return None


def start(task: LambdaTask) -> None:
    """Call the function, if the execution has a role that permits it."""
    execution = task.execution
    engine = execution.engine
    if execution.started("lambdaRole") is None:
        trigger(
            execution,
            "StartLambdaFunctionFailed",
            cause="ASSUME_ROLE_FAILED",
            message="No IAM role is attached to the current workflow execution.",
            scheduledEventId=task.opened_id,
        )
        return
    execution.append("LambdaFunctionStarted", scheduledEventId=task.opened_id)
    name = task.opened("name")
    function = engine.lambdas.get(name)
    if isinstance(function, DeferredFunction):
        _close_later(task, math.inf, "", {})
        function.begin(task, _context(task, name))
        return
    takes, event, attributes = _outcome(task, function)
    if execution.is_open:  # Otherwise the function itself has closed it.
        _close_later(task, takes, event, attributes)


def begin_again(task: LambdaTask) -> None:
    """Call a `DeferredFunction` again whose outcome was lost, as after a restart."""
    name = task.opened("name")
    function = task.execution.engine.lambdas.get(name)
    if isinstance(function, DeferredFunction):
        function.begin(task, _context(task, name))


def answer(task: LambdaTask, takes: float, event_type: str, attributes: dict[str, Any]) -> None:
    """Give the outcome of a `DeferredFunction`; one that comes too late is ignored.

    Args:
        task: the call.
        takes: how long it lasts from its start, in simulated seconds; infinity if it never ends.
        event_type: the type of the event that ends it, as `outcome` returns it.
        attributes: its attributes.
    """
    execution = task.execution
    if execution.is_open and execution.lambda_functions.get(task.opened("id")) is task:
        execution.engine.effects.cancel(task.effect)
        _close_later(task, takes, event_type, attributes)


def _close_later(
    task: LambdaTask, takes: float, event_type: str, attributes: dict[str, Any]
) -> None:
    execution = task.execution
    engine = execution.engine
    timeout = int(task.opened("startToCloseTimeout") or DEFAULT_TIMEOUT)
    if takes >= timeout:
        event_type, attributes = "LambdaFunctionTimedOut", {"timeoutType": "START_TO_CLOSE"}
        kind, seconds = "lambda time-out", float(timeout)
    else:
        kind, seconds = "lambda close", takes
    due = max(engine.now, execution.time(task.started_id) + round(seconds * 1000))
    task.effect = engine.at(due, kind, execution, task.opened_id, task, event_type, attributes)


def end(task: LambdaTask, event_type: str, attributes: dict[str, Any]) -> None:
    """End a call with its outcome."""
    trigger(
        task.execution,
        event_type,
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        **attributes,
    )


def _outcome(task: LambdaTask, known: Any) -> tuple[float, str, dict[str, Any]]:
    """Call the function; return how long the call takes, and the event that ends it."""
    engine = task.execution.engine
    name = task.opened("name")
    if known is None:
        return 0, *not_found(_context(task, name))
    function = known if isinstance(known, LambdaFunction) else LambdaFunction(known)
    engine.in_function = True
    try:
        event_type, attributes = outcome(function, task.opened("input"), _context(task, name))
    finally:
        engine.in_function = False
    return function.takes, event_type, attributes


def outcome(
    known: LambdaFunction, payload: str | None, context: LambdaContext
) -> tuple[str, dict[str, Any]]:
    """Call a function; return the type and the attributes of the event that ends the call.

    Args:
        known: the function.
        payload: the input of the call, as JSON text.
        context: its context.
    """
    text = payload or "{}"
    try:
        if known.text:
            result = known.function(text)
        elif takes_context(known.function):
            result = json.dumps(known.function(json.loads(text), context))
        else:
            result = json.dumps(known.function(json.loads(text)))
    except LambdaError as error:
        return "LambdaFunctionFailed", {"reason": error.reason, "details": error.details}
    except Exception as error:
        details = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
        return "LambdaFunctionFailed", {"reason": UNHANDLED, "details": details[:32768]}
    return "LambdaFunctionCompleted", {"result": result}


def not_found(context: LambdaContext) -> tuple[str, dict[str, Any]]:
    """Return the event that ends a call of a function that does not exist, as `outcome` does."""
    # Assumption: lambda-not-found-details: what Lambda itself says of an unknown function.
    details = f"Function not found: {context.invoked_function_arn}"
    return "LambdaFunctionFailed", {"reason": NOT_FOUND, "details": details}


def takes_context(function: Callable[..., Any]) -> bool:
    """Return whether a function is called with an event and a context, as AWS Lambda does it."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # It has no signature.
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [
        each
        for each in parameters
        if each.kind in positional
        and (each.default is inspect.Parameter.empty or each.name == "context")
    ]
    return len(required) == 2


def _context(task: LambdaTask, name: str) -> LambdaContext:
    execution = task.execution
    engine = execution.engine
    source = f"{execution.run_id} {task.opened_id}"
    day = datetime.fromtimestamp(engine.now / 1000, UTC)
    request_id = uuid.uuid5(uuid.NAMESPACE_OID, source)
    return LambdaContext(
        function_name=name,
        invoked_function_arn=_arn(task, name),
        aws_request_id=str(request_id),
        log_group_name=f"/aws/lambda/{name}",
        log_stream_name=f"{day:%Y/%m/%d}/[$LATEST]{request_id.hex}",
        seconds=int(task.opened("startToCloseTimeout") or DEFAULT_TIMEOUT),
    )


def _arn(task: LambdaTask, name: str) -> str:
    engine = task.execution.engine
    return f"arn:aws:lambda:{engine.region}:{engine.account}:function:{name}"

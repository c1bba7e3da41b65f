"""Lambda functions that an execution calls."""

from __future__ import annotations

import inspect
import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flowy_sim._engine.decision_tasks import trigger
from flowy_sim._engine.execution import Execution
from flowy_sim._engine.life_cycles import LambdaTask

logger = logging.getLogger("flowy_sim.lambda_functions")

#: How long a function may take, in seconds, unless the decision says otherwise, as documented.
DEFAULT_TIMEOUT = 900

#: The reason of the failure of a call if there is no such function.
NOT_FOUND = "ResourceNotFoundException"


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
    execution: Execution, decision: dict[str, Any], completed_id: int
) -> str | None:
    """Carry out ScheduleLambdaFunction; return the cause if it fails at once."""
    engine = execution.engine
    # Assumption: lambda-id: an id is in use while its task is open.
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
    takes, event, attributes = _outcome(task)
    if not execution.is_open:  # The function itself has closed it.
        return
    timeout = int(task.opened("startToCloseTimeout") or DEFAULT_TIMEOUT)
    if takes >= timeout:
        event, attributes = "LambdaFunctionTimedOut", {"timeoutType": "START_TO_CLOSE"}
        kind, due = "lambda time-out", engine.now + timeout * 1000
    else:
        kind, due = "lambda close", engine.now + round(takes * 1000)
    task.effect = engine.at(due, kind, execution, task.opened_id, task, event, attributes)


def end(task: LambdaTask, event_type: str, attributes: dict[str, Any]) -> None:
    """End a call with its outcome."""
    trigger(
        task.execution,
        event_type,
        scheduledEventId=task.opened_id,
        startedEventId=task.started_id,
        **attributes,
    )


def _outcome(task: LambdaTask) -> tuple[float, str, dict[str, Any]]:
    """Call the function; return how long the call takes, and the event that ends it."""
    engine = task.execution.engine
    name = task.opened("name")
    known = engine.lambdas.get(name)
    if known is None:
        # Assumption: lambda-not-found-details: what Lambda itself says of an unknown function.
        failure = {"reason": NOT_FOUND, "details": f"Function not found: {_arn(task, name)}"}
        return 0, "LambdaFunctionFailed", failure
    if not isinstance(known, LambdaFunction):
        known = LambdaFunction(known)
    payload = task.opened("input") or "{}"
    engine.in_function = True
    try:
        if known.text:
            result = known.function(payload)
        elif takes_context(known.function):
            result = json.dumps(known.function(json.loads(payload), _context(task, name)))
        else:
            result = json.dumps(known.function(json.loads(payload)))
    except LambdaError as error:
        failure = {"reason": error.reason, "details": error.details}
        return known.takes, "LambdaFunctionFailed", failure
    except Exception as error:
        details = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
        failure = {"reason": "UnhandledError", "details": details[:32768]}
        return known.takes, "LambdaFunctionFailed", failure
    finally:
        engine.in_function = False
    return known.takes, "LambdaFunctionCompleted", {"result": result}


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

"""Starting executions, and asking what became of them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

from flowy import _checks, options
from flowy._client import Execution, SwfClient, fault_code
from flowy._decider.history import attributes_of
from flowy.errors import ConfigurationError, StartError
from flowy.executions import CLOSED_AS
from flowy.options import Default
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

logger = logging.getLogger("flowy.start")

NameAndVersion = tuple[str, str | int | float]


class Outcome(NamedTuple):
    """How an execution ended."""

    status: str
    """``COMPLETED``, ``FAILED``, ``CANCELED``, ``TERMINATED``, ``CONTINUED_AS_NEW`` or
    ``TIMED_OUT``."""
    result: Any = None
    reason: str = ""
    details: str = ""


def start(
    client: SwfClient,
    domain: str,
    workflow: type[Workflow] | NameAndVersion,
    *args: object,
    workflow_id: str | None = None,
    task_list: str | Default = Default.REGISTERED,
    execution_start_to_close: int | Default = Default.REGISTERED,
    task_start_to_close: int | Default | None = Default.REGISTERED,
    child_policy: str | Default = Default.REGISTERED,
    tags: Iterable[str] | Default = Default.REGISTERED,
    priority: int | Default = Default.REGISTERED,
    lambda_role: str | Default = Default.REGISTERED,
    payloads: Payloads = PLAIN,
    **kwargs: object,
) -> Execution:
    """Start an execution of a workflow.

    Args:
        client: an SWF client.
        domain: the domain's name.
        workflow: the workflow's class, or its name and version where the class is not at hand.
        *args: the arguments of ``run``.
        workflow_id: an id that no open execution of the domain has; made up if not given.
        task_list: the list of its decision tasks.
        execution_start_to_close: the longest it may last, in seconds.
        task_start_to_close: the longest one decision may take, in seconds, or None for no limit.
        child_policy: what becomes of its open children when it ends.
        tags: at most five texts to find it by.
        priority: of its decision tasks among others on the list; greater ones come first.
        lambda_role: the IAM role with which it may call Lambda functions.
        payloads: how arguments travel.
        **kwargs: the keyword arguments of ``run``, but for those named as options above.

    Returns:
        The ids of the execution.

    Raises:
        ConfigurationError: an option is wrong, or ``run`` does not take these arguments.
        SerializationError: an argument cannot be sent.
        StartError: the service refuses, as the type or the domain is unknown, or an execution
            with this id is open.

    Example:
        ``start(client, "photos", ImageCategory, "photo.jpg", 64, workflow_id="photo-1")``
    """
    name, version = _name_and_version(workflow)
    if isinstance(workflow, type):
        _check_arguments(workflow, args, kwargs)
    if workflow_id is None:
        workflow_id = f"{name}-{uuid4()}"
    given = {
        "task_list": task_list,
        "execution_start_to_close": execution_start_to_close,
        "task_start_to_close": task_start_to_close,
        "child_policy": child_policy,
        "tags": tags,
        "priority": priority,
        "lambda_role": lambda_role,
    }
    request = {
        "domain": _checks.text("domain", domain),
        "workflowId": _checks.text("workflow_id", workflow_id),
        "workflowType": {"name": name, "version": version},
        "input": payloads.encode_input(f"{name} {version}", args, kwargs),
        **options.members(options.WORKFLOW, given),
    }
    try:
        reply = client.start_workflow_execution(**request)
    except Exception as error:
        sentence = _REFUSALS.get(fault_code(error) or "")
        if sentence is None:
            raise
        raise StartError(
            f"{name} {version} cannot be started: "
            + sentence.format(domain=domain, workflow_id=workflow_id)
            + f" ({error})"
        ) from error
    logger.info("started %s %s as %s", name, version, workflow_id)
    return Execution(workflow_id, reply["runId"])


def outcome(
    client: SwfClient,
    domain: str,
    execution: Execution,
    *,
    workflow: type[Workflow] | None = None,
    payloads: Payloads = PLAIN,
) -> Outcome | None:
    """Ask how an execution ended.

    Args:
        client: an SWF client.
        domain: the domain's name.
        execution: what `start` returned.
        workflow: the workflow's class, whose ``run`` says by its type hint what its result is;
            None to leave it as plain JSON.
        payloads: how its result travelled.

    Returns:
        The outcome, or None while the execution is open.

    Raises:
        SerializationError: the execution's result is not JSON.
    """
    reply = client.get_workflow_execution_history(
        domain=domain,
        execution={"workflowId": execution.workflow_id, "runId": execution.run_id},
        reverseOrder=True,
        maximumPageSize=1,
    )
    last: Mapping[str, Any] = reply["events"][0]
    status = CLOSED_AS.get(last["eventType"])
    if status is None:
        return None
    attributes = attributes_of(last)
    return Outcome(
        status,
        payloads.decode_result(execution.workflow_id, attributes.get("result"), workflow),
        attributes.get("reason", ""),
        attributes.get("details", ""),
    )


_REFUSALS = {
    "UnknownResourceFault": "the domain {domain!r} or the type in it is unknown; register the "
    "domain, and start a worker, which registers its types",
    "WorkflowExecutionAlreadyStartedFault": "an execution with the id {workflow_id!r} is open; "
    "choose another id",
    "TypeDeprecatedFault": "its type is deprecated in {domain!r}; start a newer version",
    "DefaultUndefinedFault": "its type was registered without all defaults; give the option",
}


def _name_and_version(workflow: type[Workflow] | NameAndVersion) -> tuple[str, str]:
    match workflow:
        case (name, version):
            return _checks.text("the name of a workflow", name), _checks.version_text(version)
        case type(flowy_type=WorkflowType() as declared):
            return declared.name, declared.version
    raise ConfigurationError(
        f"a class decorated with @workflow can be started, or (name, version), not {workflow!r}"
    )


def _check_arguments(
    workflow: type[Workflow], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> None:
    signature = _signature(workflow.run)
    try:
        signature.bind(None, *args, **kwargs)
    except TypeError as error:
        run = f"{workflow.__name__}.run{_without_self(signature)}"
        raise ConfigurationError(f"{run} does not take these arguments: {error}") from error


def _without_self(signature: inspect.Signature) -> str:
    """Spell a signature as the caller of a bound method sees it, annotations without quotes."""
    _, *parameters = signature.parameters.values()
    return str(signature.replace(parameters=parameters)).replace("'", "")


@cache
def _signature(run: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(run)

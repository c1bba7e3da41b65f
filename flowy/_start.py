"""Starting executions, and asking for their outcome."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import uuid4

from flowy import _checks, options
from flowy._client import Execution, SwfClient, call, fault_code, fault_message, no_domain
from flowy._decider.history import attributes_of
from flowy._determinism.code_check import check
from flowy._safe_text import safe_logger
from flowy.errors import ConfigurationError, StartError
from flowy.executions import CLOSED_AS
from flowy.options import Default
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType

logger = safe_logger("flowy.start")

NameAndVersion = tuple[str, str | int | float]


class Outcome(NamedTuple):
    """How an execution ended."""

    status: str
    """``COMPLETED``, ``FAILED``, ``CANCELED``, ``TERMINATED``, ``CONTINUED_AS_NEW`` or
    ``TIMED_OUT``."""
    result: Any = None
    """The value that ``run`` returned; None unless it completed."""
    reason: str = ""
    """Why it failed or was terminated, in a few words."""
    details: str = ""
    """More about it, such as the traceback of an exception."""


class RawInput(NamedTuple):
    """An input that is sent as it is, in place of the arguments of ``run``; None for none."""

    text: str | None


def start(
    client: SwfClient,
    domain: str,
    workflow: type[Workflow] | NameAndVersion,
    *args: object,
    workflow_id: str | None = None,
    task_list: str | Default = Default.REGISTERED,
    execution_start_to_close: int | float | timedelta | Default = Default.REGISTERED,
    task_start_to_close: int | float | timedelta | Default | None = Default.REGISTERED,
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
        workflow: the workflow's class, or its name and version if the class is not available.
        *args: the arguments of ``run``.
        workflow_id: an ID that no open execution of the domain has; a random one by default.
        task_list: the task list of its decision tasks.
        execution_start_to_close: the maximum duration, in seconds or as a timedelta.
        task_start_to_close: the maximum time for one decision, in the same form; None for no limit.
        child_policy: what happens to its open children when it ends: ``TERMINATE``,
            ``REQUEST_CANCEL`` or ``ABANDON``.
        tags: at most five texts by which it can be listed.
        priority: the priority of its decision tasks on the task list; higher numbers come first.
        lambda_role: the IAM role with which it may call Lambda functions.
        payloads: how arguments are written; the same as that of the workers.
        **kwargs: the keyword arguments of ``run``, except those that are options above.

    Returns:
        The IDs of the execution.

    Raises:
        ConfigurationError: an option is wrong, or ``run`` does not accept these arguments.
        SerializationError: an argument cannot be sent, or does not match its type hint.
        UnrepeatableError: the code of the class reads a clock or uses randomness directly.
        StartError: the service refuses, because the type or the domain is unknown, or because an
            execution with this ID is open.

    Example:
        ``start(client, "photos", ImageCategorization, "photo.jpg", 64, workflow_id="one")``
    """
    name, version = _name_and_version(workflow)
    if isinstance(workflow, type) and workflow.flowy_type.guard:
        check(workflow)
    if len(args) == 1 and isinstance(args[0], RawInput):
        text: str | None = args[0].text
    elif isinstance(workflow, type):
        text = encode_arguments(workflow, args, kwargs, payloads)
    else:
        text = payloads.encode_input(f"{name} {version}", args, kwargs)
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
        **({} if text is None else {"input": text}),
        **options.members(options.WORKFLOW, given),
    }
    try:
        reply = call(client, "start_workflow_execution", request)
    except Exception as error:
        sentence = _REFUSALS.get(fault_code(error) or "")
        if sentence is None:
            raise
        said = fault_message(error)
        if said.startswith("Unknown domain"):
            reason = no_domain(domain)
        else:
            reason = sentence.format(domain=domain, workflow_id=workflow_id)
            reason += f" ({said})" if said else ""
        raise StartError(f"{name} {version} cannot be started: {reason}") from error
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
    """Return how an execution ended.

    Args:
        client: an SWF client.
        domain: the domain's name.
        execution: the return value of `start`.
        workflow: the workflow's class, whose ``run`` declares the type of its result by a type
            hint; None to leave the result as plain JSON.
        payloads: how results are read; the same as that of the workers.

    Returns:
        The outcome, or None while the execution is open.

    Raises:
        SerializationError: the execution's result cannot be read.
    """
    request = {
        "domain": domain,
        "execution": {"workflowId": execution.workflow_id, "runId": execution.run_id},
        "reverseOrder": True,
        "maximumPageSize": 1,
    }
    reply = call(client, "get_workflow_execution_history", request)
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
    "UnknownResourceFault": "it is not registered in the domain {domain!r}; start a worker, which "
    "registers its types",
    "WorkflowExecutionAlreadyStartedFault": "an execution with the ID {workflow_id!r} is open; "
    "choose another ID",
    "TypeDeprecatedFault": "its type is deprecated in {domain!r}; start a newer version",
    "DefaultUndefinedFault": "its type was registered without some of its defaults; give these "
    "options to start",
}


def _name_and_version(workflow: type[Workflow] | NameAndVersion) -> tuple[str, str]:
    match workflow:
        case (name, version):
            return _checks.text("the name of a workflow", name), _checks.version_text(version)
        case type(flowy_type=WorkflowType() as declared):
            return declared.name, declared.version
    raise ConfigurationError(
        f"start takes a class decorated with @workflow, or (name, version), not {workflow!r}"
    )


def encode_arguments(
    workflow: type[Workflow],
    args: Sequence[object],
    kwargs: Mapping[str, object],
    payloads: Payloads = PLAIN,
) -> str:
    """Write the arguments of a workflow's ``run``, after checking them.

    Raises:
        ConfigurationError: ``run`` does not accept them.
        SerializationError: one cannot be sent, or does not match its type hint.
    """
    if kwargs or 1 + len(args) not in _positional(workflow.run):
        signature = inspect.signature(workflow.run)
        try:
            signature.bind(None, *args, **kwargs)
        except TypeError as error:
            run = f"{workflow.__name__}.run{_without_self(signature)}"
            raise ConfigurationError(f"{run} does not accept these arguments: {error}") from error
    label = str(workflow.flowy_type)
    text = payloads.encode_input(label, args, kwargs)
    payloads.decode_input(label, text, workflow)  # As its worker will.
    return text


def _without_self(signature: inspect.Signature) -> str:
    """Write a signature as the caller of a bound method sees it, annotations without quotes."""
    _, *parameters = signature.parameters.values()
    return str(signature.replace(parameters=parameters)).replace("'", "")


@cache
def _positional(run: Callable[..., Any]) -> range:
    """Return how many arguments ``run`` surely accepts, ``self`` among them, if none is named."""
    parameters = inspect.signature(run).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(each.kind not in kinds for each in parameters):
        return range(0)
    needed = sum(each.default is inspect.Parameter.empty for each in parameters)
    return range(needed, len(parameters) + 1)

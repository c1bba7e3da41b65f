"""An SWF client in process: the methods of ``boto3.client("swf")`` without the HTTP stack.

It checks arguments as boto3 does, waits in polls, pages, and raises boto3's exceptions. botocore
would check and serialize arguments well, but slowly. Nearly all arguments need no change and have
no error; checks compiled once from the service model recognize those. Only the others go through
botocore's own code, which then writes the error message.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import OperationNotPageableError
from botocore.loaders import Loader
from botocore.paginate import Paginator
from botocore.serialize import create_serializer

from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import input_shape, service_model
from flowy_sim._simulation.polls import waiting_time

if TYPE_CHECKING:
    from flowy_sim._clients.simulation import Simulation

    # With a base of type Any, a client is accepted as that of any library of type stubs, such as
    # mypy-boto3-swf.
    _AnyClient: Any
else:
    _AnyClient = object

Reply = dict[str, Any]


OPERATIONS: dict[str, str] = {xform_name(name): name for name in service_model().operation_names}


@dataclass(frozen=True)
class ClientMeta:
    """A client's ``meta``, as boto3's has it.

    Attributes:
        region_name: the region whose service it calls.
        endpoint_url: the URL of the real service in that region.
    """

    region_name: str
    endpoint_url: str
    partition = "aws"

    @property
    def service_model(self) -> Any:
        """Botocore's model of the service."""
        return service_model()

    @property
    def method_to_api_mapping(self) -> dict[str, str]:
        """The operations, by the names of the methods."""
        return OPERATIONS


class Client(_AnyClient):  # type: ignore[misc]
    """Calls a simulation. The methods are those of ``boto3.client("swf")``.

    Args:
        simulation: the simulation it calls.
        region: the region whose service it calls.
        poll_seconds: for how many simulated seconds its polls wait for a task.
        exact: whether its calls take no simulated time.

    Raises:
        ValueError: `poll_seconds` is not a number of at least 0.

    Example:
        >>> from flowy_sim._clients.simulation import Simulation
        >>> client = Simulation().client()
        >>> reply = client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
        >>> client.describe_domain(name="shop")["domainInfo"]["status"]
        'REGISTERED'
    """

    def __init__(
        self, simulation: Simulation, region: str, poll_seconds: float, exact: bool = False
    ) -> None:
        self.meta = ClientMeta(region, f"https://swf.{region}.amazonaws.com")
        self._simulation = simulation
        self._region = region
        self._poll_seconds = waiting_time(poll_seconds)
        self._exact = exact

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Reply]:
            """Return the method of an operation."""

    @property
    def exceptions(self) -> Any:
        """The exceptions that a fault is raised as, such as ``UnknownResourceFault``."""
        return exceptions()

    def can_paginate(self, operation_name: str) -> bool:
        """Return whether a paginator can collect the results of a method."""
        return OPERATIONS[operation_name] in paginators()

    def get_paginator(self, operation_name: str) -> Any:
        """Return botocore's paginator for a method.

        Raises:
            botocore.exceptions.OperationNotPageableError: the method has no pages.
        """
        if not self.can_paginate(operation_name):
            raise OperationNotPageableError(operation_name=operation_name)
        operation = OPERATIONS[operation_name]
        return Paginator(
            getattr(self, operation_name),
            paginators()[operation],
            service_model().operation_model(operation),
        )

    @property
    def waiter_names(self) -> list[str]:
        """The waiters of the service: there are none."""
        return []

    def get_waiter(self, waiter_name: str) -> Any:
        """Refuse to return a waiter, as boto3 does.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"Waiter does not exist: {waiter_name}")

    def generate_presigned_url(self, *arguments: Any, **keywords: Any) -> str:
        """Refuse to return the URL of a call.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "a simulation in this process has no URL; serve it with swf_endpoint or flowy-sim serve"
        )

    def close(self) -> None:
        """Do nothing: there is no connection to close."""

    def _call(self, operation: str, arguments: dict[str, Any]) -> Reply:
        simulation = self._simulation
        members = request(operation, arguments)
        request_id = simulation.request_id()
        try:
            reply = simulation.threads.call(
                operation, members, self._region, self._poll_seconds, self._exact
            )
        except Fault as fault:
            raise _error(fault, request_id, operation) from None
        reply["ResponseMetadata"] = metadata(request_id)
        return reply

    async def call_in_event_loop(self, operation: str, arguments: dict[str, Any]) -> Reply:
        """Make a call of a coroutine; others go on while it polls."""
        simulation = self._simulation
        members = request(operation, arguments)
        request_id = simulation.request_id()
        try:
            reply = await simulation.threads.call_in_event_loop(
                operation, members, self._region, self._poll_seconds, self._exact
            )
        except Fault as fault:
            raise _error(fault, request_id, operation) from None
        return {**reply, "ResponseMetadata": metadata(request_id)}


def _error(fault: Fault, request_id: str, operation: str) -> Exception:
    """Return the error that boto3 raises for a fault."""
    error: Exception = exceptions().from_code(fault.code)(
        parsed_fault(fault, request_id), operation
    )
    return error


@cache
def exceptions() -> Any:
    """Return the exceptions of all clients of this kind."""
    return ClientExceptionsFactory().create_client_exceptions(service_model())


@cache
def paginators() -> dict[str, Any]:
    """Return botocore's page configuration by operation."""
    pages: dict[str, Any] = Loader().load_service_model("swf", "paginators-1")["pagination"]
    return pages


def _method(name: str, operation: str) -> Callable[..., Reply]:
    def method(self: Client, *arguments: Any, **keywords: Any) -> Reply:
        if arguments:
            raise TypeError(f"{name}() only accepts keyword arguments.")
        return self._call(operation, keywords)

    method.__name__ = name
    method.__qualname__ = f"Client.{name}"
    method.__doc__ = f"Call {operation}; arguments and reply as boto3 documents them."
    return method


for _name, _operation in OPERATIONS.items():
    setattr(Client, _name, _method(_name, _operation))


Check = Callable[[Any], bool]


_TEXT = "string"


def request(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the request that boto3 would send for the arguments of a call.

    Args:
        operation: such as ``StartWorkflowExecution``.
        arguments: the keyword arguments of the client's method.

    Raises:
        botocore.exceptions.ParamValidationError: boto3 would not send it.

    >>> request("ListDomains", {"registrationStatus": "REGISTERED"})
    {'registrationStatus': 'REGISTERED'}
    """
    if is_sent_as_it_is(operation)(arguments):
        return arguments
    serializer = create_serializer(service_model().metadata["protocol"])
    model = service_model().operation_model(operation)
    spelled: dict[str, Any] = json.loads(serializer.serialize_to_request(arguments, model)["body"])
    return spelled


@cache
def is_sent_as_it_is(operation: str) -> Check:
    """Return the check that an operation's arguments have no error and need no change."""
    return _check(input_shape(operation))


def _check(shape: Any) -> Check:
    return _CHECKS[shape.type_name](shape)


def _structure(shape: Any) -> Check:
    # Most members are strings: these are checked without a function call for each.
    texts = {name: _least(each) for name, each in shape.members.items() if each.type_name == _TEXT}
    others = {name: _check(each) for name, each in shape.members.items() if name not in texts}
    required = frozenset(shape.required_members)

    def check(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, member in value.items():
            if name in texts:
                if type(member) is not str or len(member) < texts[name]:
                    return False
            elif name not in others or not others[name](member):
                return False
        return True

    return check


def _list(shape: Any) -> Check:
    member = _check(shape.member)
    return lambda value: type(value) is list and all(map(member, value))


def _string(shape: Any) -> Check:
    least = _least(shape)
    return lambda value: type(value) is str and len(value) >= least


def _least(shape: Any) -> int:
    least: int = shape.metadata.get("min", 0)
    return least


def _integer(shape: Any) -> Check:
    least: float = shape.metadata.get("min", float("-inf"))
    return lambda value: type(value) is int and value >= least


def _boolean(shape: Any) -> Check:
    return lambda value: type(value) is bool


def _timestamp(shape: Any) -> Check:
    # boto3 accepts datetimes, numbers and strings, and sends numbers.
    return lambda value: False


_CHECKS: dict[str, Callable[[Any], Check]] = {
    "structure": _structure,
    "list": _list,
    _TEXT: _string,
    "integer": _integer,
    "boolean": _boolean,
    "timestamp": _timestamp,
}


CONTENT_TYPE = "application/x-amz-json-1.0"


def metadata(request_id: str, status: int = 200) -> dict[str, Any]:
    """Return the ``ResponseMetadata`` of a reply or a fault."""
    return {
        "RequestId": request_id,
        "HTTPStatusCode": status,
        "HTTPHeaders": {"x-amzn-requestid": request_id, "content-type": CONTENT_TYPE},
        "RetryAttempts": 0,
    }


def parsed_fault(fault: Fault, request_id: str) -> dict[str, Any]:
    """Return a fault as the ``response`` of botocore's ``ClientError``."""
    parsed: dict[str, Any] = {
        "Error": {"Message": fault.message or "", "Code": fault.code},
        "ResponseMetadata": metadata(request_id, status=400),
    }
    if fault.message is not None and service_model().shape_for_error_code(fault.code):
        parsed["message"] = fault.message
    return parsed

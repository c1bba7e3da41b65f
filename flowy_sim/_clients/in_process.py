"""An SWF client in process: the methods of ``boto3.client("swf")`` without the HTTP stack.

It checks arguments as boto3 does, waits in polls, pages, and raises boto3's exceptions. botocore
would check and serialize arguments well, but slowly. Nearly all arguments need no change and have
no error; the service's own checks recognize those. Only the others go through botocore's code,
which then writes the error message.
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
from flowy_sim._engine.model import service_model
from flowy_sim._engine.validation import exact
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
        members: dict[str, Any] | None = exact(operation, arguments)
        if members is None:
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
    as_it_is = exact(operation, arguments)
    if as_it_is is not None:
        return as_it_is
    serializer = create_serializer(service_model().metadata["protocol"])
    model = service_model().operation_model(operation)
    spelled: dict[str, Any] = json.loads(serializer.serialize_to_request(arguments, model)["body"])
    return spelled


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

"""An SWF client in process: the methods of ``boto3.client("swf")`` without the HTTP stack.

It checks arguments as boto3 does, waits in polls, pages, and raises boto3's exceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import OperationNotPageableError
from botocore.loaders import Loader
from botocore.paginate import Paginator

from flowy_sim._clients.parameters import request
from flowy_sim._clients.parsed import metadata, parsed_fault
from flowy_sim._engine.faults import Fault
from flowy_sim._engine.model import service_model
from flowy_sim._simulation.polls import waiting_time

if TYPE_CHECKING:
    from flowy_sim._simulation.simulation import Simulation

Reply = dict[str, Any]

OPERATIONS: dict[str, str] = {xform_name(name): name for name in service_model().operation_names}


@dataclass(frozen=True)
class ClientMeta:
    """What a client tells about itself, as boto3's does.

    Attributes:
        region_name: whose service it calls.
        endpoint_url: where the real service of that region is.
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
        """The operations by the names of the methods."""
        return OPERATIONS


class Client:
    """Calls a simulation. The methods are those of ``boto3.client("swf")``.

    Args:
        simulation: what it calls.
        region: whose service it calls.
        poll_seconds: for how many simulated seconds its polls wait for a task.

    Example:
        >>> from flowy_sim._simulation.simulation import Simulation
        >>> client = Simulation().client()
        >>> reply = client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
        >>> client.describe_domain(name="shop")["domainInfo"]["status"]
        'REGISTERED'
    """

    def __init__(self, simulation: Simulation, region: str, poll_seconds: float) -> None:
        """Belong to a simulation.

        Raises:
            ValueError: `poll_seconds` is not a number of at least 0.
        """
        self.meta = ClientMeta(region, f"https://swf.{region}.amazonaws.com")
        self._simulation = simulation
        self._region = region
        self._poll_seconds = waiting_time(poll_seconds)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Reply]:
            """Return the method of an operation."""

    @property
    def exceptions(self) -> Any:
        """The exceptions that faults are raised as, such as ``UnknownResourceFault``."""
        return exceptions()

    def can_paginate(self, operation_name: str) -> bool:
        """Return whether a method's results come in pages that a paginator can collect."""
        return OPERATIONS[operation_name] in paginators()

    def get_paginator(self, operation_name: str) -> Any:
        """Return botocore's paginator for a method.

        Raises:
            botocore.exceptions.OperationNotPageableError: its results do not come in pages.
        """
        if not self.can_paginate(operation_name):
            raise OperationNotPageableError(operation_name=operation_name)
        operation = OPERATIONS[operation_name]
        return Paginator(
            getattr(self, operation_name),
            paginators()[operation],
            service_model().operation_model(operation),
        )

    def close(self) -> None:
        """Do nothing: no connection is open."""

    def _call(self, operation: str, arguments: dict[str, Any]) -> Reply:
        simulation = self._simulation
        members = request(operation, arguments)
        request_id = simulation.request_id()
        try:
            reply = simulation.threads.call(operation, members, self._region, self._poll_seconds)
        except Fault as fault:
            response = parsed_fault(fault, request_id)
            raise exceptions().from_code(fault.code)(response, operation) from None
        reply["ResponseMetadata"] = metadata(request_id)
        return reply


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

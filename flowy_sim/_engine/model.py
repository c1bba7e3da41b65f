"""Amazon SWF's service model, as botocore ships it: operations, shapes, limits and enums."""

from __future__ import annotations

from functools import cache
from typing import Any, cast


@cache
def service_model() -> Any:
    """Return botocore's ``ServiceModel`` of SWF (API 2012-01-25)."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    return ServiceModel(Loader().load_service_model("swf", "service-2"), "swf")


@cache
def operation_names() -> frozenset[str]:
    """Return the names of all operations, such as ``StartWorkflowExecution``."""
    return frozenset(service_model().operation_names)


@cache
def input_shape(operation: str) -> Any:
    """Return the structure shape of an operation's request."""
    return service_model().operation_model(operation).input_shape


@cache
def enum(shape_name: str) -> tuple[str, ...]:
    """Return the values of an enum shape, in the model's order."""
    return tuple(cast("list[str]", service_model().shape_for(shape_name).enum))

"""What boto3 does to the arguments of a call before it sends them: it checks them, and spells them.

botocore does both well, and slowly. Arguments that need neither, which is nearly all, are seen to
be so by checks compiled once from the service model; only the others go through botocore's own
code, which then finds the words for what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.serialize import create_serializer

from flowy_sim._engine.model import input_shape, service_model

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
    """Return the check whether an operation's arguments need neither objection nor spelling."""
    return _check(input_shape(operation))


def _check(shape: Any) -> Check:
    return _CHECKS[shape.type_name](shape)


def _structure(shape: Any) -> Check:
    # Most members are texts: these are looked at without a call for each.
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
    # boto3 takes datetimes, numbers and text, and sends numbers.
    return lambda value: False


_CHECKS: dict[str, Callable[[Any], Check]] = {
    "structure": _structure,
    "list": _list,
    _TEXT: _string,
    "integer": _integer,
    "boolean": _boolean,
    "timestamp": _timestamp,
}

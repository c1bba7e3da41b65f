"""Calls as commands: what a page shows or does, for the AWS CLI or boto3, filled in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from botocore import xform_name

_LONG = 60
"""The number of characters of an option from which each option has a line of its own."""
_LOADED = ("file://", "fileb://", "http://", "https://", "-")
"""The beginnings of values that the AWS CLI would take for something else."""


class CallTarget(NamedTuple):
    """Where commands go.

    Attributes:
        endpoint: the URL that SWF clients call; empty for Amazon SWF itself.
        region: such as ``us-east-1``.
    """

    endpoint: str
    region: str


class Copies(NamedTuple):
    """A call as commands; empty where there is no such command."""

    title: str
    cli: str = ""
    boto3: str = ""
    curl: str = ""


def copies(title: str, operation: str, request: Mapping[str, Any], target: CallTarget) -> Copies:
    """Return a call of Amazon SWF as commands.

    Args:
        title: what it does.
        operation: such as ``StartWorkflowExecution``.
        request: its members.
        target: where it goes.
    """
    return Copies(title, aws_cli(operation, request, target), boto3(operation, request, target))


def aws_cli(operation: str, request: Mapping[str, Any], target: CallTarget) -> str:
    r"""Return a call as a command of the AWS CLI.

    >>> print(aws_cli("DescribeDomain", {"name": "it's"}, CallTarget("http://h:1", "eu-west-1")))
    aws swf describe-domain --endpoint-url http://h:1 --region eu-west-1 --name 'it'"'"'s'
    """
    words = [f"aws swf {xform_name(operation, '-')}"]
    if target.endpoint:
        words.append(f"--endpoint-url {shlex.quote(target.endpoint)}")
    words.append(f"--region {shlex.quote(target.region)}")
    if all(map(_is_plain, request.values())):
        for name, value in request.items():
            words.append(f"--{xform_name(name, '-')}{_cli_value(value)}")
    else:
        members = json.dumps(request, default=datetime.isoformat)
        words.append(f"--cli-input-json {shlex.quote(members)}")
    is_long = sum(map(len, words)) > _LONG * 2
    return (" \\\n  " if is_long else " ").join(words)


def boto3(operation: str, request: Mapping[str, Any], target: CallTarget) -> str:
    r"""Return a call as Python code.

    >>> print(boto3("DescribeDomain", {"name": "shop"}, CallTarget("", "eu-west-1")))
    import boto3
    <BLANKLINE>
    swf = boto3.client("swf", region_name='eu-west-1')
    print(swf.describe_domain(name='shop'))
    """
    where = f"region_name={target.region!r}"
    if target.endpoint:
        where = f"endpoint_url={target.endpoint!r}, {where}"
    members = [f"{name}={_python(value)}" for name, value in request.items()]
    is_long = sum(map(len, members)) > _LONG
    inner = "\n" + "".join(f"    {each},\n" for each in members) if is_long else ", ".join(members)
    has_time = any(isinstance(each, datetime) for each in _leaves(request))
    return (
        f"import boto3\n{'from datetime import datetime' * has_time}\n"
        f'swf = boto3.client("swf", {where})\n'
        f"print(swf.{xform_name(operation)}({inner}))"
    ).replace("import datetime\nswf", "import datetime\n\nswf")


def curl(method: str, url: str, members: Mapping[str, Any]) -> str:
    """Return a control request as a command.

    >>> print(curl("POST", "http://h:1/_flowy/clock/advance", {"seconds": 60}))
    curl -X POST http://h:1/_flowy/clock/advance -d '{"seconds": 60}'
    """
    data = f" -d {shlex.quote(json.dumps(members))}" if members else ""
    return f"curl -X {method} {shlex.quote(url)}{data}"


def _is_plain(value: Any) -> bool:
    """Return whether a value can be an option's, as it is."""
    if not isinstance(value, str):
        return True
    return value.isprintable() and not value.startswith(_LOADED) and value != ""


def _cli_value(value: Any) -> str:
    if value is True:
        return ""
    if isinstance(value, dict | list):
        value = json.dumps(value, default=datetime.isoformat)
    return f" {shlex.quote(str(value))}"


def _python(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_python(each)}" for key, each in value.items()) + "}"
    if isinstance(value, datetime):
        return f"datetime.fromisoformat({value.isoformat()!r})"
    return repr(value)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [value]

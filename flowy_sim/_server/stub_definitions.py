"""Definitions of stubs, as the control API and the command line give them, and what they mean.

A definition is a JSON object. It names an activity, a workflow (to be started as a child, or by any
client) or a Lambda function, and gives the answer to the next call of it, which is repeated for all
further calls, or the answers to several calls in a row::

    {"activity": "resize", "version": "1", "error": "disk full", "takes": 40,
     "then": [{"result": "small.jpg"}]}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flowy import _checks
from flowy._payloads.text import length
from flowy.errors import ConfigurationError, FlowyError, SerializationError
from flowy_sim._engine.lambda_functions import UNHANDLED, LambdaError
from flowy_sim._simulation.stub_answers import ACTIVITY, CHILD, FUNCTION
from flowy_sim._simulation.stubs import Stub, Stubs

Members = Mapping[str, Any]

#: What a definition calls each kind of stub.
KINDS = {"activity": ACTIVITY, "workflow": CHILD, "lambda": FUNCTION}
_NAME_OF = {kind: name for name, kind in KINDS.items()}
_ANSWER = ("result", "error", "timeout", "takes", "heartbeat", "url", "function")
#: The value of ``takes`` for a worker that never answers.
NEVER = "never"
_MOST_REASON = 256
_MOST_DETAILS = 32_768
_INVOKE = re.compile(r"(.*)/2015-03-31/functions/([^/]+)/invocations/?")
#: Real seconds for which a server has to run a Lambda function, at most.
_MOST_SECONDS = 900


class StubKey(NamedTuple):
    """Identifies a stub; the version of a Lambda function is empty."""

    kind: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"the {_NAME_OF[self.kind]} {self.name} {self.version}".rstrip()

    def members(self) -> dict[str, str]:
        """Return the members that name the stub in a definition."""
        named = {_NAME_OF[self.kind]: self.name}
        return named | ({"version": self.version} if self.version else {})


class StubFailure(LambdaError):
    """A failure, with the reason and the details that a definition gives."""

    @property
    def members(self) -> dict[str, str]:
        """Its reason and, if there are any, its details, as a request has them."""
        return {"reason": self.reason} | ({"details": self.details} if self.details else {})


def read_key(members: Members) -> StubKey:
    """Return what a definition stubs.

    Raises:
        ValueError: it does not name exactly one thing, with a version unless it is a function.
    """
    named = [each for each in KINDS if each in members]
    if len(named) != 1:
        raise ValueError(
            "Give the name of what is stubbed as one of activity, workflow and lambda, such as "
            '{"activity": "resize", "version": "1", "result": "small.jpg"}.'
        )
    kind, version = KINDS[named[0]], members.get("version")
    name = _text(named[0], members[named[0]])
    if kind == FUNCTION:
        if version is not None:
            raise ValueError("A Lambda function has no version; leave it out.")
        return StubKey(kind, name, "")
    if version is None:
        raise ValueError(f"Give the version of the {named[0]} {name!r}.")
    return StubKey(kind, name, _text("version", str(version)))


def read_stub(members: Members) -> Stub:
    """Return the stub that a definition describes; see the module's description.

    Args:
        members: the definition. Only one from the command line may have ``function``, which is
            called with the event and, as a handler of AWS Lambda, the context.

    Raises:
        ValueError: it is wrong; the message says how.
    """
    stub = Stub(*read_key(members))
    add_answers(stub.then, members)
    return stub


def add_stub(stubs: Stubs, members: Members) -> None:
    """Add the stub that a definition describes to those of a runner.

    Raises:
        ValueError: it is wrong; the message says how.
    """
    kind, name, version = read_key(members)
    if kind == FUNCTION:
        stub = stubs.lambda_function(name)
    else:
        stub = stubs(name, version) if kind == ACTIVITY else stubs.child(name, version)

    def then(error: Exception | None = None, **options: Any) -> None:
        if isinstance(error, StubFailure) and kind != FUNCTION:
            error = FlowyError(error.reason)  # Workers send its message as the reason.
        stub.then(error=error, **options)

    add_answers(then, members)


def add_answers(then: Callable[..., object], members: Members) -> None:
    """Add the answers of a definition to a stub.

    Args:
        then: that method of the stub.
        members: the definition.

    Raises:
        ValueError: it is wrong; the message says how.
    """
    key = read_key(members)
    answers = members.get("then", [])
    if not isinstance(answers, list) or not all(isinstance(each, dict) for each in answers):
        raise ValueError(f"then={answers!r}: give a list of objects, the answers to further calls.")
    first = {name: value for name, value in members.items() if name in _ANSWER}
    for name in members.keys() - {*_ANSWER, "version", "then", _NAME_OF[key.kind]}:
        raise ValueError(f"A stub has no member {name!r}; it has {', '.join(_ANSWER[:-1])}.")
    for name in (name for answer in answers for name in answer if name not in _ANSWER):
        raise ValueError(
            f"An answer in 'then' has no member {name!r}; it has {', '.join(_ANSWER[:-1])}."
        )
    try:
        for answer in (first, *answers):
            then(**_answer(key, answer))
    except (ConfigurationError, SerializationError) as error:
        sentence = str(error)
        raise ValueError(f"{sentence[0].upper()}{sentence[1:]}.") from None


def shown(members: Members) -> dict[str, Any]:
    """Return a definition as JSON can carry it."""
    function = members.get("function")
    if function is None:
        return dict(members)
    return {**members, "function": f"{function.__module__}:{function.__qualname__}"}


def read_stubs(text: str) -> list[dict[str, Any]]:
    """Return the definitions that an option gives.

    Args:
        text: ``NAME:VERSION=ANSWER`` for an activity, a definition as a JSON object, or the name of
            a file that holds one or a list of them. The answer is ``result:JSON``,
            ``error:REASON`` or ``timeout``.

    Raises:
        ValueError: it is none of these, or a definition is wrong.

    >>> read_stubs('resize:1=result:"small.jpg"')
    [{'activity': 'resize', 'version': '1', 'result': 'small.jpg'}]
    """
    if (short := _SHORT.fullmatch(text)) is not None:
        answer = _short_answer(short[1], short[3])
        if answer is not None:
            return [{"activity": short[1], "version": short[2], **answer}]
    try:
        read = json.loads(text if text.startswith("{") else Path(text).read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(
            f"{text!r} does not define a stub, and is not a file that can be read; write "
            "NAME:VERSION=result:JSON, =error:REASON or =timeout, a definition as JSON, or the "
            "name of a file with definitions."
        ) from None
    except ValueError as error:
        raise ValueError(f"The definition of a stub is not JSON: {error}: {text:.80}") from None
    definitions = read if isinstance(read, list) else [read]
    for each in definitions:
        if not isinstance(each, dict) or "function" in each:
            raise ValueError(f"{each!r:.80} is not the definition of a stub; give an object.")
        read_stub(each)
    return definitions


_SHORT = re.compile(r"([^={}]+):([^=:{}]+)=(.+)", re.DOTALL)


def _short_answer(name: str, what: str) -> dict[str, Any] | None:
    """Return an answer that is written ``result:JSON``, ``error:REASON`` or ``timeout``."""
    kind, _, value = what.partition(":")
    if kind == "result":
        try:
            return {"result": json.loads(value)}
        except ValueError as error:
            raise ValueError(f"The result of {name!r} is not JSON: {error}: {value}") from None
    if kind == "error":
        return {"error": value}
    return {"timeout": "START_TO_CLOSE"} if what == "timeout" else None


def read_lambdas(functions: Iterable[str], takes: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """Return the definitions of Lambda functions; see `read_lambda`.

    Args:
        functions: the functions.
        takes: how long some of them take, each written ``NAME=SECONDS``.

    Raises:
        ValueError: one is not of that form.
    """
    definitions = {each["lambda"]: each for each in map(read_lambda, functions)}
    for text in takes:
        name, _, seconds = text.rpartition("=")
        if name not in definitions:
            raise ValueError(f"{text!r}: there is no Lambda function {name!r}; define it as well.")
        try:
            definitions[name]["takes"] = float(seconds)
        except ValueError:
            raise ValueError(f"{text!r}: write NAME=SECONDS, such as {name}=2.5.") from None
    return tuple(definitions.values())


def read_lambda(text: str) -> dict[str, Any]:
    """Return the definition of a Lambda function that is written ``NAME=WHAT``.

    Args:
        text: what it does is ``module:function``, the URL of a server that implements Lambda's
            Invoke, ``result:JSON``, ``error:REASON`` or ``timeout``.

    Raises:
        ValueError: it is not of that form, or there is no such function.

    >>> read_lambda('resize=result:{"size": 64}')
    {'lambda': 'resize', 'result': {'size': 64}}
    """
    name, equals, what = text.partition("=")
    kind = what.partition(":")[0]
    definition: dict[str, Any] = {"lambda": name}
    if not name or not equals or not what:
        raise ValueError(
            f"{text!r} does not define a Lambda function; write NAME=module:function, NAME=URL, "
            "NAME=result:JSON, NAME=error:REASON or NAME=timeout."
        )
    if (answer := _short_answer(name, what)) is not None:
        return {**definition, **answer}
    if kind in ("http", "https"):
        return {**definition, "url": what}
    try:
        return {**definition, "function": resolve_name(what)}
    except Exception as error:
        raise ValueError(
            f"{what!r}, the Lambda function {name!r}, cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error


class Invoked:
    """A Lambda function that another server runs.

    Args:
        url: the server's URL; one that ends with ``/2015-03-31/functions/NAME/invocations`` gives
            the name that the function has there.
        name: the name of the function.

    Raises:
        ValueError: it is not a URL.
    """

    def __init__(self, url: object, name: str) -> None:
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"url={url!r}: give a URL, such as http://127.0.0.1:9000.")
        found = _INVOKE.fullmatch(url)
        self.url = url
        self._server, self._name = (found[1], found[2]) if found else (url, name)

    def __call__(self, payload: str) -> str:
        """Return the JSON text that the function returns.

        Raises:
            LambdaError: it fails, or it cannot be called.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            reply = _lambda_client(self._server).invoke(FunctionName=self._name, Payload=payload)
        except ClientError as error:
            raise LambdaError(error.response["Error"]["Code"], str(error)) from error
        except BotoCoreError as error:
            raise LambdaError(type(error).__name__, str(error)) from error
        text: str = reply["Payload"].read().decode()
        if "FunctionError" in reply:
            raise LambdaError(UNHANDLED, text)
        return text


@cache
def _lambda_client(url: str) -> Any:
    import boto3
    from botocore.config import Config

    # Never the user's own credentials: the URL might be that of AWS.
    caller = {"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"}
    config = Config(read_timeout=_MOST_SECONDS, retries={"total_max_attempts": 1})
    # A session of its own: several threads may call functions, and share no default session.
    return boto3.session.Session().client(
        "lambda", endpoint_url=url, region_name="us-east-1", config=config, **caller
    )


def _answer(key: StubKey, members: Members) -> dict[str, Any]:
    """Return the options of an answer as `Stub.then` takes them."""
    options = {name: value for name, value in members.items() if name not in ("error", "url")}
    takes = members.get("takes", 0)
    if isinstance(takes, str):
        if takes != NEVER:
            raise ValueError(f"takes={takes!r}: give a number of seconds, or {NEVER!r}.")
        options["takes"] = math.inf
    for name in ("takes", "heartbeat"):
        if members.get(name) == math.inf:  # JSON has no infinity, but Python reads 1e400 as one.
            raise ValueError(f"{name}={members[name]!r}: give a number of seconds.")
    if "error" in members:
        options["error"] = _failure(members["error"])
    if key.kind != FUNCTION and not {"url", "function"}.isdisjoint(members):
        raise ValueError("Only a Lambda function can be at a URL, or be a function.")
    if "url" in members:
        options["function"] = Invoked(members["url"], key.name)
    return options


def _failure(error: object) -> StubFailure:
    given = {"reason": error} if isinstance(error, str) else error
    if not isinstance(given, dict) or not {"reason"} <= given.keys() <= {"reason", "details"}:
        raise ValueError(f"error={error!r}: give a reason, or an object with reason and details.")
    reason, details = given["reason"], given.get("details", "")
    for name, text, most in (("reason", reason, _MOST_REASON), ("details", details, _MOST_DETAILS)):
        if not isinstance(text, str) or length(text) > most:
            raise ValueError(
                f"error={str(error)[:200]!r}: give {name} as a string of at most {most} characters."
            )
    return StubFailure(reason, details)


def _text(name: str, value: object) -> str:
    try:
        return _checks.text(name, value)
    except ConfigurationError as error:
        raise ValueError(f"The {error}.") from None

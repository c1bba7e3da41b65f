"""Actions: what pages can change, as calls of Amazon SWF, and how they move the clock.

A page sends the fields of a form. The same fields make the call itself and the command that can be
copied instead.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from flowy_sim._console.commands import Copies, copies, curl
from flowy_sim._console.source import Source, SourceError
from flowy_sim._console.visit import Visit

Fields = Mapping[str, str]


class ActionCall(NamedTuple):
    """A call of Amazon SWF: the operation, and its members."""

    operation: str
    request: dict[str, Any]


class Done(NamedTuple):
    """The outcome of an action.

    Attributes:
        sentence: what has happened.
        url: the page that shows it, relative to other pages; empty for none.
    """

    sentence: str
    url: str = ""


def _execution(source: Source, fields: Fields, **members: str) -> dict[str, Any]:
    """Return a request about an open execution; empty members are left out."""
    named = {"domain": source.place.domain, "workflowId": fields.get("workflow", "")}
    members = {"runId": fields.get("run", ""), **members}
    return {**named, **{name: value for name, value in members.items() if value}}


async def _start(source: Source, fields: Fields) -> ActionCall:
    given = {
        "taskPriority": fields.get("task_priority", ""),
        "input": fields.get("input", ""),
        "executionStartToCloseTimeout": fields.get("execution_timeout", ""),
        "taskStartToCloseTimeout": fields.get("task_timeout", ""),
        "childPolicy": fields.get("child_policy", ""),
        "lambdaRole": fields.get("lambda_role", ""),
    }
    request: dict[str, Any] = {
        "domain": source.place.domain,
        "workflowId": fields.get("workflow", ""),
        "workflowType": {
            "name": fields.get("type_name", ""),
            "version": fields.get("type_version", ""),
        },
        **{name: value for name, value in given.items() if value},
    }
    if task_list := fields.get("task_list"):
        request["taskList"] = {"name": task_list}
    if tags := [each for each in map(str.strip, fields.get("tags", "").split(",")) if each]:
        request["tagList"] = tags
    return ActionCall("StartWorkflowExecution", request)


async def _signal(source: Source, fields: Fields) -> ActionCall:
    name, given = fields.get("signal", ""), fields.get("input", "")
    request = _execution(source, fields, input=given)
    return ActionCall("SignalWorkflowExecution", {**request, "signalName": name})


async def _cancel(source: Source, fields: Fields) -> ActionCall:
    return ActionCall("RequestCancelWorkflowExecution", _execution(source, fields))


async def _terminate(source: Source, fields: Fields) -> ActionCall:
    request = _execution(
        source,
        fields,
        reason=fields.get("reason", ""),
        details=fields.get("details", ""),
        childPolicy=fields.get("child_policy", ""),
    )
    return ActionCall("TerminateWorkflowExecution", request)


async def _complete(source: Source, fields: Fields) -> ActionCall:
    token = await _token(source, fields)
    result = fields.get("result", "")
    members = {"result": result} if result else {}
    return ActionCall("RespondActivityTaskCompleted", {"taskToken": token, **members})


async def _fail(source: Source, fields: Fields) -> ActionCall:
    given = {"reason": fields.get("reason", ""), "details": fields.get("details", "")}
    members = {name: value for name, value in given.items() if value}
    token = await _token(source, fields)
    return ActionCall("RespondActivityTaskFailed", {"taskToken": token, **members})


async def _token(source: Source, fields: Fields) -> str:
    return await source.task_token(
        fields.get("workflow", ""), fields.get("run", ""), fields.get("activity", "")
    )


CALLS: dict[str, tuple[Callable[[Source, Fields], Awaitable[ActionCall]], str]] = {
    "start": (_start, "The execution has started."),
    "signal": (_signal, "The signal was sent."),
    "cancel": (_cancel, "The execution was asked to cancel itself."),
    "terminate": (_terminate, "The execution was terminated."),
    "complete": (_complete, "The activity was completed."),
    "fail": (_fail, "The activity was marked as failed."),
}
"""The actions that are calls, and what has happened after them."""

MOVES: dict[str, tuple[str, str]] = {
    "advance": ("POST", "/clock/advance"),
    "jump": ("POST", "/clock/jump"),
    "run": ("POST", "/settle"),
    "pause": ("PUT", "/clock"),
    "resume": ("PUT", "/clock"),
}
"""The actions that move the clock, and the control requests that do the same."""


async def act(visit: Visit, name: str, fields: Fields) -> Done:
    """Carry out an action.

    Args:
        visit: the request; its source is changed.
        name: one of `CALLS` or `MOVES`.
        fields: the fields of its form.

    Raises:
        SourceError: it is refused, or there is no such action.
    """
    source = visit.source
    if not source.can_act:
        raise SourceError("This console is read-only.")
    if name in MOVES:
        return Done(await source.move(name, seconds_of(fields) if name == "advance" else 0))
    build, sentence = _known(name)
    call = await build(source, fields)
    reply = await source.call(call.operation, call.request)
    if name != "start":
        return Done(sentence)
    return Done(
        sentence, visit.link("execution", workflow=fields.get("workflow", ""), run=reply["runId"])
    )


async def copied(visit: Visit, name: str, fields: Fields) -> Copies:
    """Return an action as commands, without carrying it out.

    Raises:
        SourceError: there is no such action, or it cannot be carried out.
    """
    if name in MOVES:
        method, path = MOVES[name]
        members: dict[str, Any] = {}
        if name == "advance":
            members = {"seconds": seconds_of(fields)}
        elif name in ("pause", "resume"):
            members = {"mode": "paused" if name == "pause" else "virtual"}
        return Copies(name, curl=curl(method, f"{visit.endpoint}/_flowy{path}", members))
    build, _ = _known(name)
    call = await build(visit.source, fields)
    return copies(name, call.operation, call.request, visit.target)


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(ms|s|min|m|h|d)(?![a-z])")
_UNITS = {"ms": 0.001, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


def seconds_of(fields: Fields) -> float:
    """Return the duration in a form, such as ``90``, ``1.5 h`` or ``2 d 3 h``, in seconds.

    Raises:
        SourceError: it is not a duration.

    >>> seconds_of({"seconds": "90"}), seconds_of({"seconds": "1 h 30min"})
    (90.0, 5400.0)
    """
    text = str(fields.get("seconds", "")).strip()
    try:
        return float(text)
    except ValueError:
        pass
    found = _DURATION.findall(text)
    if not found or "".join(map("".join, found)) != text.replace(" ", ""):
        raise SourceError(
            f"{text!r} is not a duration; write seconds, or a number with a unit, such as 90, "
            "5 min or 2 h."
        )
    return float(sum(float(number) * _UNITS[unit] for number, unit in found))


def _known(name: str) -> tuple[Callable[[Source, Fields], Awaitable[ActionCall]], str]:
    if name not in CALLS:
        raise SourceError(f"There is no action {name!r}.")
    return CALLS[name]

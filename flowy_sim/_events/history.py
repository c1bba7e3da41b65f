"""What a history tells: its events, to be searched, and what was asked for and came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from flowy.activity import ActivityType, activity_class
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import Payloads
from flowy.workflow import WorkflowType
from flowy_sim._engine.events import event_types
from flowy_sim._events import spans as reading
from flowy_sim._events.schema import ACTIVITY, CHILD, LAMBDA, Attributes, attributes_of, reason_of

Event = dict[str, Any]

ID = {ACTIVITY: "activityId", CHILD: "workflowId", LAMBDA: "id"}
"""What can be called, and the attribute with the id that the workflow gave it."""

_TYPE = {ACTIVITY: "activityType", CHILD: "workflowType"}


class History(list[Event]):
    """The events of an execution, oldest first, as GetWorkflowExecutionHistory gives them.

    Example:
        ``run.history.find("ActivityTaskFailed").attributes()[0]["reason"]``
    """

    def find(self, *types: str, **attributes: object) -> History:
        """Return the events of some types, with some attributes.

        Args:
            *types: such as ``ActivityTaskFailed``; none for all types.
            **attributes: what they have to have, such as ``activityId="resize-1"``.

        Raises:
            ConfigurationError: there is no such type of events, or these have no such attribute.
        """
        __tracebackhide__ = True
        for name in types:
            if name not in event_types():
                raise ConfigurationError(
                    f"there are no events of the type {name!r}{nearest(name, event_types())}"
                )
        known = {each for name in types or event_types() for each in event_types()[name].members}
        for name in attributes.keys() - known:
            whose = " or ".join(types) or "any event"
            raise ConfigurationError(
                f"{whose} has no attribute {name!r}{nearest(name, sorted(known))}"
            )
        return History(
            event
            for event in self
            if (not types or event["eventType"] in types)
            and attributes.items() <= attributes_of(event).items()
        )

    def types(self) -> list[str]:
        """Return the types of the events."""
        return [event["eventType"] for event in self]

    def attributes(self) -> list[Mapping[str, Any]]:
        """Return the attributes of the events."""
        return [attributes_of(event) for event in self]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that tells what may have been meant, if that can be guessed."""
    near = get_close_matches(name, known, 1)
    return f"; the nearest is {near[0]}" if near else ""


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """Something that a workflow asked for, and what came of it; each attempt is one of its own.

    Attributes:
        kind: ``activity``, ``child`` or ``lambda``.
        name, version: its type; a Lambda function has no version.
        id: its id in the history, such as ``resize-1``; of a child the workflow id.
        args, kwargs: what it was called with. Input that flowy did not write is the one argument,
            as text.
        outcome: ``completed``, ``failed``, ``timed out``, ``canceled``, ``terminated`` or
            ``open``.
        result: what it returned; None if it did not complete.
        reason: why it failed, or which time-out passed; else empty.
        details: more about that.
        scheduled, started, ended: seconds after the start of the execution; None for what was not
            started, or has not ended.
    """

    kind: str
    name: str
    version: str
    id: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outcome: str
    result: Any
    reason: str
    details: str
    scheduled: float
    started: float | None
    ended: float | None
    _started_id: int | None = field(compare=False)
    _ended_id: int | None = field(compare=False)

    def __repr__(self) -> str:
        """Say it in a line, such as ``<resize-1('a.jpg', 64): completed, 0 s to 40 s>``."""
        arguments = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        began = "not started" if self.started is None else f"{self.started:g} s"
        ended = "" if self.ended is None else f" to {self.ended:g} s"
        return f"<{self.id}({', '.join(arguments)}): {self.outcome}, {began}{ended}>"

    @property
    def seconds(self) -> float | None:
        """How long it was worked on; None if it was not started, or has not ended."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    def overlaps(self, other: Call) -> bool:
        """Tell whether both were being worked on at the same time."""
        if self._started_id is None or other._started_id is None:
            return False
        return not (self.before(other) or other.before(self))

    def before(self, other: Call) -> bool:
        """Tell whether it had ended when another was started."""
        if self._ended_id is None or other._started_id is None:
            return False
        return self._ended_id < other._started_id


def called(what: object) -> tuple[str | None, str | None, type | None]:
    """Return the name and version of what can be called, and the class with its type hints.

    Args:
        what: an activity or a workflow, or the name of one or of a Lambda function, which leaves
            version and class open; None leaves the name open, too.

    Raises:
        ConfigurationError: it is none of these.
    """
    __tracebackhide__ = True
    if what is None or isinstance(what, str):
        return what, None, None
    cls = activity_class(what)
    declared = getattr(cls, "flowy_type", None)
    if not isinstance(declared, ActivityType | WorkflowType):
        raise ConfigurationError(
            f"what is called is an activity or a workflow, or the name of one, not {what!r}"
        )
    return declared.name, declared.version, cls


def calls(history: History, payloads: Payloads, what: object = None) -> list[Call]:
    """Return what was called, in the order in which it was.

    Args:
        history: all events of an execution.
        payloads: how arguments and results travelled.
        what: see `called`.
    """
    __tracebackhide__ = True
    name, version, hinted = called(what)
    spans = [span for row in reading.read(history).rows for span in row.spans if span.kind in ID]
    found = []
    for span in sorted(spans, key=lambda span: span.begun):
        asked = attributes_of(history[span.begun - 1])
        named = asked.get(_TYPE.get(span.kind, ""), asked)
        its_name, its_version = named["name"], named.get("version", "")
        if name in (None, its_name) and version in (None, its_version):
            args, kwargs = _arguments(payloads, asked.get("input"), hinted)
            ended = {} if span.ended is None else attributes_of(history[span.ended - 1])
            found.append(
                Call(
                    kind=span.kind,
                    name=its_name,
                    version=its_version,
                    id=asked[ID[span.kind]],
                    args=args,
                    kwargs=kwargs,
                    outcome=span.outcome,
                    result=_result(payloads, ended, hinted),
                    reason=reason_of(ended),
                    details=ended.get("details", ""),
                    scheduled=_seconds(history, span.begun),
                    started=None if span.started is None else _seconds(history, span.started),
                    ended=None if span.ended is None else _seconds(history, span.ended),
                    _started_id=span.started,
                    _ended_id=span.ended,
                )
            )
    return found


def _arguments(
    payloads: Payloads, text: str | None, hinted: type | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        args, kwargs = payloads.decode_input("", text, hinted)
    except SerializationError:
        return (text,), {}
    return tuple(args), kwargs


def _result(payloads: Payloads, ended: Attributes, hinted: type | None) -> Any:
    try:
        return payloads.decode_result("", ended.get("result"), hinted)
    except SerializationError:
        return ended["result"]


def _seconds(history: History, event_id: int) -> float:
    """Return when an event was written, in seconds after the first."""
    after: timedelta = history[event_id - 1]["eventTimestamp"] - history[0]["eventTimestamp"]
    return after / timedelta(seconds=1)

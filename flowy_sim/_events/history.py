"""Histories: their files, their events, and the calls of activities, children and functions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from flowy.activity import ActivityType, activity_class
from flowy.errors import ConfigurationError, SerializationError
from flowy.payloads import Payloads
from flowy.workflow import WorkflowType
from flowy_sim._engine.model import event_types
from flowy_sim._events import spans
from flowy_sim._events.schema import (
    ACTIVITY,
    CALLS,
    CHILD,
    ID_MEMBERS,
    Attributes,
    attributes_of,
    reason_of,
)

Event = dict[str, Any]

_TYPE = {ACTIVITY: "activityType", CHILD: "workflowType"}


def files(*paths: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and path of each file, and of the JSON files in folders at any depth.

    Pipes, sockets and devices in folders are left out, because reading them may never end. A
    folder that cannot be listed is yielded itself, so that reading it raises the error.
    """
    for path in paths:
        if path.is_dir():
            for file in sorted(_in_folder(path)):
                if file.is_file() or file.is_dir() or not file.exists():
                    yield str(file.relative_to(path)), file
        else:
            yield path.name, path


def _in_folder(folder: Path) -> Iterator[Path]:
    unreadable: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        for name in folders + names:
            if name.endswith(".json"):
                yield Path(parent, name)
    yield from (Path(error.filename) for error in unreadable)


def documents(path: Path) -> list[Any]:
    """Read the JSON documents in a file, one after another: the pages of a history.

    The file may be in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark: Windows
    PowerShell writes UTF-16 when it redirects output.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or is empty.
    """
    data = path.read_bytes()
    try:
        return list(_documents(data.decode(json.detect_encoding(data))))
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _documents(text: str) -> Iterator[Any]:
    decoder, end = json.JSONDecoder(), len(text.rstrip())
    at = len(text) - len(text.lstrip())
    while True:
        document, at = decoder.raw_decode(text, at)
        yield document
        while at < end and text[at].isspace():
            at += 1
        if at >= end:
            return


class History(list[Event]):
    """The events of an execution, oldest first, as GetWorkflowExecutionHistory returns them.

    Example:
        ``run.history.find("ActivityTaskFailed").attributes()[0]["reason"]``
    """

    def find(self, *types: str, **attributes: object) -> History:
        """Return the events of the given types that have the given attributes.

        Args:
            *types: event types, such as ``ActivityTaskFailed``; all types if none is given.
            **attributes: values of attributes, such as ``activityId="resize-1"``.

        Raises:
            ConfigurationError: an event type does not exist or does not have the attribute.
        """
        __tracebackhide__ = True
        for name in types:
            if name not in event_types():
                raise ConfigurationError(
                    f"there is no event type {name!r}{nearest(name, event_types())}"
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
        """Return the type of each event."""
        return [event["eventType"] for event in self]

    def attributes(self) -> list[Mapping[str, Any]]:
        """Return the attributes of each event."""
        return [attributes_of(event) for event in self]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that suggests a known name; empty if none is similar."""
    near = get_close_matches(name, known, 1)
    return f"; the nearest is {near[0]}" if near else ""


class Written(NamedTuple):
    """When an event was written; can be compared with that of events in other histories.

    Attributes:
        instant: the time of the event.
        order: its number among the events of all executions; 0 if that is not known.
        event_id: its ID.
    """

    instant: datetime
    order: int
    event_id: int


@dataclass(frozen=True, slots=True, repr=False)
class RecordedCall:
    """A call of an activity, a child workflow or a Lambda function, and its outcome.

    Each attempt at an activity is a separate call.

    Attributes:
        kind: ``activity``, ``child`` or ``lambda``.
        name, version: the name and version of the type that was called; the version of a Lambda
            function is empty.
        id: the ID of the call in the history, such as ``resize-1``; for a child workflow, its
            workflow ID.
        args, kwargs: the arguments. Input that flowy did not encode is a single argument, as text.
        outcome: ``completed``, ``failed``, ``timed out``, ``canceled``, ``terminated`` or
            ``open``.
        result: what the call returned; None if it did not complete.
        reason: why the call failed, or which of its time-outs passed; otherwise empty.
        details: the details of the reason.
        scheduled, started, ended: seconds since the start of the execution; None if the call has
            not started or not ended.
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
    _started: Written | None = field(compare=False)
    _ended: Written | None = field(compare=False)

    def __repr__(self) -> str:
        """Return a line such as ``<resize-1('a.jpg', 64): completed, 0 s to 40 s>``."""
        arguments = [*map(repr, self.args), *(f"{k}={v!r}" for k, v in self.kwargs.items())]
        began = "not started" if self.started is None else f"{self.started:g} s"
        ended = "" if self.ended is None else f" to {self.ended:g} s"
        return f"<{self.id}({', '.join(arguments)}): {self.outcome}, {began}{ended}>"

    @property
    def seconds(self) -> float | None:
        """The seconds from the call's start to its end; None if it has not started or not ended."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    def overlaps(self, other: RecordedCall) -> bool:
        """Return whether two calls ran at the same time, in the same execution or in two.

        If one call ends at the instant at which the other starts, the order in which the
        simulation wrote the two events decides.
        """
        if self._started is None or other._started is None:
            return False
        return not (self.before(other) or other.before(self))

    def before(self, other: RecordedCall) -> bool:
        """Return whether this call ended before another started; see `overlaps`."""
        if self._ended is None or other._started is None:
            return False
        return self._ended < other._started


def _called(what: object) -> tuple[str | None, str | None, type | None]:
    """Return the name and version of something that can be called, and the class with its hints.

    Each is None if it may be anything.
    """
    __tracebackhide__ = True
    if what is None or isinstance(what, str):
        return what, None, None
    cls = activity_class(what)
    declared = getattr(cls, "flowy_type", None)
    if not isinstance(declared, ActivityType | WorkflowType):
        raise ConfigurationError(
            f"calls() takes an activity or a workflow, or the name of one, not {what!r}"
        )
    return declared.name, declared.version, cls


def calls(
    history: History, payloads: Payloads, what: object = None, writes: Sequence[int] = ()
) -> list[RecordedCall]:
    """Return the calls of an execution, in the order in which they were scheduled.

    Args:
        history: all events of the execution.
        payloads: the serialization of arguments and results.
        what: an activity or workflow, or the name of one or of a Lambda function, to return only
            the calls of it; None for all calls.
        writes: the numbers of its last events among those of all executions.

    Raises:
        ConfigurationError: `what` is none of these.
    """
    __tracebackhide__ = True
    name, version, hinted = _called(what)
    rows = spans.read(history).rows
    called_spans = [span for row in rows for span in row.spans if span.kind in CALLS]
    found = []
    for span in sorted(called_spans, key=lambda span: span.begun):
        asked = attributes_of(history[span.begun - 1])
        named = asked.get(_TYPE.get(span.kind, ""), asked)
        its_name, its_version = named["name"], named.get("version", "")
        if name in (None, its_name) and version in (None, its_version):
            args, kwargs = _arguments(payloads, asked.get("input"), hinted)
            ended = {} if span.ended is None else attributes_of(history[span.ended - 1])
            found.append(
                RecordedCall(
                    kind=span.kind,
                    name=its_name,
                    version=its_version,
                    id=asked[ID_MEMBERS[span.kind]],
                    args=args,
                    kwargs=kwargs,
                    outcome=span.outcome,
                    result=_result(payloads, ended, hinted),
                    reason=reason_of(ended),
                    details=ended.get("details", ""),
                    scheduled=_seconds(history, span.begun),
                    started=None if span.started is None else _seconds(history, span.started),
                    ended=None if span.ended is None else _seconds(history, span.ended),
                    _started=_written(history, writes, span.started),
                    _ended=_written(history, writes, span.ended),
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


def _written(history: History, writes: Sequence[int], event_id: int | None) -> Written | None:
    if event_id is None:
        return None
    place = event_id - 1 - len(history) + len(writes)
    order = writes[place] if place >= 0 else 0
    return Written(history[event_id - 1]["eventTimestamp"], order, event_id)


def _seconds(history: History, event_id: int) -> float:
    """Return when an event was written, in seconds since the first one."""
    after: timedelta = history[event_id - 1]["eventTimestamp"] - history[0]["eventTimestamp"]
    return after / timedelta(seconds=1)

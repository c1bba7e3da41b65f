"""What JSON from elsewhere has to look like, and a sentence where it does not."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flowy_sim._engine.events import event_types, instant
from flowy_sim._engine.model import service_model

#: What a value may be: a type, one of several forms, a list of a form (``[form]``), an object of
#: any members (``{str: form}``), or one with exactly the named members.
Form = Any

_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    dict: "an object",
    list: "a list",
}
_DURATION = re.compile(r"[0-9]{1,10}|NONE")
_PRIORITY = re.compile(r"[+-]?[0-9]{1,10}")
_SHOWN = 40


class DocumentError(ValueError):
    """JSON is not what it has to be; the message is a sentence that says where."""


def check(value: Any, form: Form, place: str) -> None:
    """Refuse a value that has not the form it has to have.

    Args:
        value: as JSON was read.
        form: what it may be.
        place: where it stands.

    Raises:
        DocumentError: it has another form.

    >>> check({"name": "shop", "tags": ["a"]}, {"name": str, "tags": [str]}, "domain")
    >>> check({"name": 7}, {"name": str}, "domain")
    Traceback (most recent call last):
    flowy_sim._storage.forms.DocumentError: domain.name is 7, not a text.
    """
    if isinstance(form, tuple):
        if not any(type(value) is _kind(each) for each in form):
            raise _unlike(value, " or ".join(_NAMES[_kind(each)] for each in form), place)
        form = next(each for each in form if type(value) is _kind(each))
    if type(value) is not _kind(form):
        raise _unlike(value, _NAMES[_kind(form)], place)
    if isinstance(form, list):
        for number, each in enumerate(value):
            check(each, form[0], f"{place}[{number}]")
    elif isinstance(form, dict) and str in form:
        for name, each in value.items():
            check(each, form[str], f"{place}.{name}")
    elif isinstance(form, dict):
        _check_members(value, form, place)


def _check_members(value: dict[str, Any], form: dict[str, Form], place: str) -> None:
    for name in value:
        if name not in form:
            raise DocumentError(f"{place} has {name!r:.{_SHOWN}}, which is not known.")
    for name, inner in form.items():
        if name not in value:
            raise DocumentError(f"{place} has no {name!r}.")
        check(value[name], inner, f"{place}.{name}")


def _kind(form: Form) -> type[Any]:
    if isinstance(form, type):
        return form
    return dict if isinstance(form, dict) else list


def _unlike(value: object, expected: str, place: str) -> DocumentError:
    return DocumentError(f"{place} is {value!r:.{_SHOWN}}, not {expected}.")


def check_instant(value: int, place: str) -> None:
    """Refuse an instant, in milliseconds since 1970, that no clock can show.

    Raises:
        DocumentError: it is one.
    """
    try:
        instant(value)
    except OverflowError:
        raise DocumentError(f"{place} is {value!r:.{_SHOWN}}, which no clock shows.") from None


def check_event(event: dict[str, Any], event_id: int, place: str) -> None:
    """Refuse an event that the service could not have sent.

    Args:
        event: with ``eventTimestamp`` in seconds since 1970.
        event_id: what its id has to be.
        place: where it stands.

    Raises:
        DocumentError: it is not as the service model says.
    """
    name = event.get("eventType")
    event_type = event_types().get(name) if isinstance(name, str) else None
    if event_type is None:
        raise DocumentError(f"{place} has the eventType {name!r:.{_SHOWN}}, which is not known.")
    form = {"eventId": int, "eventTimestamp": (float, int), "eventType": str}
    check(event, {**form, event_type.attributes_key: dict}, place)
    if event["eventId"] != event_id:
        raise DocumentError(f"{place} has the eventId {event['eventId']}, not {event_id}.")
    _check_shape(
        event[event_type.attributes_key],
        _attributes_shape(event_type.attributes_key),
        f"{place}.{event_type.attributes_key}",
    )


@cache
def _attributes_shape(key: str) -> Any:
    return service_model().shape_for("HistoryEvent").members[key]


def _check_shape(value: Any, shape: Any, place: str) -> None:
    kind = shape.type_name
    if kind == "structure":
        check(value, dict, place)
        for name in shape.required_members:
            if name not in value:
                raise DocumentError(f"{place} has no {name!r}.")
        for name, inner in value.items():
            if name not in shape.members:
                raise DocumentError(f"{place} has {name!r:.{_SHOWN}}, which is not known.")
            _check_shape(inner, shape.members[name], f"{place}.{name}")
    elif kind == "list":
        check(value, [(str, type(None))], place)
    elif kind == "long":
        check(value, int, place)
    else:
        check(value, str, place)
        _check_text(value, shape, place)


def _check_text(value: str, shape: Any, place: str) -> None:
    if shape.enum and value not in shape.enum:
        raise _unlike(value, f"one of {', '.join(shape.enum)}", place)
    if shape.name.startswith("DurationInSeconds") and not _DURATION.fullmatch(value):
        raise _unlike(value, "a number of seconds or NONE", place)
    if shape.name == "TaskPriority" and not _PRIORITY.fullmatch(value):
        raise _unlike(value, "a whole number", place)

"""Scrutiny: clocks, chance and files in the code of a workflow are found by reading it.

What ``run`` calls must be the same at each replay, and ``time.time()`` is not. The interpreter does
not tell of such calls as it tells the module `guard` of files and connections, and to patch them
would touch every other user of the clock. But they can be read: the source of ``run``, and of the
functions of the author's package that it calls, is searched for calls of names which in their
module mean one of these functions, however they were imported. That is done once for each class,
before anything is decided, and takes a millisecond or so for each function.

There are no false alarms as long as what stands in the code is meant to be called: a name that a
function gives a meaning of its own is passed over, and so are functions that are only mentioned, as
in ``self.side_effect(time.time)`` or ``self.side_effect(lambda: random.random())``. Not found is
what is called by another name, through an object or by a library.
"""

from __future__ import annotations

import builtins
import datetime
import os
import random
import secrets
import time
import uuid
from types import CodeType, FunctionType
from typing import Any, NamedTuple
from weakref import WeakSet

from flowy._determinism.code_reading import calls_in, function_of
from flowy._determinism.sites import is_flowy
from flowy.errors import UnrepeatableError


def check(workflow: type[Any]) -> None:
    """Refuse a workflow whose code asks for the time or for chance by itself.

    Args:
        workflow: the workflow's class. It is read the first time; after that, asking costs nothing.

    Raises:
        UnrepeatableError: it does so; the error names the first place.
    """
    if workflow not in _CHECKED:
        for error in unrepeatable_calls(workflow):
            raise error
        _CHECKED.add(workflow)


_CHECKED: WeakSet[type[Any]] = WeakSet()


def unrepeatable_calls(workflow: type[Any]) -> list[UnrepeatableError]:
    """Find the calls in the code of a workflow that are not the same at each replay.

    Args:
        workflow: the workflow's class.

    Returns:
        The errors, one for each call, by file and line; none where there is no source to read.
    """
    known = _known()
    found: list[UnrepeatableError] = []
    run, _ = function_of(vars(workflow).get("run", workflow.run), workflow)
    if run is None:
        return []
    package = _package(run)
    pending: list[tuple[FunctionType, type[Any] | None]] = [(run, workflow)]
    seen: set[CodeType] = set()
    while pending:
        function, cls = pending.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        for call in calls_in(function, cls):
            row = _row(known, call.target)
            if row is not None and call.arguments < row.harmless_from:
                file = function.__code__.co_filename
                found.append(UnrepeatableError(f"{call.text}()", file, call.line, row.instead))
                continue
            called, of = function_of(call.target, call.owner)
            if (
                called is not None
                and _package(called) == package
                and not is_flowy(called.__module__)
            ):
                pending.append((called, of))
    return sorted(found, key=lambda error: (error.file, error.line))


class Row(NamedTuple):
    """Functions that are not the same each time."""

    owner: Any
    """The module or class they belong to."""
    names: str
    instead: str
    harmless_from: int = 99
    """With so many arguments they are the same each time."""


def _rows() -> tuple[Row, ...]:
    # The classes as they are now: freezegun exchanges them.
    return (
        Row(datetime.datetime, "now utcnow today", "self.now()"),
        Row(datetime.date, "today", "self.now()"),
        Row(time, "time time_ns monotonic monotonic_ns", "self.now()"),
        Row(time, "perf_counter perf_counter_ns", "self.now()"),
        Row(time, "localtime gmtime ctime", "self.now()", harmless_from=1),
        Row(time, "strftime", "self.now()", harmless_from=2),
        Row(time, "sleep", "self.sleep()"),
        Row(random, "random uniform triangular randint randrange choice choices", "self.random"),
        Row(random, "sample shuffle getrandbits randbytes seed binomialvariate", "self.random"),
        Row(random, "betavariate expovariate gammavariate gauss lognormvariate", "self.random"),
        Row(random, "normalvariate paretovariate vonmisesvariate", "self.random"),
        Row(random, "weibullvariate", "self.random"),
        Row(random, "Random", "self.random", harmless_from=1),
        Row(random, "SystemRandom", "self.side_effect()"),
        Row(uuid, "uuid1 uuid4 uuid6 uuid7", "self.uuid()"),
        Row(os, "urandom getrandom", "self.side_effect()"),
        Row(os, "listdir scandir walk", "an activity"),
        Row(builtins, "open", "an activity"),
        Row(builtins, "input", "a signal"),
        Row(secrets, "choice randbelow randbits", "self.side_effect()"),
        Row(secrets, "token_bytes token_hex token_urlsafe", "self.side_effect()"),
    )


def _known() -> dict[object, Row]:
    return {
        getattr(row.owner, name): row
        for row in _rows()
        for name in row.names.split()
        if hasattr(row.owner, name)
    }


def _row(known: dict[object, Row], target: object) -> Row | None:
    try:
        return known.get(target)
    except TypeError:  # it cannot be a key
        return None


def _package(function: FunctionType) -> str:
    """The package in which a function was written, up to the first dot."""
    return (function.__module__ or "").partition(".")[0]

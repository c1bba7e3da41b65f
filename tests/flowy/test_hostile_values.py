"""Whatever a payload and its type hint are, only a `SerializationError` is raised."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowy import (
    Activity,
    ActivityProxy,
    SerializationError,
    Workflow,
    WorkflowWorker,
    activity,
    outcome,
    start,
    workflow,
)
from flowy.payloads import PLAIN
from flowy.workers import ActivityWorker
from tests.support.worker_loops import DOMAIN


class Mood(Enum):
    GOOD = 1
    ODD = float("nan")
    OPAQUE = object()


@dataclass
class Picky:
    size: int

    def __post_init__(self) -> None:
        raise ZeroDivisionError(self.size)


@dataclass
class Quitter:
    size: int

    def __post_init__(self) -> None:
        sys.exit(self.size)


@dataclass
class Canceler:
    size: int

    def __post_init__(self) -> None:
        raise asyncio.CancelledError


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@dataclass
class Muted:
    size: int

    def __post_init__(self) -> None:
        raise Mute


@dataclass
class Unresolved:
    size: Missing  # type: ignore[name-defined]  # noqa: F821


class UnresolvedTuple(NamedTuple):
    size: Missing  # type: ignore[name-defined]  # noqa: F821


class Nested(TypedDict, total=False):
    picky: Picky
    when: datetime


SIMPLE = [
    *(Any, int, str, float, bool, type(None), list, dict, set, frozenset, tuple, bytes),
    *(UUID, datetime, date, time, timedelta, Decimal, Path, Mood),
    *(Picky, Quitter, Canceler, Muted, Unresolved, UnresolvedTuple, Nested),
]


def compound(hints: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        hints.map(lambda hint: list[hint]),  # type: ignore[valid-type]
        hints.map(lambda hint: set[hint]),  # type: ignore[valid-type]
        hints.map(lambda hint: tuple[hint, ...]),  # type: ignore[valid-type]
        hints.map(lambda hint: Sequence[hint]),  # type: ignore[valid-type]
        hints.map(lambda hint: hint | None if hint is not Any else Any),
        st.tuples(hints, hints).map(lambda two: tuple[two[0], two[1]]),  # type: ignore[misc]
        st.tuples(hints, hints).map(lambda two: two[0] | two[1] if two[0] is not Any else Any),
        st.tuples(hints, hints).map(lambda two: dict[two[0], two[1]]),  # type: ignore[misc]
        st.tuples(hints, hints).map(lambda two: Mapping[two[0], two[1]]),  # type: ignore[misc]
    )


HINTS = st.recursive(st.sampled_from(SIMPLE), compound, max_leaves=4)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 1e308, float("nan"), float("inf"), -0.0]),
    st.floats(),
    st.text(),
    st.sampled_from(["NaN", "sNaN", "2024-13-01", "24:61", "\0", "\ud800", "=", "é", "{}"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("size"), inner),
    max_leaves=8,
)


def hinted(hint: Any) -> type:
    def run(self: Any, value: Any) -> Any:
        return value

    run.__annotations__ = {"value": hint, "return": hint}
    return type("Hinted", (), {"run": run})


@given(HINTS, VALUES)
@example(UUID, 5)
@example(timedelta, 1e308)
@example(timedelta, "x")
@example(Picky, {"size": 1})
@example(Quitter, {"size": 1})
@example(Canceler, {"size": 1})
@example(Muted, {"size": 1})
@example(Decimal, [1])
@example(Path, "\0")
@example(Mood, 5)
@example(set[Any], [[1]])
def test_a_value_is_read_or_refused_with_a_serialization_error(hint: Any, value: Any) -> None:
    text = json.dumps(value)
    for read in (
        lambda: PLAIN.decode_input("x 1", f"[[{text}], {{}}]", hinted(hint)),
        lambda: PLAIN.decode_input("x 1", f'[[], {{"value": {text}}}]', hinted(hint)),
        lambda: PLAIN.decode_result("x 1", text, hinted(hint)),
    ):
        with suppress(SerializationError):
            read()


@given(st.text())
@example("[" * 100_000)
@example("1" * 5_000)
@example('[[1], {}, {"a": 1}]')
def test_a_text_is_read_or_refused_with_a_serialization_error(text: str) -> None:
    for read in (PLAIN.decode_input, PLAIN.decode_start, PLAIN.decode_result):
        with suppress(SerializationError):
            read("x 1", text, hinted(int))


def test_hints_that_cannot_be_resolved_leave_the_members_of_a_class_plain() -> None:
    assert PLAIN.decode_result("x 1", '{"size": 1}', hinted(Unresolved)) == Unresolved(1)
    assert PLAIN.decode_result("x 1", "[1]", hinted(UnresolvedTuple)) == UnresolvedTuple(1)


@activity("ask", 1, "numbers")
class Ask(Activity):
    def run(self, value: Picky | None) -> UUID:
        return 5  # type: ignore[return-value]


@workflow("asker", 1, "decisions")
class Asker(Workflow):
    ask = ActivityProxy(Ask)

    def run(self, value: Any) -> Any:
        return self.ask(value).result()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "the result of ask 1 does not match its type hint: AttributeError"),
        ({"size": 1}, "does not match its type hint: ZeroDivisionError: 1"),
    ],
)
def test_a_value_that_does_not_fit_fails_the_execution(
    simulated: Any, value: Any, sentence: str
) -> None:
    decider = WorkflowWorker(simulated, DOMAIN, "decisions", [Asker])
    worker = ActivityWorker(simulated, DOMAIN, "numbers", [Ask])
    for each in (decider, worker):
        each.register()
    execution = start(simulated, DOMAIN, Asker, value)
    decider.run_once()
    worker.run_once()
    decider.run_once()
    ended = outcome(simulated, DOMAIN, execution)
    assert ended is not None
    assert ended.status == "FAILED"
    assert sentence in ended.reason

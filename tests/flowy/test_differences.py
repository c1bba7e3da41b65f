from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy import _decisions
from flowy._call_sites import SourceLine
from flowy._decisions import DECISION_EVENTS, Decision, RecordedEvent
from flowy._determinism.causes import Reason, changed, requested_action, same_text
from flowy._determinism.differences import Difference, explained

COMPLETED = 4
SITE = SourceLine("orders.py", 31, "Orders.run")


def asks(name: str, number: int, *args: Any, version: str = "1", **kwargs: Any) -> Decision:
    attributes = {
        "activityId": f"{name}-{number}",
        "activityType": {"name": name, "version": version},
        "input": json.dumps([args, kwargs]),
        "taskList": {"name": "anywhere"},
    }
    return Decision("ScheduleActivityTask", attributes)


def child(name: str, number: int, *args: Any) -> Decision:
    attributes = {
        "control": f"{name}-{number}",
        "workflowType": {"name": name, "version": "1"},
        "workflowId": "x",
        "input": json.dumps([args, {}]),
    }
    return Decision("StartChildWorkflowExecution", attributes)


def signals(receiver: str, number: int) -> Decision:
    attributes = {
        "control": f"signal-{number}",
        "workflowId": receiver,
        "signalName": "paid",
        "input": "3",
    }
    return Decision("SignalExternalWorkflowExecution", attributes)


def timer(number: int, seconds: int) -> Decision:
    return _decisions.start_timer(f"timer-{number}", seconds)


marker = _decisions.record_marker
ends = _decisions.complete_workflow
EVENTS = {row.decision: event for event, row in reversed(DECISION_EVENTS.items())}


def history(*decided: Decision) -> list[RecordedEvent]:
    """The events that the service writes for decisions."""
    return [
        RecordedEvent(COMPLETED + number, EVENTS[each.type], each.attributes)
        for number, each in enumerate(decided, 1)
    ]


def between(
    then: Sequence[Decision], now: Sequence[Decision], sites: Sequence[SourceLine | None] = ()
) -> Difference:
    difference = explained(now, history(*then), COMPLETED, lambda: sites)
    assert difference is not None
    return difference


A, B, C, D = asks("a", 1, "x"), asks("b", 2), asks("c", 3), asks("d", 4)

CASES: dict[str, tuple[list[Decision], list[Decision], int, Reason, str]] = {
    "added at the end": (
        [A],
        [A, B],
        6,
        Reason.ADDED,
        "the code asks for the activity b 1, which it did not do before",
    ),
    "added where nothing was decided": (
        [],
        [A],
        5,
        Reason.ADDED,
        "activity a 1, which it did not do before",
    ),
    "added between": ([A, B], [A, C, asks("b", 3)], 6, Reason.ADDED, "the activity c 1"),
    "the same activity with other arguments added before": (
        [asks("a", 1, "x"), asks("a", 2, "y")],
        [asks("a", 1, "w"), asks("a", 2, "x"), asks("a", 3, "y")],
        5,
        Reason.ADDED,
        "the activity a 1",
    ),
    "removed at the end": (
        [A, B],
        [A],
        6,
        Reason.REMOVED,
        "the code no longer asks for the activity b 1",
    ),
    "all removed": ([A], [], 5, Reason.REMOVED, "the activity a 1"),
    "removed between": ([A, B, C], [A, asks("c", 2)], 6, Reason.REMOVED, "the activity b 1"),
    "two in another order": (
        [A, B],
        [asks("b", 1), asks("a", 2, "x")],
        5,
        Reason.REORDERED,
        "the code asks for the activity b 1 before the activity a 1, not after it",
    ),
    "numbered otherwise": (
        [asks("a", 1, "x")],
        [asks("a", 2, "x")],
        5,
        Reason.RENUMBERED,
        "calls were added or removed in run before the activity a 1",
    ),
    "a timer numbered otherwise": (
        [timer(1, 30)],
        [timer(2, 30)],
        5,
        Reason.RENUMBERED,
        "a timer",
    ),
    "another argument": (
        [asks("a", 1, "photo", 64)],
        [asks("a", 1, "photo", 128)],
        5,
        Reason.ARGUMENTS,
        "the activity a 1 differs: argument 2 was 64 and is 128",
    ),
    "another argument by keyword": (
        [asks("a", 1, size=64)],
        [asks("a", 1, size=128)],
        5,
        Reason.ARGUMENTS,
        "argument size was 64 and is 128",
    ),
    "an argument more": (
        [asks("a", 1)],
        [asks("a", 1, "blue")],
        5,
        Reason.ARGUMENTS,
        'argument 1 was absent and is "blue"',
    ),
    "other arguments of a child": (
        [child("a", 1, 2)],
        [child("a", 1, 3)],
        5,
        Reason.ARGUMENTS,
        "the child workflow a 1 differs: argument 1 was 2 and is 3",
    ),
    "a marker that says something else": (
        [marker("step", "one")],
        [marker("step", "two")],
        5,
        Reason.ARGUMENTS,
        "the marker step differs: then one, now two",
    ),
    "another version": (
        [asks("a", 1, version="1")],
        [asks("a", 1, version="2")],
        5,
        Reason.VERSION,
        "the code asks for the activity a 2 instead of version 1",
    ),
    "another activity": (
        [A],
        [asks("z", 1, "x")],
        5,
        Reason.TYPE,
        "the code asks for the activity z 1 where it asked for the activity a 1",
    ),
    "a timer instead of an activity": ([A], [timer(1, 5)], 5, Reason.TYPE, "a timer"),
    "a child instead of an activity": (
        [A],
        [child("a", 1)],
        5,
        Reason.TYPE,
        "the child workflow a",
    ),
    "a signal to somebody else": (
        [signals("order-1", 1)],
        [signals("order-2", 1)],
        5,
        Reason.TYPE,
        "sending the signal paid to order-2 where it asked for sending the signal paid to order-1",
    ),
    "another result": (
        [ends('"blue"')],
        [ends('"red"')],
        5,
        Reason.OUTCOME,
        'the execution ends differently: then "blue", now "red"',
    ),
    "another failure": (
        [_decisions.fail_workflow("KeyError: 'a'", "…")],
        [_decisions.fail_workflow("KeyError: 'b'", "…")],
        5,
        Reason.OUTCOME,
        "KeyError",
    ),
    "the end instead of an activity": ([A], [ends("1")], 5, Reason.ENDS_EARLIER, "its completion"),
    "the end after what was decided": ([A], [A, ends("1")], 6, Reason.ENDS_EARLIER, "ends"),
    "a cancellation instead of an activity": (
        [A],
        [_decisions.cancel_workflow("")],
        5,
        Reason.ENDS_EARLIER,
        "its cancellation",
    ),
    "an exception": (
        [A],
        [_decisions.fail_workflow("KeyError: 'size'", "Traceback …")],
        5,
        Reason.RAISES,
        "run raises an exception that it did not raise before: KeyError: 'size'",
    ),
    "an activity instead of the end": (
        [ends("1")],
        [A],
        5,
        Reason.ENDS_LATER,
        "the code asks for the activity a 1 where the execution ended before",
    ),
    "nothing instead of the end": ([ends("1")], [], 5, Reason.ENDS_LATER, "still waits"),
    "a failure instead of a result": (
        [ends("1")],
        [_decisions.fail_workflow("ValueError", "")],
        5,
        Reason.RAISES,
        "ValueError",
    ),
    "a question removed": (
        [marker("patched: larger"), A],
        [A],
        5,
        Reason.PATCH_REMOVED,
        'the code no longer calls self.patched("larger")',
    ),
    "a question removed, and another activity": (
        [marker("patched: larger"), A],
        [B],
        5,
        Reason.PATCH_REMOVED,
        'self.patched("larger")',
    ),
    "a side effect removed": (
        [marker("side effect 1", "7"), A],
        [A],
        5,
        Reason.SIDE_EFFECT_REMOVED,
        "the code no longer uses self.side_effect()",
    ),
    "chance removed": ([marker("random", "1")], [], 5, Reason.SIDE_EFFECT_REMOVED, "self.random"),
    "a side effect added": (
        [A],
        [marker("side effect 1")],
        5,
        Reason.ADDED,
        "the code asks for self.side_effect(), which it did not do before",
    ),
    "a marker removed": ([marker("half way")], [], 5, Reason.SIDE_EFFECT_REMOVED, "half way"),
    "a marker and an activity in another order": (
        [marker("half way"), A],
        [A, marker("half way")],
        5,
        Reason.REORDERED,
        "the activity a 1 before the marker half way",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_the_likely_reason_is_reported(
    case: tuple[list[Decision], list[Decision], int, Reason, str],
) -> None:
    then, now, event_id, reason, why = case
    difference = between(then, now)
    assert (difference.event_id, difference.reason) == (event_id, reason)
    assert why in difference.why


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_case_and_a_fix(reason: Reason) -> None:
    found = [case for case in CASES.values() if case[3] is reason]
    assert found
    assert all(between(then, now).fix for then, now, *_ in found)


def test_a_report_says_what_where_why_and_how_to_fix_it() -> None:
    then = [asks("resize", 1, "photo", 64), asks("color", 2, "photo")]
    now = [asks("resize", 1, "photo", 64), asks("color", 2, "PHOTO")]
    assert str(between(then, now, [None, SITE])) == (
        'event 6 of the history shows ActivityTaskScheduled(color-2, color 1, [["photo"], {}]), '
        "but the workflow's code decided ScheduleActivityTask(color-2, color 1, "
        '[["PHOTO"], {}]) (orders.py, line 31, in Orders.run)\n'
        'likely reason: the activity color 1 differs: argument 1 was "photo" and '
        'is "PHOTO"\n'
        "what to do: run the code that wrote this history, and the execution continues; to change "
        'what running executions do, check `if self.patched("…")` and keep the old code next to '
        "the new, or give the changed workflow a new version. If the code has not changed, look "
        "for something that differs at each replay, such as the order of a set\n"
        "in this turn the history shows\n"
        '      5 ActivityTaskScheduled(resize-1, resize 1, [["photo", 64], {}])\n'
        '>     6 ActivityTaskScheduled(color-2, color 1, [["photo"], {}])\n'
        "and the code decided\n"
        '        ScheduleActivityTask(resize-1, resize 1, [["photo", 64], {}])\n'
        '>       ScheduleActivityTask(color-2, color 1, [["PHOTO"], {}])'
        " (orders.py, line 31, in Orders.run)"
    )


def test_what_is_missing_is_marked_too() -> None:
    assert between([A], []).turn.splitlines() == [
        "in this turn the history shows",
        '>     5 ActivityTaskScheduled(a-1, a 1, [["x"], {}])',
        "and the code decided",
        ">       nothing",
    ]
    assert between([A], [A, B]).turn.splitlines()[1:3] == [
        '      5 ActivityTaskScheduled(a-1, a 1, [["x"], {}])',
        ">       nothing more",
    ]
    difference = between([A], [A, B], [None])
    assert (difference.expected, difference.site) == ("no further decision", None)


def test_long_turns_and_long_values_are_shortened() -> None:
    then = [asks("a", number) for number in range(100)]
    now = [*then[:50], asks("z", 50, "long" * 10_000), *then[51:]]
    difference = between(then, now)
    lines = difference.turn.splitlines()
    assert len(lines) == 2 * (1 + 21 + 2)
    assert lines[1] == "  … 40 before"
    assert lines[23] == "  … 39 after"
    assert max(map(len, lines)) < 400
    assert len(difference.got) < 400
    assert len(difference.why) < 400


def test_what_may_differ_does_not_count() -> None:
    spaced = asks("a", 1, "x", b=1, a=2)
    other = Decision(spaced.type, {**spaced.attributes, "input": '[["x"],{"a":2,"b":1}]'})
    other.attributes["taskList"] = {"name": "elsewhere"}
    assert explained([other], history(spaced), COMPLETED) is None


def test_an_event_of_a_kind_that_no_decision_writes_is_another() -> None:
    difference = explained([A], [RecordedEvent(5, "SomethingNew", {})], COMPLETED)
    assert difference is not None
    assert difference.expected == "SomethingNew()"
    assert difference.reason is Reason.TYPE


def test_a_refused_decision_is_one_too() -> None:
    refused = RecordedEvent(5, "ScheduleActivityTaskFailed", {**A.attributes, "cause": "X"})
    assert explained([A], [refused], COMPLETED) is None
    difference = explained([asks("a", 9, "x")], [refused], COMPLETED)
    assert difference is not None
    assert difference.reason is Reason.RENUMBERED


@pytest.mark.parametrize("decision", sorted({row.decision for row in DECISION_EVENTS.values()}))
def test_each_kind_of_decision_can_be_named(decision: str) -> None:
    attributes = {name: "n" for row in DECISION_EVENTS.values() for name in row.attributes}
    attributes |= {"activityType": {"name": "n", "version": "1"}}  # type: ignore[dict-item]
    assert decision not in str(requested_action(decision, attributes))


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ("[[1], {}]", "[[2], {}]", "argument 1 was 1 and is 2"),
        ("[[1], {}]", "[[], {}]", "argument 1 was 1 and is absent"),
        ("[[], {}]", "[[], {}, {}]", "nothing that matters"),
        (None, "[[], {}]", "then nothing, now [[], {}]"),
        ("gzip:abc", "gzip:def", "then gzip:abc, now gzip:def"),
        ("[" * 100_000, "1", f"then {'[' * 80}…, now 1"),
    ],
)
def test_a_change_of_arguments_is_reported(then: str | None, now: str, told: str) -> None:
    assert changed(then, now) == told


def test_texts_are_the_same_if_their_json_is() -> None:
    assert same_text('{"a": 1, "b": 2}', '{"b":2,"a":1}')
    assert same_text(None, None)
    assert not same_text("1", "2")
    assert not same_text(None, "null")
    assert not same_text("[" * 100_000, "]")


STEPS = st.builds(
    lambda name, number, argument: asks(name, number, argument),
    st.sampled_from("abcde"),
    st.integers(1, 9),
    st.integers(0, 3),
)
KINDS = st.one_of(
    STEPS,
    st.builds(timer, st.integers(1, 9), st.integers(0, 3)),
    st.builds(child, st.sampled_from("ab"), st.integers(1, 9), st.integers(0, 3)),
    st.builds(signals, st.sampled_from("ab"), st.integers(1, 9)),
    st.builds(marker, st.sampled_from(["random", "side effect 1", "patched: a", "m"])),
    st.builds(ends, st.sampled_from("12")),
    st.builds(_decisions.fail_workflow, st.sampled_from("ab"), st.just("")),
)


@given(st.lists(KINDS, max_size=6), st.lists(KINDS, max_size=6))
def test_any_two_turns_are_compared(then: list[Decision], now: list[Decision]) -> None:
    difference = explained(now, history(*then), COMPLETED)
    if difference is None:
        assert len(then) == len(now)
        return
    index = difference.event_id - COMPLETED - 1
    assert explained(now[:index], history(*then[:index]), COMPLETED) is None
    assert difference.why
    assert str(difference).count("\n>") == 2


def distinct(count: int) -> list[Decision]:
    return [asks(f"step{number}", number) for number in range(count)]


@given(st.integers(0, 6), st.data())
def test_an_extra_call_is_reported_as_added_and_a_missing_one_as_removed(
    count: int, data: Any
) -> None:
    then = distinct(count)
    place = data.draw(st.integers(0, count))
    now = [*then[:place], asks("new", 99), *then[place:]]
    more, less = between(then, now), between(now, then)
    assert (more.reason, less.reason) == (Reason.ADDED, Reason.REMOVED)
    assert more.event_id == less.event_id == COMPLETED + place + 1
    assert "the activity new 1" in more.why
    assert "the activity new 1" in less.why


@given(st.integers(2, 6), st.data())
def test_two_exchanged_calls_are_reported_as_reordered(count: int, data: Any) -> None:
    then = distinct(count)
    one, other = data.draw(
        st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True).map(sorted)
    )
    now = [*then]
    now[one], now[other] = now[other], now[one]
    difference = between(then, now)
    assert difference.reason is Reason.REORDERED
    assert difference.event_id == COMPLETED + one + 1

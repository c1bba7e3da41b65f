from __future__ import annotations

import random
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from flowy_sim._events.schema import EVENTS
from flowy_sim._report import timeline
from flowy_sim._report.layout import columns, duration
from tests.support.event_builder import History


def rows(history: History, width: int = 80) -> dict[str, str]:
    """Return what is drawn of each row, by its label."""
    lines = timeline.text(history.events, width).split("\n\n")[1].splitlines()[1:]
    return {line.split("  ")[0]: line for line in lines}


def test_activities_are_bars_over_time_with_their_waiting_and_their_outcome():
    history = History().decide(0).schedule(0, "resize-1").schedule(0, "resize-2")
    history.start(0, "resize-1").end(6, "resize-1")
    history.start(6, "resize-2").end(10, "resize-2").decide(10)
    history.add(10, "WorkflowExecutionCompleted")

    assert timeline.text(history.events, width=64) == dedent("""\
        photo 7 · completed · 10 s · 14 events

                         0 s  2 s   4 s   6 s   8 s   10 s
        decisions        ▪                            ▪  2
        resize-1    5-8  ━━━━━━━━━━━━━━━━━━              completed   6 s
        resize-2   6-10  ·················━━━━━━━━━━━━━  completed  10 s""")


def test_a_signal_that_is_awaited_is_an_open_mark_at_the_present():
    history = History().decide(0).timer(0, "remind")
    history.add(4, "WorkflowExecutionSignaled", signalName="hurry").decide(4)

    assert timeline.text(history.events, width=64, awaited=["approve"]) == dedent("""\
        photo 7 · open · 4 s · 9 events

                           0 s    1 s     2 s    3 s     4 s
        decisions          ▪                             ▪  2
        timer remind  5-9  ──────────────────────────────▸  open     4 s
        signal hurry    6                                ◆
        approve?                                         ◇  awaited""")
    in_ascii = timeline.text(history.events, ascii=True, awaited=["approve"])
    assert in_ascii.splitlines()[-1].split() == ["approve?", "?", "awaited"]


def test_what_happened_at_one_instant_is_drawn_in_the_order_of_events():
    history = History().decide(0).schedule(0, "resize-1").schedule(0, "resize-2")
    history.start(0, "resize-1").end(0, "resize-1").start(0, "resize-2").end(0, "resize-2")

    picture = timeline.text(history.events, width=64)

    assert "all at one instant" in picture
    assert "  event  1 " in picture
    drawn = rows(history, 64)
    assert drawn["resize-1"].rindex("━") < drawn["resize-2"].index("━")


def test_a_history_without_timestamps_is_drawn_in_the_order_of_events():
    history = History().decide(0).schedule(1, "resize-1").start(2, "resize-1").end(3, "resize-1")
    for event in history.events:
        del event["eventTimestamp"]

    picture = timeline.text(history.events)

    assert picture.startswith("photo 7 · open · 7 events\n")
    assert "  event  1 " in picture


def test_timestamps_may_be_datetimes_numbers_or_iso_text():
    history = History().decide(0).schedule(1, "resize-1").start(2, "resize-1").end(3.5, "resize-1")
    expected = timeline.text(history.events)
    numbers = [
        event | {"eventTimestamp": event["eventTimestamp"].timestamp()} for event in history.events
    ]
    texts = [
        event | {"eventTimestamp": event["eventTimestamp"].isoformat()} for event in history.events
    ]

    assert timeline.text(numbers) == expected
    assert timeline.text(texts) == expected


def test_a_clock_that_went_back_draws_nothing_backwards():
    history = History().decide(5).schedule(4, "resize-1").start(4.5, "resize-1").end(9, "resize-1")

    assert "9 s" in timeline.text(history.events).splitlines()[0]
    assert "━" in rows(history)["resize-1"]


@pytest.mark.parametrize(
    ("how", "attributes", "mark", "word"),
    [
        ("Failed", {"reason": "ValueError: no"}, "✗", "failed"),
        ("TimedOut", {"timeoutType": "HEARTBEAT"}, "!", "timed out"),
        ("Canceled", {}, "○", "canceled"),
    ],
)
def test_a_bar_ends_with_a_mark_unless_it_completed(how, attributes, mark, word):
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(3, "resize-1", how, **attributes)

    assert mark in rows(history)["resize-1"]
    assert word in rows(history)["resize-1"]


def test_problems_are_listed_below_with_their_event_and_reason():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(3, "resize-1", "Failed", reason="ValueError: no image")
    history.decide(3).add(3, "WorkflowExecutionFailed", reason="resize 1 failed")

    assert timeline.text(history.events).splitlines()[-2:] == [
        "event 7  resize-1 failed: ValueError: no image",
        "event 11  the execution failed: resize 1 failed",
    ]


def test_attempts_share_a_row_with_the_waits_between_them():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(1, "resize-1", "Failed").decide(1).timer(1, "resize-1.2-delay")
    history.fire(4, "resize-1.2-delay").decide(4).schedule(4, "resize-1.2")
    history.start(4, "resize-1.2").end(6, "resize-1.2")

    drawn = rows(history)

    assert list(drawn) == ["decisions", "resize-1"]
    assert "completed, try 2" in drawn["resize-1"]
    assert drawn["resize-1"].index("✗") < drawn["resize-1"].index("─")


def test_an_activity_id_used_again_is_another_attempt():
    history = History().decide(0).schedule(0, "a resize").end(1, "a resize", "TimedOut")
    history.decide(1).schedule(1, "a resize").start(1, "a resize").end(2, "a resize")

    assert "completed, try 2" in rows(history)["a resize"]


def test_a_number_after_an_id_alone_does_not_make_it_another_attempt():
    history = History().decide(0).schedule(0, "resize-1").schedule(0, "resize-1.2")

    assert list(rows(history)) == ["decisions", "resize-1", "resize-1.2"]


def test_an_activity_is_open_while_it_waits_for_a_retry():
    history = History().decide(0).schedule(0, "resize-1").end(1, "resize-1", "Failed")
    history.decide(1).timer(1, "resize-1.2-delay").add(
        2, "WorkflowExecutionSignaled", signalName="x"
    )

    assert "open" in rows(history)["resize-1"]


def test_timers_children_lambdas_signals_and_markers_have_rows():
    child = {"workflowId": "order-1", "workflowType": {"name": "order", "version": "1"}}
    history = History().decide(0).timer(0, "pause")
    history.add(0, "StartChildWorkflowExecutionInitiated", **child)
    history.add(1, "ChildWorkflowExecutionStarted", initiatedEventId=6)
    history.add(1, "LambdaFunctionScheduled", id="l", name="scale")
    history.add(2, "WorkflowExecutionSignaled", signalName="go")
    history.add(2, "MarkerRecorded", markerName="half")
    history.add(3, "ChildWorkflowExecutionTerminated", initiatedEventId=6, startedEventId=7)
    history.fire(4, "pause", "Canceled")

    drawn = rows(history)

    assert list(drawn) == [
        "decisions",
        "timer pause",
        "child order-1",
        "lambda scale",
        "signal go",
        "marker half",
    ]
    assert "○" in drawn["timer pause"]
    assert "═" in drawn["child order-1"]
    assert "terminated" in drawn["child order-1"]
    assert "◆" in drawn["signal go"]
    assert "open" in drawn["lambda scale"]


def test_a_decision_that_failed_is_shown_with_its_cause():
    history = History().decide(0)
    history.add(0, "StartTimerFailed", timerId="pause", cause="TIMER_ID_ALREADY_IN_USE")
    history.add(0, "CompleteWorkflowExecutionFailed", cause="UNHANDLED_DECISION")

    picture = timeline.text(history.events)

    assert "event 5  StartTimer pause failed: TIMER_ID_ALREADY_IN_USE" in picture
    assert "event 6  CompleteWorkflowExecution failed: UNHANDLED_DECISION" in picture


def test_decisions_that_timed_out_are_counted():
    history = History().add(0, "DecisionTaskScheduled")
    history.add(0, "DecisionTaskStarted", scheduledEventId=2)
    history.add(60, "DecisionTaskTimedOut", scheduledEventId=2, timeoutType="START_TO_CLOSE")
    history.decide(60)

    assert rows(history)["decisions"].rstrip().endswith("2, 1 timed out")


def test_of_many_rows_the_first_and_the_last_are_shown():
    history = History().decide(0)
    for number in range(1, 101):
        history.schedule(number, f"resize-{number}")

    lines = timeline.text(history.events, rows=6).splitlines()[3:]

    assert [line.split()[0] for line in lines] == [
        "decisions",
        "resize-1",
        "resize-2",
        "…",
        "resize-98",
        "resize-99",
        "resize-100",
    ]
    assert lines[3] == "… 95 more …"


def test_long_names_keep_their_ends():
    long_name = {"name": "a_very_long_name_of_an_activity_type", "version": "1"}
    history = History().decide(0).schedule(0, f"{long_name['name']}-41", long_name)

    assert "…" in timeline.text(history.events).splitlines()[-1]
    assert "e-41 " in timeline.text(history.events).splitlines()[-1]


def test_names_cannot_control_the_terminal():
    evil = {"name": "\x1b[2J\nresize", "version": "1"}
    history = History().decide(0).schedule(0, "\x1b[2J\nresize", evil)

    picture = timeline.text(history.events)

    assert "\x1b" not in picture
    assert "␛[2J resize" in picture


def test_a_page_of_a_history_is_drawn_as_far_as_possible():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(1, "resize-1").schedule(1, "resize-2").end(2, "resize-2")

    picture = timeline.text(history.events[5:])

    assert "resize-1" not in picture
    assert "resize-2" in picture


def test_an_empty_history_is_a_sentence():
    assert timeline.text([]) == "The history has no events."


def test_something_that_is_not_an_event_is_refused():
    with pytest.raises(ValueError, match="not events of a history"):
        timeline.text([{"eventId": 1}])


def test_the_colored_timeline_has_the_same_text():
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(3, "resize-1", "Failed", reason="ValueError: no [bold]image[/bold]")

    coloured = timeline.rich_text(history.events, 70)

    assert coloured.plain == timeline.text(history.events, 70)
    console = Console(width=70, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(coloured)
    assert "\x1b[1;31m" in capture.get()


EVENT_TYPES = sorted(EVENTS.keys() - {"WorkflowExecutionStarted"})
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, object]]:
    """Draw events of all kinds in any order, even an impossible one."""
    named = {"name": draw(NAMES), "version": "1"}
    history = History()
    for event_type in draw(st.lists(st.sampled_from(EVENT_TYPES), max_size=20)):
        earlier = draw(st.integers(0, len(history.events)))
        attributes = {
            "activityType": named,
            "workflowType": named,
            "scheduledEventId": earlier,
            "startedEventId": earlier,
            "initiatedEventId": earlier,
            "cause": draw(NAMES),
        }
        for member in ("activityId", "timerId", "workflowId", "signalName", "markerName", "name"):
            attributes[member] = draw(NAMES)
        history.add(draw(st.floats(0, 1e8)), event_type, **attributes)
    return history.events


@given(histories(), st.integers(20, 200), st.booleans())
def test_no_line_is_wider_than_the_terminal(events, width, ascii):
    for line in timeline.text(events, width, ascii=ascii).splitlines():
        assert columns(line) <= width
        assert line.isascii() or not ascii


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_the_events_given_does_not_matter(events, randomness: random.Random):
    shuffled = randomness.sample(events, len(events))

    assert timeline.text(shuffled) == timeline.text(events)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (7, "7 ms"),
        (999.6, "1 s"),
        (1500, "1.5 s"),
        (12_346, "12.35 s"),
        (59_999, "1 min"),
        (125_000, "2 min 5 s"),
        (3_600_000, "1 h"),
        (12_000_000, "3 h 20 min"),
        (90_061_000, "1 d 1 h"),
        (31_536_000_000, "365 d"),
    ],
)
def test_durations_are_written_with_their_two_greatest_units(milliseconds, words):
    assert duration(milliseconds) == words


def problems(history: History) -> list[str]:
    return timeline.text(history.events, 120).split("\n\n")[2].splitlines()


@pytest.mark.parametrize(
    "reasons",
    [
        ["no", "not enough space: the disk of host 7 is full", "no licence"],
        ["no"] * 5,
        ["the disk is full", "the disk is full", "full"],
    ],
)
def test_each_failure_shows_its_own_reason(reasons: list[str]):
    history = History().decide(0)
    for number, reason in enumerate(reasons):
        history.schedule(0, f"resize-{number}").start(0, f"resize-{number}")
        history.end(number, f"resize-{number}", "Failed", reason=reason)

    shown = problems(history)

    assert [line.partition("  ")[2] for line in shown] == [
        f"resize-{number} failed: {reason}" for number, reason in enumerate(reasons)
    ]


def test_each_refused_decision_shows_its_own_cause():
    history = History().decide(0)
    for number in range(3):
        history.add(
            0, "StartTimerFailed", timerId=f"t-{number}", cause="OPEN_TIMERS_LIMIT_EXCEEDED"
        )

    assert all(line.endswith(" failed: OPEN_TIMERS_LIMIT_EXCEEDED") for line in problems(history))


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("ValueError: no", "because of event 7"),
        ("resize 1 (resize-1) failed: ValueError: no", "because of event 7"),
        ("ValueError: no more", ": ValueError: no more"),
        ("OSError: ValueError: no", ": OSError: ValueError: no"),
    ],
)
def test_only_an_execution_that_fails_with_an_earlier_reason_refers_to_it(reason: str, shown: str):
    history = History().decide(0).schedule(0, "resize-1").start(0, "resize-1")
    history.end(1, "resize-1", "Failed", reason="ValueError: no")
    history.decide(1).schedule(1, "copy-1").start(1, "copy-1")
    history.end(2, "copy-1", "Failed", reason="other").decide(2)
    history.add(2, "WorkflowExecutionFailed", reason=reason)

    assert problems(history)[-1].partition("  ")[2] in (
        f"the execution failed {shown}",
        f"the execution failed{shown}",
    )

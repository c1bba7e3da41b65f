"""Time passes in the simulation as it did when a history was recorded."""

from __future__ import annotations

import pytest

from flowy_sim.verify import verify
from tests.support.recorded_history import Written


def timed_out(written: Written, **members: object) -> int:
    return written.trigger("ActivityTaskTimedOut", **members)


@pytest.mark.parametrize("late", [0, 0.007, 0.019, 0.4])
def test_a_late_timer_may_fire_after_other_events(late):
    written = Written()
    (timer,) = written.decide(("TimerStarted", {"timerId": "t", "startToFireTimeout": "5"}))
    written.later(5)
    written.trigger("WorkflowExecutionSignaled", externalInitiatedEventId=0, signalName="go")
    written.later(late).trigger("TimerFired", startedEventId=timer, timerId="t")
    assert verify(written.events).agrees


def test_a_timer_never_fires_before_its_time():
    written = Written()
    (timer,) = written.decide(("TimerStarted", {"timerId": "t", "startToFireTimeout": "5"}))
    fired = written.later(4).trigger("TimerFired", startedEventId=timer, timerId="t")
    assert verify(written.events).difference.event_id == fired


def test_a_timer_that_is_far_too_late_is_a_difference_though_the_order_is_right():
    written = Written()
    (timer,) = written.decide(("TimerStarted", {"timerId": "t", "startToFireTimeout": "5"}))
    fired = written.later(6.5).trigger("TimerFired", startedEventId=timer, timerId="t")
    difference = verify(written.events).difference
    assert (difference.event_id, difference.field) == (fired, "eventTimestamp")


def test_a_timer_that_does_not_fire_is_a_difference():
    written = Written()
    written.decide(("TimerStarted", {"timerId": "t", "startToFireTimeout": "5"}))
    signal = {"externalInitiatedEventId": 0, "signalName": "go"}
    signaled = written.later(7).trigger("WorkflowExecutionSignaled", **signal)
    difference = verify(written.events).difference
    assert (difference.event_id, difference.got) == (signaled, "TimerFired")


@pytest.mark.parametrize(
    ("setting", "timeout_type"),
    [
        ("startToCloseTimeout", "START_TO_CLOSE"),
        ("heartbeatTimeout", "HEARTBEAT"),
        ("scheduleToCloseTimeout", "SCHEDULE_TO_CLOSE"),
    ],
)
def test_an_activity_times_out(setting, timeout_type):
    written = Written()
    scheduled, started = written.start_activity(**{setting: "2"})
    # The clock of scheduleToCloseTimeout has run for the 0.1 s until the start already.
    written.later(1.9 if setting == "scheduleToCloseTimeout" else 2)
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    timed_out(written, timeoutType=timeout_type, **links)
    assert verify(written.events).agrees


def test_a_worker_must_have_sent_heartbeats_when_an_activity_outlives_its_heartbeat_timeout():
    written = Written()
    scheduled, started = written.start_activity(heartbeatTimeout="2")
    written.later(600)
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    written.trigger("ActivityTaskCompleted", **links)
    assert verify(written.events).agrees


def test_the_details_of_the_last_heartbeat_are_in_the_time_out():
    written = Written()
    scheduled, started = written.start_activity(heartbeatTimeout="2")
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    timed_out(written.later(31), timeoutType="HEARTBEAT", details="half", **links)
    assert verify(written.events).agrees


def heartbeats(started: int, *answers: bool) -> list[dict[str, object]]:
    return [
        {"startedEventId": started, "details": None, "response": {"cancelRequested": answer}}
        for answer in answers
    ]


def test_recorded_heartbeats_are_sent_and_learn_of_the_request_to_cancel():
    written = Written()
    scheduled, started = written.start_activity(heartbeatTimeout="60")
    signal = {"externalInitiatedEventId": 0, "signalName": "stop"}
    written.later(1).trigger("WorkflowExecutionSignaled", **signal)
    (asked,) = written.decide(("ActivityTaskCancelRequested", {"activityId": "a"}))
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    written.later(1).trigger("ActivityTaskCanceled", latestCancelRequestedEventId=asked, **links)
    recorded = heartbeats(started, False, False, True)
    assert verify({"events": written.events, "recordedHeartbeats": recorded}).agrees


def test_a_heartbeat_with_another_reply_is_a_difference():
    written = Written()
    scheduled, started = written.start_activity()
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    written.later(1).trigger("ActivityTaskCompleted", **links)
    document = {"events": written.events, "recordedHeartbeats": heartbeats(started, True)}
    difference = verify(document).difference
    assert (difference.event_id, difference.recorded, difference.got) == (started, True, False)
    assert difference.field == "RecordActivityTaskHeartbeat.cancelRequested"


def test_a_decision_task_times_out_and_the_poll_before_it_does_not_count():
    written = Written()
    written.decide()
    signal = {"externalInitiatedEventId": 0, "signalName": "go"}
    written.later(1).trigger("WorkflowExecutionSignaled", **signal)
    scheduled, started = written.start_deciding()
    links = {"scheduledEventId": scheduled, "startedEventId": started}
    written.later(60.006).trigger("DecisionTaskTimedOut", timeoutType="START_TO_CLOSE", **links)
    _, again = written.start_deciding()
    for previous, agrees in ((3, True), (started, False)):
        polls = {str(again): {"previousStartedEventId": previous, "firstEventId": 1}}
        verdict = verify({"events": written.events, "recordedPolls": polls})
        assert verdict.agrees == agrees


def test_an_execution_times_out():
    written = Written(executionStartToCloseTimeout="5", childPolicy="ABANDON")
    written.later(5.01).write(
        "WorkflowExecutionTimedOut", childPolicy="ABANDON", timeoutType="START_TO_CLOSE"
    )
    assert verify(written.events).agrees


def test_invented_times_keep_the_recorded_order_of_concurrent_timers():
    written = Written()
    (long,) = written.decide(("TimerStarted", {"timerId": "long", "startToFireTimeout": "10"}))
    signal = {"externalInitiatedEventId": 0, "signalName": "go"}
    written.later(8).trigger("WorkflowExecutionSignaled", **signal)
    (short,) = written.decide(("TimerStarted", {"timerId": "short", "startToFireTimeout": "5"}))
    written.later(1.5).trigger("TimerFired", startedEventId=long, timerId="long")
    written.later(3.5).trigger("TimerFired", startedEventId=short, timerId="short")
    for event in written.events:
        del event["eventTimestamp"]
    assert verify(written.events).agrees

"""Timers and markers."""

from __future__ import annotations

from typing import Any

from flowy_sim._engine.limits import Limits
from tests.support.engine_scenarios import World, decision, produces, timer

CANCEL = decision("CancelTimer", timerId="t")


@produces("decision StartTimer", "EventType TimerStarted", "EventType TimerFired")
def test_a_timer_fires_when_its_time_has_come(world: World) -> None:
    world.start()
    world.decide(timer(control="c"))
    assert world.event("TimerStarted") == {
        "control": "c",
        "decisionTaskCompletedEventId": 4,
        "startToFireTimeout": "60",
        "timerId": "t",
    }
    world.wait(59.9)
    assert world.types()[-1] == "TimerStarted"
    world.wait(0.2)
    assert world.types()[-2:] == ["TimerFired", "DecisionTaskScheduled"]
    assert world.event("TimerFired") == {"startedEventId": 5, "timerId": "t"}
    assert world.same_time(6, 7)


def test_a_timer_of_zero_seconds_fires_in_its_own_transaction(world: World) -> None:
    world.start()
    world.decide(timer(seconds="0"), decision("RecordMarker", markerName="m"))
    assert world.types()[-1] == "MarkerRecorded"
    world.wait()
    assert world.types()[-2:] == ["TimerFired", "DecisionTaskScheduled"]
    assert not world.same_time(6, 7)


@produces("decision CancelTimer", "EventType TimerCanceled")
def test_a_canceled_timer_never_fires_and_its_id_is_free_again(world: World) -> None:
    world.start()
    world.decide(timer(), CANCEL, timer(seconds="5"), CANCEL)
    assert world.event("TimerCanceled") == {
        "decisionTaskCompletedEventId": 4,
        "startedEventId": 7,
        "timerId": "t",
    }
    world.wait(3600)
    assert world.types()[4:] == ["TimerStarted", "TimerCanceled"] * 2


@produces(
    "EventType StartTimerFailed",
    "EventType CancelTimerFailed",
    "StartTimerFailedCause TIMER_ID_ALREADY_IN_USE",
    "CancelTimerFailedCause TIMER_ID_UNKNOWN",
)
def test_timer_ids_are_unique_while_they_run_and_unknown_afterwards(world: World) -> None:
    world.start()
    world.decide(timer(seconds="5"), timer())
    failed = {"decisionTaskCompletedEventId": 4, "timerId": "t"}
    assert world.event("StartTimerFailed") == {"cause": "TIMER_ID_ALREADY_IN_USE", **failed}
    assert world.types()[-1] == "DecisionTaskScheduled"
    world.wait(6)
    world.decide(CANCEL)
    assert world.event("CancelTimerFailed")["cause"] == "TIMER_ID_UNKNOWN"
    assert world.event("CancelTimerFailed")["timerId"] == "t"
    assert world.types()[-1] == "DecisionTaskScheduled"


@produces("StartTimerFailedCause OPEN_TIMERS_LIMIT_EXCEEDED")
def test_open_timers_of_an_execution_are_limited(make_world: Any) -> None:
    world = make_world(limits=Limits(open_timers=1))
    world.start()
    world.decide(timer("a"), timer("b"))
    assert world.event("StartTimerFailed") == {
        "cause": "OPEN_TIMERS_LIMIT_EXCEEDED",
        "decisionTaskCompletedEventId": 4,
        "timerId": "b",
    }


def test_a_colon_in_an_id_is_accepted_as_recorded(world: World) -> None:
    world.start("order:1")
    world.decide(timer("delayed-0:t"))
    assert world.event("TimerStarted", "order:1")["timerId"] == "delayed-0:t"


@produces("decision RecordMarker", "EventType MarkerRecorded")
def test_a_marker_can_be_recorded_repeatedly_and_schedules_no_decision_task(world: World) -> None:
    world.start()
    marker = decision("RecordMarker", markerName="m", details="")
    world.decide(marker, decision("RecordMarker", markerName="m"), marker)
    assert world.types()[4:] == ["MarkerRecorded"] * 3
    assert world.event("MarkerRecorded") == {
        "decisionTaskCompletedEventId": 4,
        "details": "",
        "markerName": "m",
    }
    assert world.nothing_to_do()

"""Long polls on clocks that run by themselves: they really wait."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from flowy_sim import RealClock, ScaledClock, Simulation
from flowy_sim._simulation.presence import FEW, Poller, Presence
from tests.support.shop import (
    decide_once,
    event_types,
    is_open,
    poll_for_activity,
    poll_for_decision,
    register,
    start,
    work_once,
)

SECONDS = 30


def test_an_empty_poll_lasts_a_minute_of_the_clock() -> None:
    simulation = Simulation(clock=ScaledClock(rate=10_000))
    client = simulation.client()
    register(client)
    before = simulation.clock.now
    assert not poll_for_activity(client).get("taskToken")
    assert simulation.clock.now >= before + timedelta(minutes=1)


def test_a_poll_that_waits_is_answered_when_a_timer_fires() -> None:
    simulation = Simulation(clock=ScaledClock(rate=100))
    client = simulation.client()
    register(client)
    start(client, steps=1, pause=20)
    assert decide_once(client)
    decided = poll_for_decision(client)["events"]
    (fired,) = [event for event in decided if event["eventType"] == "TimerFired"]
    (started,) = [event for event in decided if event["eventType"] == "TimerStarted"]
    assert fired["eventTimestamp"] - started["eventTimestamp"] == timedelta(seconds=20)
    assert decided[-1]["eventTimestamp"] == fired["eventTimestamp"]


def test_a_poll_that_waits_is_answered_as_soon_as_a_task_comes() -> None:
    simulation = Simulation(clock=RealClock())
    client = simulation.client()
    register(client)
    tasks: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: tasks.append(poll_for_decision(client)))
    thread.start()
    look_again = threading.Event()
    while not len(simulation.host.polls):
        look_again.wait(0.001)
    start(client)
    thread.join(SECONDS)
    assert tasks[0]["taskToken"]


def test_putting_the_clock_forward_ends_the_polls_that_wait() -> None:
    simulation = Simulation(clock=ScaledClock(rate=1))
    client = simulation.client()
    register(client)
    began = simulation.clock.now
    start(client, steps=1, pause=30)
    assert decide_once(client)
    tasks: list[dict[str, Any]] = []

    def wait() -> None:
        tasks.append(poll_for_decision(client))
        client.respond_decision_task_completed(taskToken=tasks[0]["taskToken"])
        tasks.append(poll_for_decision(client))

    thread = threading.Thread(target=wait)
    thread.start()
    look_again = threading.Event()
    for seconds in (45, 100):
        while not len(simulation.host.polls):
            look_again.wait(0.001)
        simulation.clock.advance(seconds)
    thread.join(SECONDS)
    assert [bool(task.get("taskToken")) for task in tasks] == [True, False]
    started = tasks[0]["events"][-1]["eventTimestamp"]
    assert timedelta(seconds=30) <= started - began < timedelta(seconds=31)


def test_a_timer_set_while_a_poll_waits_answers_it_in_time() -> None:
    """The poll was going to wait for something later."""
    simulation = Simulation(clock=ScaledClock(rate=50))
    client = simulation.client()
    register(client)
    start(client, steps=1, pause=2)
    task = poll_for_decision(client)
    tasks: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: tasks.append(poll_for_decision(client)))
    thread.start()
    look_again = threading.Event()
    while not len(simulation.host.polls):
        look_again.wait(0.001)
    timer = {"timerId": "1", "startToFireTimeout": "2"}
    decision = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
    thread.join(SECONDS)
    assert tasks[0]["taskToken"]


def test_threads_that_have_ended_are_forgotten() -> None:
    presence = Presence()
    living = Poller("somebody", lambda: True)
    presence.acts(living)
    for number in range(10 * FEW):
        presence.acts(Poller(f"thread {number}", lambda: False))
    assert living in presence._busy
    assert len(presence._busy) <= 2 * FEW


def test_threads_finish_an_order() -> None:
    client = Simulation(clock=ScaledClock(rate=300)).client()
    register(client)
    run_id = start(client, steps=2, pause=10)

    def decider() -> None:
        while is_open(client, run_id):
            decide_once(client)

    def worker() -> None:
        while is_open(client, run_id):
            work_once(client)

    threads = [threading.Thread(target=loop) for loop in (decider, worker)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1

"""Long polls on clocks that run by themselves: they really wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    simulation = Simulation(clock=ScaledClock(rate=1))
    client = simulation.client()
    register(client)
    start(client, steps=1, pause=30)
    assert decide_once(client)
    with poll_waiting(simulation) as tasks:
        simulation.clock.advance(29.9)
    assert started_with_its_timer(tasks[0])


def test_a_poll_that_waits_is_answered_as_soon_as_a_task_comes() -> None:
    simulation = Simulation(clock=RealClock())
    client = simulation.client()
    register(client)
    with poll_waiting(simulation) as tasks:
        start(client)
    assert tasks[0]["taskToken"]


def test_putting_the_clock_forward_ends_the_polls_that_wait() -> None:
    simulation = Simulation(clock=ScaledClock(rate=1))
    client = simulation.client()
    register(client)
    start(client, steps=1, pause=30)
    assert decide_once(client)
    with poll_waiting(simulation) as tasks:
        simulation.clock.advance(45)
    assert started_with_its_timer(tasks[0])
    client.respond_decision_task_completed(taskToken=tasks[0]["taskToken"])
    with poll_waiting(simulation) as tasks:
        simulation.clock.advance(100)
    assert not tasks[0].get("taskToken")


def test_a_timer_set_while_a_poll_waits_answers_it_in_time() -> None:
    """The poll was going to wait for something later."""
    simulation = Simulation(clock=ScaledClock(rate=10))
    client = simulation.client()
    register(client)
    start(client, steps=1, pause=1)
    task = poll_for_decision(client)
    with poll_waiting(simulation) as tasks:
        timer = {"timerId": "1", "startToFireTimeout": "1"}
        decision = {"decisionType": "StartTimer", "startTimerDecisionAttributes": timer}
        client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
    assert started_with_its_timer(tasks[0])


@contextmanager
def poll_waiting(simulation: Simulation) -> Iterator[list[dict[str, Any]]]:
    """Let a poll for a decision task wait in another thread; what it returns is in the list."""
    tasks: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: tasks.append(poll_for_decision(simulation.client())))
    thread.start()
    look_again = threading.Event()
    while not len(simulation.host.polls):
        look_again.wait(0.001)
    yield tasks
    thread.join(SECONDS)


def started_with_its_timer(task: dict[str, Any]) -> bool:
    """Return whether a decision task was started when the only timer was due, to the instant."""
    at = {event["eventType"]: event["eventTimestamp"] for event in task["events"]}
    attributes = next(
        event["timerStartedEventAttributes"]
        for event in task["events"]
        if event["eventType"] == "TimerStarted"
    )
    pause = timedelta(seconds=int(attributes["startToFireTimeout"]))
    due = at["TimerStarted"] + pause
    return bool(at["TimerFired"] == due == task["events"][-1]["eventTimestamp"])


def test_threads_that_have_ended_are_forgotten() -> None:
    presence = Presence()
    living = Poller("somebody", lambda: True)
    presence.acts(living)
    for number in range(10 * FEW):
        presence.acts(Poller(f"thread {number}", lambda: False))
    assert living in presence._busy
    assert len(presence._busy) <= 2 * FEW


def test_threads_finish_an_order() -> None:
    # So slow that no task times out, however busy the machine is.
    simulation = Simulation(clock=ScaledClock(rate=10))
    client = simulation.client()
    register(client)
    run_id = start(client, steps=2, pause=1)

    def decider() -> None:
        while is_open(client, run_id):
            decide_once(client)

    def worker() -> None:
        while is_open(client, run_id):
            work_once(client)

    deciding, working = (threading.Thread(target=loop) for loop in (decider, worker))
    deciding.start()
    working.start()
    deciding.join(SECONDS)
    simulation.clock.advance(60)  # It ends the last poll of the worker.
    working.join(SECONDS)
    assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1

"""How time passes on a virtual clock for programs that call over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowy_sim._server import http_presence
from flowy_sim._server.endpoint import Endpoint, EndpointError
from flowy_sim._server.server import serving
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings
from tests.support.http_clients import (
    ACTIVITIES,
    COMPLETE,
    DECISIONS,
    Program,
    pack,
    timer,
    wait_for_polls,
    wait_until,
    waiting,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
Make = Callable[..., Program]


def held(endpoint: Endpoint) -> list[str]:
    """Return the tasks that are held."""
    tasks: list[str] = endpoint.describe()["heldTasks"]
    return tasks


def test_a_timer_of_a_day_fires_while_a_decider_polls(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(timer(80_000))
    task: dict[str, Any] = {}
    while not task.get("taskToken"):
        task = decider.call("PollForDecisionTask", **DECISIONS)
    assert decider.events(run_id)[-3:] == [
        "TimerFired",
        "DecisionTaskScheduled",
        "DecisionTaskStarted",
    ]
    assert virtual.now == START + timedelta(seconds=80_000)


def test_a_timer_fires_although_no_client_polls(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(timer(80_000))
    wait_until(lambda: "TimerFired" in decider.events(run_id))


def test_effects_happen_while_a_task_is_held(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.start("held")
    tasks = [decider.call("PollForDecisionTask", **DECISIONS) for _ in range(2)]
    by_id = {task["workflowExecution"]["workflowId"]: task for task in tasks}
    signal = {"workflowId": "held", "signalName": "hurry"}
    decision = {
        "decisionType": "SignalExternalWorkflowExecution",
        "signalExternalWorkflowExecutionDecisionAttributes": signal,
    }
    token = by_id["order-1"]["taskToken"]
    decider.call("RespondDecisionTaskCompleted", taskToken=token, decisions=[decision])
    assert len(held(virtual)) == 1
    assert "ExternalWorkflowExecutionSignaled" in decider.events(run_id)


def test_a_paused_clock_moves_only_when_it_is_told_to(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    virtual.set_clock("paused")
    run_id = decider.start()
    decider.decide(timer(60))
    decider.send("PollForDecisionTask", DECISIONS)
    assert virtual.settle(5)
    assert virtual.now == START
    assert virtual.jump()
    assert decider.receive().members["taskToken"]
    assert virtual.now == START + timedelta(seconds=60)
    assert "TimerFired" in decider.events(run_id)


def test_a_call_can_be_made_after_some_simulated_time(virtual: Endpoint, program: Make) -> None:
    client = program(virtual)
    client.prepare()
    run_id = client.start()
    task = client.call("PollForDecisionTask", **DECISIONS)
    signal = {"domain": "shop", "workflowId": "order-1", "signalName": "hurry"}
    virtual.after(timedelta(hours=1), "SignalWorkflowExecution", **signal)
    assert "WorkflowExecutionSignaled" not in client.events(run_id)
    client.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[])
    wait_until(lambda: "WorkflowExecutionSignaled" in client.events(run_id))
    assert virtual.now == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("seconds", "operation", "message"),
    [
        (1, "ListDomains", "operation='ListDomains': give an operation .* that changes something"),
        (1, "PollForActivityTask", "operation='PollForActivityTask': give an operation"),
        (1, "Nothing", "operation='Nothing': give an operation"),
        (-1, "TerminateWorkflowExecution", "Time cannot pass by -1 seconds"),
        (1, "TerminateWorkflowExecution", "workflowId"),
    ],
)
def test_a_delayed_call_that_is_wrong_is_refused_at_once(
    virtual: Endpoint, seconds: int, operation: str, message: str
) -> None:
    with pytest.raises(EndpointError, match=message):
        virtual.after(seconds, operation)


def test_a_delayed_call_that_the_service_refuses_is_logged(
    virtual: Endpoint, program: Make, caplog: pytest.LogCaptureFixture
) -> None:
    program(virtual).prepare()
    virtual.after(60, "TerminateWorkflowExecution", domain="shop", workflowId="nothing")
    assert virtual.settle(5)
    assert "The delayed TerminateWorkflowExecution was refused: UnknownResourceFault" in caplog.text


def test_a_scaled_clock_warns_of_tasks_that_time_out_too_fast_for_any_client(
    virtual: Endpoint, program: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = program(virtual)
    client.prepare()
    run_id = client.start()
    virtual.set_clock("x1000")
    assert client.call("PollForDecisionTask", **DECISIONS)["taskToken"]
    wait_until(lambda: "DecisionTaskTimedOut" in client.events(run_id))
    assert "the decision task of 'order-1' from decision task list 'decisions'" in caplog.text
    assert "slow down the clock, or give it a longer time-out" in caplog.text


def test_a_served_simulation_begins_at_the_current_time() -> None:
    now = datetime.now(UTC).timestamp() * 1000
    assert abs(Settings(clock="virtual").begins_at() - now) < 60_000
    assert Settings(clock="virtual", start="2024-01-01T00:00:00Z").begins_at() == 1_704_067_200_000


def test_time_stands_still_while_a_worker_holds_a_task(virtual: Endpoint, program: Make) -> None:
    decider, worker = program(virtual), program(virtual)
    decider.prepare()
    decider.start()
    decider.decide(pack())
    task = worker.call("PollForActivityTask", **ACTIVITIES)
    decider.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(virtual, 1)
    assert not virtual.settle(0.15)
    assert virtual.now == START
    assert held(virtual) == ["aws-sdk/1.0 at 127.0.0.1 holds the activity task 'pack' of 'order-1'"]
    worker.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    assert decider.receive().members["startedEventId"]
    assert virtual.now == START


def test_a_task_may_be_answered_on_another_connection(virtual: Endpoint, program: Make) -> None:
    decider, worker = program(virtual), program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    task = worker.call("PollForActivityTask", **ACTIVITIES)
    decider.send("PollForDecisionTask", DECISIONS)
    other = program(virtual)
    other.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result="done")
    assert decider.receive().members["taskToken"]
    assert "ActivityTaskCompleted" in other.events(run_id)


def test_a_program_may_poll_on_while_it_works(virtual: Endpoint, program: Make) -> None:
    decider, worker = program(virtual), program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    task = worker.call("PollForActivityTask", **ACTIVITIES)
    # Another thread of it works on the task; the one that got it polls for more.
    worker.send("PollForActivityTask", ACTIVITIES)
    decider.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(virtual, 2)
    assert not virtual.settle(0.15)
    assert virtual.now == START
    program(virtual).call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    assert decider.receive().members["taskToken"]
    assert "ActivityTaskTimedOut" not in program(virtual).events(run_id)


def test_the_task_of_a_program_that_dies_times_out(
    virtual: Endpoint, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_presence, "GONE", 0.05)
    decider, worker = program(virtual), program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    worker.call("PollForActivityTask", **ACTIVITIES, identity="worker-1")
    decider.send("PollForDecisionTask", DECISIONS | {"identity": "decider-1"})
    wait_for_polls(virtual, 1)
    worker.hang_up()
    decider.receive()
    while "ActivityTaskTimedOut" not in program(virtual).events(run_id):
        decider.call("PollForDecisionTask", **DECISIONS)
    assert virtual.now >= START + timedelta(seconds=300)


def test_a_program_with_another_connection_on_which_it_polls_has_not_died(
    virtual: Endpoint, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_presence, "GONE", 0.05)
    decider, one, other = program(virtual), program(virtual), program(virtual)
    decider.prepare()
    decider.start()
    decider.decide(pack())
    one.call("PollForActivityTask", **ACTIVITIES, identity="worker-1")
    other.send("PollForActivityTask", ACTIVITIES | {"identity": "worker-1"})
    wait_for_polls(virtual, 1)
    one.hang_up()
    assert not virtual.settle(0.2)
    assert virtual.now == START
    other.hang_up()
    decider.send("PollForDecisionTask", DECISIONS)
    wait_until(lambda: virtual.now > START)


def test_a_command_line_that_ends_after_each_call_keeps_its_task(
    virtual: Endpoint, program: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_presence, "GONE", 0.05)

    def command_line(operation: str, **members: Any) -> dict[str, Any]:
        once = Program(virtual.url, agent="aws-cli/2.15.0 Python/3.11")
        try:
            return once.call(operation, **members)
        finally:
            once.hang_up()

    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    task = command_line("PollForActivityTask", **ACTIVITIES)
    decider.send("PollForDecisionTask", DECISIONS)
    assert not virtual.settle(0.2)
    assert virtual.now == START
    command_line("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    assert decider.receive().members["taskToken"]
    assert "ActivityTaskTimedOut" not in program(virtual).events(run_id)


def test_a_command_line_that_polls_in_a_loop_sleeps_through_a_day(
    virtual: Endpoint, program: Make
) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(timer(80_000))
    decider.hang_up()
    polls = 0
    task: dict[str, Any] = {}
    while not task.get("taskToken"):
        once = Program(virtual.url, agent="aws-cli/2.15.0 Python/3.11")
        task = once.call("PollForDecisionTask", **DECISIONS)
        once.hang_up()
        polls += 1
    assert polls == 1
    assert program(virtual).events(run_id)[-3] == "TimerFired"


def test_a_task_without_a_sign_of_life_is_given_up_at_last(
    program: Make, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServerSettings(
        simulation=Settings(clock="virtual", start="2024-01-01T00:00:00Z", patience=0.3),
        hold_seconds=0.3,
    )
    with serving(settings) as endpoint, caplog.at_level(logging.WARNING, "flowy_sim"):
        decider, worker = program(endpoint), program(endpoint)
        decider.prepare()
        decider.start()
        decider.decide(pack())
        worker.call("PollForActivityTask", **ACTIVITIES, identity="worker-1")
        decider.send("PollForDecisionTask", DECISIONS)
        decider.receive()
        assert endpoint.now > START
    assert (
        "worker-1 at 127.0.0.1 holds the activity task 'pack' of 'order-1' from activity task list "
        "'work' of domain 'shop' and has given no sign of life for 0.3 real seconds; simulated "
        "time no longer waits for it."
    ) in caplog.messages


def test_a_decision_task_is_over_whichever_page_s_token_answers_it(
    virtual: Endpoint, program: Make
) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    page = decider.call("PollForDecisionTask", **DECISIONS, maximumPageSize=1)
    last = decider.call(
        "PollForDecisionTask",
        **DECISIONS,
        maximumPageSize=10,
        nextPageToken=page["nextPageToken"],
    )
    assert last["taskToken"] != page["taskToken"]
    assert len(held(virtual)) == 1
    decider.call("RespondDecisionTaskCompleted", taskToken=last["taskToken"], decisions=[COMPLETE])
    assert held(virtual) == []
    assert decider.events(run_id)[-1] == "WorkflowExecutionCompleted"


def test_a_task_waits_for_a_worker_that_is_still_starting(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    decider.send("PollForDecisionTask", DECISIONS)
    wait_for_polls(virtual, 1)
    worker = program(virtual)
    task = worker.call("PollForActivityTask", **ACTIVITIES)
    assert virtual.now == START
    worker.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    assert decider.receive().members["taskToken"]
    assert "ActivityTaskTimedOut" not in worker.events(run_id)


def test_a_task_that_nobody_will_ever_poll_times_out(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    while "ActivityTaskTimedOut" not in program(virtual).events(run_id):
        decider.call("PollForDecisionTask", **DECISIONS)
    assert virtual.now == START + timedelta(seconds=600)


def test_who_polls_several_lists_in_turn_comes_round_to_a_task(
    virtual: Endpoint, program: Make
) -> None:
    everything = program(virtual)
    everything.prepare()
    run_id = everything.start()
    done = False
    while not done:
        task = everything.call("PollForDecisionTask", **DECISIONS)
        if task.get("taskToken"):
            started = "ActivityTaskCompleted" not in everything.events(run_id)
            everything.call(
                "RespondDecisionTaskCompleted",
                taskToken=task["taskToken"],
                decisions=[pack()] if started else [COMPLETE],
            )
            done = not started
        if not done:
            task = everything.call("PollForActivityTask", **ACTIVITIES)
            if task.get("taskToken"):
                everything.call("RespondActivityTaskCompleted", taskToken=task["taskToken"])
    assert everything.events(run_id)[-1] == "WorkflowExecutionCompleted"
    assert virtual.now == START


def test_polls_are_held_while_nothing_will_ever_happen(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    decider.send("PollForDecisionTask", DECISIONS)
    assert virtual.settle(5)
    assert waiting(virtual) == 1
    assert virtual.now == START
    program(virtual).start()
    assert decider.receive().members["taskToken"]


def test_advancing_hands_out_what_falls_due(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(timer(100))
    virtual.advance(timedelta(seconds=99))
    assert "TimerFired" not in decider.events(run_id)
    virtual.advance(1)
    assert "TimerFired" in decider.events(run_id)


def test_a_task_can_be_timed_out_by_advancing_the_clock(virtual: Endpoint, program: Make) -> None:
    decider, worker = program(virtual), program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(pack())
    worker.call("PollForActivityTask", **ACTIVITIES)
    assert len(held(virtual)) == 1
    virtual.advance(300)
    assert "ActivityTaskTimedOut" in decider.events(run_id)
    assert held(virtual) == []


def test_jumping_goes_from_event_to_event(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    run_id = decider.start()
    decider.decide(timer(100))
    assert virtual.jump()
    assert virtual.now == START + timedelta(seconds=100)
    assert "TimerFired" in decider.events(run_id)
    decider.decide(COMPLETE)
    assert not virtual.jump()


def test_nothing_moves_once_everything_is_closed(virtual: Endpoint, program: Make) -> None:
    decider = program(virtual)
    decider.prepare()
    decider.start()
    task = decider.call("PollForDecisionTask", **DECISIONS)
    assert not virtual.settle(0.15)
    decider.call("RespondDecisionTaskCompleted", taskToken=task["taskToken"], decisions=[COMPLETE])
    assert virtual.settle(10)


def test_a_clock_that_is_made_real_is_put_forward_and_ends_its_polls(
    virtual: Endpoint, program: Make
) -> None:
    decider = program(virtual)
    decider.prepare()
    virtual.set_clock("x1000")
    decider.send("PollForDecisionTask", DECISIONS)
    assert decider.receive().members["startedEventId"] == 0
    assert virtual.now - START >= timedelta(minutes=1)
    virtual.set_clock("real")
    assert abs(virtual.now - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(EndpointError, match="with --clock x1, which runs as fast"):
        virtual.advance(1)
    with pytest.raises(EndpointError, match="'slow' is not a clock"):
        virtual.set_clock("slow")


def test_a_clock_ahead_of_real_time_cannot_be_made_real(virtual: Endpoint) -> None:
    virtual.advance(400 * 365 * 86_400)
    with pytest.raises(EndpointError, match="ahead of real time"):
        virtual.set_clock("real")


@pytest.mark.parametrize("seconds", [-1, "a", None, True, 10**18])
def test_time_passes_by_a_number_of_seconds_only(virtual: Endpoint, seconds: Any) -> None:
    with pytest.raises(EndpointError, match="Time cannot pass by"):
        virtual.advance(seconds)

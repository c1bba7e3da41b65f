"""How time passes for one thread that polls, on the virtual clock."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy_sim import EndlessLoopError, Simulation
from flowy_sim._simulation import time_skipping
from flowy_sim._simulation.waiters import Threads
from tests.support.shop import (
    ACTIVITIES,
    DAY,
    DECISIONS,
    DOMAIN,
    activity,
    decide_once,
    event_types,
    history,
    is_open,
    poll_for_activity,
    poll_for_decision,
    register,
    start,
    work_once,
)


def run_alternating(client: Any) -> None:
    decide_once(client)
    work_once(client)


def run_in_phases(client: Any) -> None:
    while decide_once(client):
        pass
    while work_once(client):
        pass


def run_worker_first(client: Any) -> None:
    work_once(client)
    decide_once(client)


LOOPS = {
    "alternating": run_alternating,
    "in phases": run_in_phases,
    "worker first": run_worker_first,
}


@given(
    loop=st.sampled_from(sorted(LOOPS)),
    orders=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([0, 1, 59, 60, 61, DAY])),
        min_size=1,
        max_size=5,
    ),
)
def test_plain_loops_finish_every_order_with_no_spurious_time_out(
    loop: str, orders: list[tuple[int, int]]
) -> None:
    simulation = Simulation()
    client = simulation.client()
    register(client)
    began = simulation.clock.now
    runs = {
        f"order-{number}": start(client, f"order-{number}", steps, pause)
        for number, (steps, pause) in enumerate(orders)
    }
    while any(is_open(client, run_id, workflow_id) for workflow_id, run_id in runs.items()):
        LOOPS[loop](client)
    for (workflow_id, run_id), (steps, pause) in zip(runs.items(), orders, strict=True):
        events = history(client, run_id, workflow_id)
        assert not [each for each in events if each["eventType"].endswith("TimedOut")]
        assert events[-1]["eventType"] == "WorkflowExecutionCompleted"
        took = events[-1]["eventTimestamp"] - began
        assert timedelta(0) <= took - timedelta(seconds=steps * pause) < timedelta(seconds=1)


@pytest.mark.parametrize("loop", sorted(LOOPS))
def test_what_one_thread_sees_does_not_depend_on_whether_others_are_alive(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others that might yet poll cost real time, and no simulated time."""
    monkeypatch.setattr(time_skipping, "IDLE", 0.001)

    def histories() -> list[Any]:
        simulation = Simulation(patience=0.001)
        client = simulation.client()
        register(client)
        runs = [start(client, "order-1", 3, 60), start(client, "order-2", 1, DAY)]
        token = poll_for_decision(client)["taskToken"]
        nobody = activity("1", taskList={"name": "nobody's"})
        client.respond_decision_task_completed(taskToken=token, decisions=[nobody])
        while is_open(client, runs[1], "order-2"):
            LOOPS[loop](client)
        return [history(client, run, f"order-{n}") for n, run in enumerate(runs, 1)]

    monkeypatch.setattr(Threads, "others_can_call", lambda self: False)
    alone = histories()
    monkeypatch.setattr(Threads, "others_can_call", lambda self: True)
    assert histories() == alone


def test_a_year_passes_with_few_polls(simulation: Simulation, client: Any) -> None:
    began = simulation.clock.now
    run_id = start(client, steps=1, pause=364 * DAY)
    rounds = 0
    while is_open(client, run_id):
        run_alternating(client)
        rounds += 1
    assert history(client, run_id)[-1]["eventTimestamp"] - began == timedelta(days=364)
    assert rounds < 20


def test_a_waiting_task_stops_time_until_the_loop_comes_round(
    simulation: Simulation, client: Any
) -> None:
    """The task is on a list that this thread has never polled."""
    start(client)
    before = simulation.clock.now
    assert not poll_for_activity(client).get("taskToken")
    assert simulation.clock.now == before
    assert poll_for_decision(client)["taskToken"]
    assert simulation.clock.now == before


def test_a_task_that_nobody_ever_polls_times_out(simulation: Simulation, client: Any) -> None:
    run_id = start(client)
    token = poll_for_decision(client)["taskToken"]
    lost = activity("1", taskList={"name": "nobody's"})
    client.respond_decision_task_completed(taskToken=token, decisions=[lost])
    scheduled = simulation.clock.now
    for _ in range(5):
        if not poll_for_decision(client).get("taskToken"):
            poll_for_activity(client)
    (timed_out,) = [e for e in history(client, run_id) if e["eventType"] == "ActivityTaskTimedOut"]
    attributes = timed_out["activityTaskTimedOutEventAttributes"]
    assert attributes["timeoutType"] == "SCHEDULE_TO_START"
    assert timed_out["eventTimestamp"] == scheduled + timedelta(seconds=50)


def test_a_task_on_a_list_that_is_polled_no_more_times_out(
    simulation: Simulation, client: Any
) -> None:
    run_id = start(client, steps=2)
    while event_types(client, run_id)["ActivityTaskCompleted"] == 0:
        run_alternating(client)
    while is_open(client, run_id):
        decide_once(client)
    assert event_types(client, run_id)["ActivityTaskTimedOut"] == 1


def test_a_task_that_is_never_answered_times_out(simulation: Simulation, client: Any) -> None:
    run_id = start(client)
    decide_once(client)
    decide_once(client)
    assert poll_for_activity(client)["taskToken"]
    taken = simulation.clock.now
    # The thread has the chance to do something else.
    assert not decide_once(client)
    assert not decide_once(client)
    assert decide_once(client)
    attributes = history(client, run_id)[-1]["workflowExecutionFailedEventAttributes"]
    assert attributes["reason"] == "HEARTBEAT"
    assert simulation.clock.now == taken + timedelta(seconds=30)


def test_a_task_in_hand_does_not_time_out_before_the_next_poll(
    simulation: Simulation, client: Any
) -> None:
    start(client)
    task = poll_for_decision(client)
    before = simulation.clock.now
    for _ in range(100):
        client.describe_domain(name=DOMAIN)
        client.count_pending_decision_tasks(domain=DOMAIN, taskList=DECISIONS)
    assert simulation.clock.now == before
    client.respond_decision_task_completed(taskToken=task["taskToken"])


def test_a_poll_is_answered_at_the_instant_a_task_comes(
    simulation: Simulation, client: Any
) -> None:
    began = simulation.clock.now
    start(client, steps=1, pause=17)
    decide_once(client)
    task = poll_for_decision(client)
    assert task["events"][-1]["eventType"] == "DecisionTaskStarted"
    assert task["events"][-1]["eventTimestamp"] == began + timedelta(seconds=17)
    assert simulation.clock.now == began + timedelta(seconds=17)


def test_the_pages_of_a_decision_task_cost_no_time(simulation: Simulation, client: Any) -> None:
    start(client)
    first = poll_for_decision(client, maximumPageSize=1)
    second = poll_for_decision(client, maximumPageSize=1, nextPageToken=first["nextPageToken"])
    assert [page["events"][0]["eventId"] for page in (first, second)] == [1, 2]
    client.respond_decision_task_completed(taskToken=first["taskToken"])


def test_a_poll_waits_for_the_next_effect_however_long_that_takes(
    simulation: Simulation, client: Any
) -> None:
    began = simulation.clock.now
    start(client, steps=1, pause=30 * DAY)
    assert decide_once(client)
    assert poll_for_decision(client)["taskToken"]
    assert simulation.clock.now == began + timedelta(days=30)


def test_empty_polls_do_not_move_time_when_nothing_will_ever_happen(
    simulation: Simulation, client: Any
) -> None:
    before = simulation.clock.now
    for _ in range(100):
        assert not poll_for_activity(client).get("taskToken")
    assert simulation.clock.now == before


def test_a_loop_that_is_idle_can_do_something_before_anything_times_out(
    simulation: Simulation, client: Any
) -> None:
    run_id = start(client)
    token = poll_for_decision(client)["taskToken"]
    client.respond_decision_task_completed(taskToken=token)
    before = simulation.clock.now
    for _ in range(3):
        assert not poll_for_decision(client).get("taskToken")
        client.signal_workflow_execution(
            domain=DOMAIN, workflowId="order-1", runId=run_id, signalName="go"
        )
        token = poll_for_decision(client)["taskToken"]
        client.respond_decision_task_completed(taskToken=token)
    assert simulation.clock.now == before


def test_a_client_that_never_waits_never_moves_time(simulation: Simulation) -> None:
    client = simulation.client(poll_seconds=0)
    register(client)
    start(client, steps=1)
    before = simulation.clock.now
    assert decide_once(client)
    assert not poll_for_decision(client).get("taskToken")
    assert simulation.clock.now == before


def test_a_heartbeat_between_polls_keeps_a_task_alive(simulation: Simulation, client: Any) -> None:
    """A loop that polls, heartbeats and polls again is not taken to be only waiting."""
    client = simulation.client(poll_seconds=5)
    start(client)
    decide_once(client)
    decide_once(client)
    token = poll_for_activity(client)["taskToken"]
    for _ in range(15):
        assert not poll_for_activity(client).get("taskToken")
        client.record_activity_task_heartbeat(taskToken=token)
    client.respond_activity_task_completed(taskToken=token, result="1")


def test_lists_of_both_kinds_and_of_other_domains_with_one_name_are_different(
    simulation: Simulation, client: Any
) -> None:
    start(client)
    client.register_domain(name="other", workflowExecutionRetentionPeriodInDays="7")
    polls = (
        client.poll_for_activity_task(domain=DOMAIN, taskList=DECISIONS),
        client.poll_for_decision_task(domain="other", taskList=DECISIONS),
        client.poll_for_decision_task(domain=DOMAIN, taskList=ACTIVITIES),
    )
    assert not any(poll.get("taskToken") for poll in polls)
    assert poll_for_decision(client)["taskToken"]


def test_a_loop_over_two_regions_finishes_in_both(simulation: Simulation) -> None:
    clients = [simulation.client(region) for region in ("us-east-1", "eu-west-1")]
    runs = []
    for client in clients:
        register(client)
        runs.append(start(client, steps=2, pause=DAY))
    while any(is_open(client, run_id) for client, run_id in zip(clients, runs, strict=True)):
        for client in clients:
            run_alternating(client)
    for client, run_id in zip(clients, runs, strict=True):
        assert event_types(client, run_id)["WorkflowExecutionCompleted"] == 1


def test_a_poll_of_an_unknown_domain_is_refused_at_once(simulation: Simulation) -> None:
    client = simulation.client()
    before = simulation.clock.now
    with pytest.raises(client.exceptions.UnknownResourceFault):
        poll_for_activity(client)
    assert simulation.clock.now == before


@pytest.mark.parametrize("kind", ["client", "boto3", "wire"])
def test_a_loop_that_would_poll_forever_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is not, as long as something may happen: here, that an execution times out."""
    monkeypatch.setattr(time_skipping, "IN_VAIN", 20)
    simulation = Simulation()
    clients = {
        "client": simulation.client,
        "boto3": simulation.boto3_client,
        "wire": lambda: simulation.boto3_client(wire=True),
    }
    client = clients[kind]()
    register(client)
    run_id = start(client)
    polls = (poll_for_activity(client) for _ in count())
    with pytest.raises(EndlessLoopError, match=r"20 polls .* list 'working' .* no other thread"):
        list(polls)
    assert not is_open(client, run_id)
    assert event_types(client, run_id)["WorkflowExecutionTimedOut"] == 1
    start(client, "another")
    assert decide_once(client)

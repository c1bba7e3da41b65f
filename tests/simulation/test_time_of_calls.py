"""Calls take simulated time, so that no two events that a client causes share an instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from flowy_sim import Latency, RealClock, Simulation, mock_swf
from tests.support.poll_loops import decider, register, run, start, work
from tests.support.shop import decide_once, work_once
from tests.support.shop import register as register_shop
from tests.support.shop import start as start_order

Client = Any


def run_order(client: Client) -> None:
    """Run an order of one step, whose timer takes no time."""
    register_shop(client)
    start_order(client, steps=1)
    for _ in range(4):
        decide_once(client)
        work_once(client)


def with_mock_swf(simulation: Simulation) -> None:
    with mock_swf(simulation):
        run_order(boto3.client("swf"))


WAYS: dict[str, Callable[[Simulation], None]] = {
    "client": lambda simulation: run_order(simulation.client()),
    "boto3": lambda simulation: run_order(simulation.boto3_client()),
    "mock_swf": with_mock_swf,
}


def moments(simulation: Simulation) -> list[int]:
    [execution] = simulation.engine().executions.values()
    history = simulation.client().get_workflow_execution_history(
        domain="shop", execution={"workflowId": "order-1", "runId": execution.run_id}
    )["events"]
    caused, together = ("Started", "Completed"), ("TimerStarted", "WorkflowExecutionCompleted")
    return [
        round(event["eventTimestamp"].timestamp() * 1000)
        for event in history
        if event["eventType"].endswith(caused) and event["eventType"] not in together
    ]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_no_two_calls_share_an_instant(way: Callable[[Simulation], None]) -> None:
    simulation = Simulation()
    way(simulation)
    found = moments(simulation)
    assert len(found) > 6
    assert found == sorted(set(found))


@pytest.mark.parametrize("exact", ["latency", "client", "no waiting"])
def test_exact_calls_take_no_time(exact: str) -> None:
    simulation = Simulation(latency=Latency.ZERO if exact == "latency" else None)
    client = {
        "latency": simulation.client(),
        "client": simulation.client(exact=True),
        "no waiting": simulation.client(poll_seconds=0),
    }[exact]
    before = simulation.clock.milliseconds
    register_shop(client)
    start_order(client)
    assert client.poll_for_decision_task(domain="shop", taskList={"name": "deciding"})["taskToken"]
    assert simulation.clock.milliseconds == before


def test_queries_and_empty_polls_take_no_time() -> None:
    simulation = Simulation()
    client = simulation.client()
    register_shop(client)
    before = simulation.clock.milliseconds
    for _ in range(10):
        client.list_domains(registrationStatus="REGISTERED")
        decide_once(client)
        with pytest.raises(client.exceptions.UnknownResourceFault):
            client.deprecate_domain(name="nowhere")
    assert simulation.clock.milliseconds == before


def test_the_delay_of_calls_can_be_chosen() -> None:
    simulation = Simulation(latency=Latency({"call": (250,)}))
    before = simulation.clock.milliseconds
    simulation.client().register_domain(name="a", workflowExecutionRetentionPeriodInDays="1")
    assert simulation.clock.milliseconds == before + 250


def test_calls_of_loops_take_time_and_those_of_a_test_with_swf_client_do_not(
    swf: Any, swf_client: Any
) -> None:
    before = swf.clock.milliseconds
    register_shop(swf_client)
    assert swf.clock.milliseconds == before
    ended = run(
        decider(("a", "work")),
        lambda client: work(client, "work") and None,
        simulation=Simulation(),
    )
    times = [event["eventTimestamp"] for event in ended.history]
    assert ended.simulated_seconds == pytest.approx(0.006, abs=0.002)
    named = dict(zip((event["eventType"] for event in ended.history), times, strict=True))
    assert named["ActivityTaskScheduled"] < named["ActivityTaskStarted"]
    assert named["ActivityTaskStarted"] < named["ActivityTaskCompleted"]


def test_an_action_of_the_test_happens_at_its_instant(swf_run: Any) -> None:
    happened: list[float] = []
    assert swf_run.domain
    client = swf_run.simulation.client()
    register(client)
    swf_run.loop(decider())

    def note() -> None:
        client.register_domain(name="other", workflowExecutionRetentionPeriodInDays="1")
        happened.append(swf_run.simulation.clock.milliseconds)

    execution = start(client)
    began = swf_run.simulation.clock.milliseconds
    swf_run.after(60, note)
    swf_run.finish(execution)
    swf_run.advance(60)
    assert happened == [began + 60_000]


def test_a_clock_that_runs_is_not_moved() -> None:
    simulation = Simulation(clock=RealClock(lambda: 1_700_000_000.0))
    register_shop(simulation.client())
    assert simulation.clock.milliseconds == 1_700_000_000_000

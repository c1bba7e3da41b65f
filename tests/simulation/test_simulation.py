from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowy_sim
from flowy_sim import Fault, FirstChoice, RandomChoice, Simulation
from tests.support.exact_calls import EXACT_CALLS
from tests.support.shop import decide_once, history, is_open, register, start, work_once

ROOT = Path(flowy_sim.__file__).parent.parent


def run_orders(simulation: Simulation) -> list[Any]:
    """Run a few orders to their ends; return everything that can be observed."""
    client = simulation.client()
    register(client)
    runs = {f"order-{n}": start(client, f"order-{n}", steps=2, pause=n) for n in range(4)}
    while any(is_open(client, run_id, workflow_id) for workflow_id, run_id in runs.items()):
        decide_once(client)
        work_once(client)
    told: list[Any] = [history(client, run_id, name) for name, run_id in runs.items()]
    return [*told, client.list_domains(registrationStatus="REGISTERED")]


SCRIPT = """
from tests.simulation.test_simulation import *
print(json.dumps(run_orders(Simulation(seed=5, schedule=RandomChoice(5))), default=str))
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    def told(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert told("1") == told("2")


def test_another_seed_gives_other_ids() -> None:
    ids = set()
    for seed in range(3):
        client = Simulation(seed=seed).client()
        register(client)
        reply = client.start_workflow_execution(
            domain="shop", workflowId="x", workflowType={"name": "order", "version": "1"}
        )
        ids |= {reply["runId"], reply["ResponseMetadata"]["RequestId"]}
    assert len(ids) == 6


@given(seed=st.integers(0, 1000))
def test_a_seed_decides_every_choice(seed: int) -> None:
    def once() -> str:
        told = run_orders(Simulation(seed=seed, schedule=RandomChoice(seed)))
        return json.dumps(told, default=str)

    assert once() == once()


def test_choices_are_among_what_there_is() -> None:
    schedule = RandomChoice(3)
    chosen = [schedule.choose("poll", 3) for _ in range(100)]
    assert set(chosen) == {0, 1, 2}
    assert [schedule.choose("poll", 1) for _ in range(10)] == [0] * 10
    assert FirstChoice().choose("poll", 7) == 0


def test_a_call_never_waits() -> None:
    simulation = Simulation()
    register(simulation.client())
    before = simulation.clock.now
    poll = {"domain": "shop", "taskList": {"name": "deciding"}}
    empty = simulation.call("PollForDecisionTask", poll)
    assert empty == {"previousStartedEventId": 0, "startedEventId": 0}
    assert simulation.clock.now == before


def test_invalid_limits_are_refused() -> None:
    with pytest.raises(TypeError, match="such as Limits"):
        Simulation(limits={"polls": 1})  # type: ignore[arg-type]


def test_a_call_that_is_refused_raises_the_fault() -> None:
    with pytest.raises(Fault, match="Unknown domain: shop") as raised:
        Simulation().call("DescribeDomain", {"name": "shop"})
    assert raised.value.code == "UnknownResourceFault"


def test_each_region_is_a_service_of_its_own_on_the_one_clock() -> None:
    simulation = Simulation(region="eu-west-1", latency=EXACT_CALLS)
    here, there = simulation.client(), simulation.client(region="us-east-1")
    register(here)
    assert here.meta.region_name == "eu-west-1"
    assert there.list_domains(registrationStatus="REGISTERED")["domainInfos"] == []
    register(there)
    arn = there.describe_domain(name="shop")["domainInfo"]["arn"]
    assert arn == "arn:aws:swf:us-east-1:123456789012:/domain/shop"

    assert simulation.next_instant() is None
    start(there, pause=0)
    year = datetime(2024, 12, 31, tzinfo=UTC).timestamp() * 1000
    assert simulation.next_instant() == year


def test_lambda_functions_can_be_added_at_any_time(simulation: Simulation) -> None:
    client = simulation.client()
    register(client)
    client.start_workflow_execution(
        domain="shop",
        workflowId="x",
        workflowType={"name": "order", "version": "1"},
        lambdaRole="arn:aws:iam::123456789012:role/swf",
    )
    simulation.lambdas["double"] = lambda number: number * 2
    token = client.poll_for_decision_task(domain="shop", taskList={"name": "deciding"})["taskToken"]
    decision = {
        "decisionType": "ScheduleLambdaFunction",
        "scheduleLambdaFunctionDecisionAttributes": {"id": "1", "name": "double", "input": "21"},
    }
    client.respond_decision_task_completed(taskToken=token, decisions=[decision])
    events = client.poll_for_decision_task(domain="shop", taskList={"name": "deciding"})["events"]
    (completed,) = [e for e in events if e["eventType"] == "LambdaFunctionCompleted"]
    assert completed["lambdaFunctionCompletedEventAttributes"]["result"] == "42"


def test_importing_the_package_imports_neither_boto3_nor_the_service_model() -> None:
    script = (
        "import sys, flowy_sim; flowy_sim.Simulation();"
        "print([name for name in ('boto3', 'botocore', 'pytest') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True
    )
    assert found.stdout.strip() == b"[]"


def test_every_public_name_is_there() -> None:
    for name in flowy_sim.__all__:
        assert getattr(flowy_sim, name).__name__ == name
    assert set(flowy_sim.__all__) <= set(dir(flowy_sim))
    with pytest.raises(AttributeError, match="has no attribute 'Simulacrum'"):
        _ = flowy_sim.Simulacrum


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_that_it_has_its_own_copy(simulation: Simulation) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=simulation.client().list_domains, kwargs={"registrationStatus": "REGISTERED"}
    )
    process.start()
    process.join(30)
    assert process.exitcode == 1
    simulation.client().list_domains(registrationStatus="REGISTERED")

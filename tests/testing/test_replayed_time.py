"""While a history is replayed, a decider sees the time at which each decision was made."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flowy.errors import NonDeterminismError
from flowy_sim import Simulation
from flowy_sim._cli import cli as main
from flowy_sim.testing import Runner
from flowy_sim.testing._loop_replay import replay_loop
from flowy_sim.testing._run import Run
from tests.support.properties import examples

LIST = {"domain": "simulated", "taskList": {"name": "deciders"}}

CLOCK = """
from datetime import datetime, timezone
import time

LIST = {"domain": "simulated", "taskList": {"name": "deciders"}}


def setup(swf):
    swf.register_workflow_type(
        domain="simulated", name="order", version="1", defaultTaskList={"name": "deciders"},
        defaultExecutionStartToCloseTimeout="86400", defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )


def decide(swf):
    task = swf.poll_for_decision_task(**LIST)
    if not task.get("taskToken"):
        return
    first, last = task["events"][0], task["events"][-1]
    age = (datetime.now(timezone.utc) - first["eventTimestamp"]).total_seconds()
    if not 0 <= age < 7200 or abs(time.time() - last["eventTimestamp"].timestamp()) > 1:
        decision = {"decisionType": "FailWorkflowExecution"}
    elif age < 3600:
        decision = {
            "decisionType": "StartTimer",
            "startTimerDecisionAttributes": {"timerId": "1", "startToFireTimeout": "3600"},
        }
    else:
        decision = {"decisionType": "CompleteWorkflowExecution"}
    swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module, because freezegun looks for the names in modules."""
    module = ModuleType("clock_of_the_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(CLOCK, vars(module))
    return module


def recorded(decide: Any, setup: Any, *, freeze: bool = True) -> Run:
    runner = Runner(Simulation(start="2019-03-31T23:30:00Z"), freeze=freeze)
    runner.loop(decide)
    setup(runner.simulation.client())
    return runner(("order", "1"))


def test_a_decider_that_compares_its_clock_with_events_replays(clock: Any) -> None:
    run = recorded(clock.decide, clock.setup)
    assert run.status == "COMPLETED"
    assert replay_loop(clock.decide, run.history, freeze=True)
    with pytest.raises(NonDeterminismError, match="FailWorkflowExecution"):
        replay_loop(clock.decide, run.history)
    assert datetime.now().year > 2019


@settings(max_examples=examples(20))
@given(
    takes=st.lists(st.integers(0, 100_000), min_size=1, max_size=5),
    zone=st.sampled_from(["+00:00", "+05:30", "-08:00"]),
)
def test_each_task_is_seen_at_its_own_time(takes: list[int], zone: str) -> None:
    seen: list[datetime] = []

    def decide(swf: Any) -> None:
        task = swf.poll_for_decision_task(**LIST)
        if not task.get("taskToken"):
            return
        seen.append(datetime.now(UTC))
        assert abs(time.time() - seen[-1].timestamp()) < 0.001
        time.sleep(90)
        assert 90 <= (datetime.now(UTC) - seen[-1]).total_seconds() < 90.01
        ended = sum(each["eventType"] == "TimerFired" for each in task["events"])
        decision: Any = {"decisionType": "CompleteWorkflowExecution"}
        if ended < len(takes):
            attributes = {"timerId": str(ended), "startToFireTimeout": str(takes[ended])}
            decision = {"decisionType": "StartTimer", "startTimerDecisionAttributes": attributes}
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=[decision])

    runner = Runner(Simulation(start="2019-03-31T23:30:00Z"), freeze=True)
    runner.loop(decide)
    runner.simulation.client().register_workflow_type(
        domain="simulated",
        name="order",
        version="1",
        defaultTaskList={"name": "deciders"},
        defaultExecutionStartToCloseTimeout="31536000",
        defaultTaskStartToCloseTimeout="600",
        defaultChildPolicy="TERMINATE",
    )
    history = runner(("order", "1")).history
    seen.clear()
    offset = datetime.fromisoformat(f"2019-01-01T00:00:00{zone}").tzinfo
    written = [
        {**each, "eventTimestamp": each["eventTimestamp"].astimezone(offset).isoformat()}
        for each in history
    ]
    assert replay_loop(decide, written, freeze=True)
    started = [each for each in history if each["eventType"] == "DecisionTaskStarted"]
    assert seen == [each["eventTimestamp"] for each in started]


def test_a_coroutine_and_a_thread_see_it_too(clock: Any) -> None:
    run = recorded(clock.decide, clock.setup)

    async def decider(swf: Any) -> None:
        while True:
            await asyncio.to_thread(clock.decide, swf_of(swf))

    def swf_of(swf: Any) -> Any:
        return swf._client

    assert replay_loop(decider, run.history, freeze=True)


def test_a_loop_that_sleeps_until_an_instant_ends_in_frozen_time(clock: Any) -> None:
    waited: list[float] = []

    def decide(swf: Any) -> None:
        task = swf.poll_for_decision_task(**LIST)
        if not task.get("taskToken"):
            return
        began = datetime.now()
        while datetime.now() < began + timedelta(seconds=20):
            time.sleep(1)
        waited.append((datetime.now() - began).total_seconds())
        decisions = [{"decisionType": "CompleteWorkflowExecution"}]
        swf.respond_decision_task_completed(taskToken=task["taskToken"], decisions=decisions)

    run = recorded(decide, clock.setup)
    assert replay_loop(decide, run.history, freeze=True)
    assert [round(each, 2) for each in waited] == [20, 20]


def command(*words: object) -> Any:
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.mark.slow
def test_the_commands_let_a_decider_see_the_time(
    clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "clock_shop.py").write_text(CLOCK, encoding="utf-8")
    program = ["--decider=clock_shop:decide", "--setup=clock_shop:setup", "--start=order:1"]
    history = tmp_path / "order.json"
    frozen = command("run", *program, "--freeze", "--history", history)
    assert frozen.exit_code == 0, frozen.output
    assert command("run", *program).exit_code == 1
    explored = command("explore", *program, "--freeze", "--completes", "--runs=20")
    assert (explored.exit_code, "in 20 runs" in explored.output) == (0, True), explored.output
    found = command("explore", *program, "--completes", "--runs=20")
    assert found.exit_code == 1
    assert command("replay", "--decider=clock_shop:decide", history).exit_code == 0
    assert command("replay", "--no-freeze", "--decider=clock_shop:decide", history).exit_code == 1


def test_a_test_that_explore_writes_sees_the_time_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_shop.py").write_text(
        CLOCK.replace("age < 3600", "age < 3601 and age != 3600"), encoding="utf-8"
    )
    program = ["--decider=late_shop:decide", "--setup=late_shop:setup", "--start=order:1"]
    path = tmp_path / "test_written.py"
    found = command("explore", *program, "--freeze", "--completes", f"--write-test={path}")
    assert found.exit_code == 1
    assert "--freeze" in found.output
    assert "freeze=True" in path.read_text(encoding="utf-8")


GOLDEN = """
import pytest
import clock_deli


@pytest.mark.swf(golden=True, freeze=True)
def test_order(swf_run):
    swf_run.loop(clock_deli.decide)
    clock_deli.setup(swf_run.simulation.client())
    assert swf_run(("order", "1")).status == "COMPLETED"


@pytest.mark.swf(golden=True, strict=False)
def test_order_in_real_time(swf_run, swf_replay):
    swf_run.loop(clock_deli.decide)
    clock_deli.setup(swf_run.simulation.client())
    run = swf_run(("order", "1"))
    assert run.status == "FAILED"
    swf_replay(clock_deli.decide, run)


def test_replay(swf_replay):
    swf_replay(clock_deli.decide, "histories/test_golden/test_order.json")


@pytest.mark.swf(freeze=False)
def test_replay_in_real_time(swf_replay):
    swf_replay(clock_deli.decide, "histories/test_golden/test_order_in_real_time.json")
"""


def test_golden_histories_are_replayed_at_the_time_of_their_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(clock_deli=CLOCK, test_golden=GOLDEN)
    pytester.syspathinsert()
    pytester.runpytest("--swf-record", "-k", "order").assert_outcomes(passed=2)
    pytester.runpytest().assert_outcomes(passed=4)

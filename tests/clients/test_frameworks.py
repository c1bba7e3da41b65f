"""Published frameworks for SWF in Python, unchanged and in process: garcon, seddy, swf-typed.

Each does what any decider can: it runs, it is explored, and its history is replayed. simpleflow is
in `test_programs_document`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowy._client import Execution
from flowy_sim import Simulation
from flowy_sim.explore import FoundError, explore
from flowy_sim.faults import WorkerDiesLate, WorkFails
from flowy_sim.testing import Run, Runner, Stubs
from flowy_sim.testing._loop_replay import replay_loop
from tests.support.client_programs import needs_module

DOMAIN = "simulated"

Loops = list[Callable[..., object]]


def run_order(runner: Runner, loops: Loops, given: str) -> Run:
    for number, loop in enumerate(loops):
        runner.loop(loop, f"loop-{number}")
    return runner(
        ("orders", "1"),
        input=given,
        task_list="orders",
        child_policy="TERMINATE",
        execution_start_to_close=3600,
        task_start_to_close=60,
    )


def replays(decider: Callable[..., object], run: Run) -> bool:
    return replay_loop(decider, run.history, Execution(run.workflow_id, run.run_id))


# garcon


@pytest.fixture
def garcon_flow() -> ModuleType:
    """A flow of garcon: a module, with activities that know the module's client."""
    import boto3
    from garcon import activity, runner, task

    flow: Any = ModuleType("order")
    flow.name, flow.domain, flow.version, flow.charged = "orders", DOMAIN, "1", []
    flow.client = boto3.client("swf", region_name="us-east-1")

    @task.decorate(timeout=60)  # type: ignore[untyped-decorator]
    def charge(activity: Any, card: str) -> dict[str, str]:
        flow.charged.append(card)
        return {"receipt": f"{card} is charged"}

    @task.decorate(timeout=60)  # type: ignore[untyped-decorator]
    def ship(activity: Any, receipt: str) -> dict[str, str]:
        return {"shipped": receipt}

    create = activity.create(flow.client, DOMAIN, "orders", "1")
    flow.pay = create(
        name="pay", retry=1, run=runner.Sync(charge.fill(namespace="pay", card="card"))
    )
    flow.send = create(
        name="send",
        requires=[flow.pay],
        run=runner.Sync(ship.fill(namespace="send", receipt="pay.receipt")),
    )
    return flow


def garcon_loops(flow: Any, threads: bool = False) -> Loops:
    """Return the loops of garcon's decider and worker, which has a thread for each activity.

    Faults don't strike threads, so what these run can be loops as well.
    """
    from garcon.activity import ActivityWorker, worker_runner
    from garcon.decider import DeciderWorker

    def decide() -> None:
        worker = DeciderWorker(flow)
        while worker.run():
            pass

    if threads:
        return [decide, lambda: ActivityWorker(flow).run()]
    return [decide, lambda: worker_runner(flow.pay), lambda: worker_runner(flow.send)]


CARD = json.dumps({"card": "card 7"})


@needs_module("garcon")
@pytest.mark.parametrize("threads", [False, True])
def test_garcon_runs_and_replays(garcon_flow: Any, threads: bool) -> None:
    run = run_order(Runner(Simulation()), garcon_loops(garcon_flow, threads), CARD)
    assert run.status == "COMPLETED"
    assert [call.outcome for call in run.calls("orders_send")] == ["completed"]
    assert run.calls("orders_send")[0].result == {"send.shipped": "card 7 is charged"}
    assert replays(garcon_loops(garcon_flow)[0], run)


@needs_module("garcon")
def test_a_bug_of_a_flow_of_garcon_is_found(garcon_flow: Any) -> None:
    def charges_once(runner: Runner) -> None:
        garcon_flow.charged.clear()
        run_order(runner, garcon_loops(garcon_flow), CARD)
        assert garcon_flow.charged == ["card 7"]

    with pytest.raises(FoundError, match="the work is done, but is reported as failed"):
        explore(charges_once, faults=[WorkFails()])


# seddy, whose workflows are files. It needs the empty token of an empty poll.

WORKFLOWS = {
    "version": "1.0",
    "workflows": [
        {
            "spec_type": "dag",
            "name": "orders",
            "version": "1",
            "tasks": [
                {
                    "id": "charge",
                    "type": {"name": "charge", "version": "1"},
                    "input": {"type": "workflow-input", "path": "$.card"},
                    "task_list": "work",
                    "timeout": 60,
                    "heartbeat": "NONE",
                },
                {
                    "id": "ship",
                    "type": {"name": "ship", "version": "1"},
                    "input": {"type": "dependency-result", "id": "charge"},
                    "task_list": "work",
                    "timeout": 60,
                    "heartbeat": "NONE",
                    "dependencies": ["charge"],
                },
            ],
        }
    ],
}


@pytest.fixture
def seddy_file(tmp_path: Path) -> Path:
    path = tmp_path / "workflows.json"
    path.write_text(json.dumps(WORKFLOWS), encoding="utf-8")
    return path


def seddy_decider(path: Path) -> Callable[..., object]:
    def decide() -> None:
        from seddy import decider, registration

        registration.run_app(path, DOMAIN)
        decider.run_app(path, DOMAIN, "orders", identity="seddy")

    return decide


def seddy_stubs(**charge: Any) -> Stubs:
    stubs = Stubs()
    stubs("charge", "1", **(charge or {"function": lambda card: f"{json.loads(card)} is charged"}))
    stubs("ship", "1", function=lambda receipt: {"shipped": json.loads(receipt)})
    return stubs


@needs_module("seddy")
def test_seddy_runs_and_replays(seddy_file: Path) -> None:
    stubs = seddy_stubs(function=lambda card: [json.loads(card), "is charged"])
    runner = Runner(Simulation(empty_poll_token=True), stubs=stubs)
    decide = seddy_decider(seddy_file)
    run = run_order(runner, [decide], CARD)
    assert run.result == {
        "charge": ["card 7", "is charged"],
        "ship": {"shipped": ["card 7", "is charged"]},
    }
    assert replays(decide, run)


@needs_module("seddy")
def test_an_activity_of_seddy_times_out(seddy_file: Path) -> None:
    runner = Runner(Simulation(empty_poll_token=True), stubs=seddy_stubs(timeout="START_TO_CLOSE"))
    run = run_order(runner, [seddy_decider(seddy_file)], CARD)
    assert (run.status, round(run.simulated_seconds)) == ("FAILED", 60)


# swf-typed, a library to write deciders and workers with


def decide_typed(swf: Any) -> None:
    import swf_typed

    while True:
        task = swf_typed.request_decision_task(
            "orders", DOMAIN, no_tasks_callback=lambda: None, client=swf
        )
        state = swf_typed.build_state(task.execution_history)
        decision: Any
        if not state.tasks or state.tasks[-1].status is swf_typed.TaskStatus.timed_out:
            activity = swf_typed.ActivityId("charge", "1")
            decision = swf_typed.ScheduleActivityTaskDecision(
                activity, f"charge-{len(state.tasks)}", state.input
            )
        else:
            decision = swf_typed.CompleteWorkflowExecutionDecision(state.tasks[-1].result)
        swf_typed.send_decisions(task.token, [decision], client=swf)


def typed_worker(charged: list[str]) -> Callable[..., object]:
    def work(swf: Any) -> None:
        import swf_typed

        while True:
            task = swf_typed.request_task(
                "work", DOMAIN, no_tasks_callback=lambda: None, client=swf
            )
            charged.append(task.input)
            swf_typed.complete_task(task.token, f"{task.input} is charged", client=swf)

    return work


def run_typed(runner: Runner, charged: list[str]) -> Run:
    import swf_typed

    client = runner.simulation.client()
    minute = timedelta(seconds=60)
    swf_typed.register_activity(
        swf_typed.ActivityId("charge", "1"),
        runner.domain,
        default_task_configuration=swf_typed.DefaultTaskConfiguration(
            task_list="work",
            runtime_timeout=minute,
            schedule_timeout=None,
            total_timeout=None,
            heartbeat_timeout=None,
        ),
        client=client,
    )
    client.register_workflow_type(domain=runner.domain, name="orders", version="1")
    return run_order(runner, [decide_typed, typed_worker(charged)], "card 7")


@needs_module("swf_typed")
def test_swf_typed_runs_and_replays() -> None:
    charged: list[str] = []
    run = run_typed(Runner(Simulation(empty_poll_token=True)), charged)
    assert run.result == "card 7 is charged"
    assert charged == ["card 7"]
    assert replays(decide_typed, run)


@needs_module("swf_typed")
def test_a_bug_of_a_decider_that_uses_swf_typed_is_found() -> None:
    def charges_once(runner: Runner) -> None:
        charged: list[str] = []
        run_typed(runner, charged)
        assert charged == ["card 7"]

    with pytest.raises(FoundError, match="the worker dies after the work, before it answers"):
        explore(
            charges_once, simulation=Simulation(empty_poll_token=True), faults=[WorkerDiesLate()]
        )

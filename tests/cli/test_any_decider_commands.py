"""``flowy-sim run`` and ``explore`` with deciders and workers that poll by themselves."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flowy.errors import ConfigurationError
from flowy_sim.explore import FoundError, explore
from flowy_sim.faults import Deploy
from tests.cli.conftest import Invoke

KIOSK = textwrap.dedent(
    """
    DOMAIN = "kiosk"


    def register(client):
        for register, name, more in (
            (client.register_workflow_type, "order", {
                "defaultTaskList": {"name": "deciders"}, "defaultChildPolicy": "TERMINATE",
                "defaultExecutionStartToCloseTimeout": "3600",
                "defaultTaskStartToCloseTimeout": "60",
            }),
            (client.register_activity_type, "charge", {
                "defaultTaskList": {"name": "workers"}, "defaultTaskHeartbeatTimeout": "NONE",
                "defaultTaskScheduleToStartTimeout": "NONE", "defaultTaskStartToCloseTimeout": "60",
                "defaultTaskScheduleToCloseTimeout": "NONE",
            }),
        ):
            try:
                register(domain=DOMAIN, name=name, version="1", **more)
            except client.exceptions.TypeAlreadyExistsFault:
                pass


    def decide(client, result="paid"):
        register(client)
        task = client.poll_for_decision_task(domain=DOMAIN, taskList={"name": "deciders"})
        if not task.get("taskToken"):
            return
        types = [event["eventType"] for event in task["events"]]
        started = task["events"][0]["workflowExecutionStartedEventAttributes"]
        signals = [
            event["workflowExecutionSignaledEventAttributes"] for event in task["events"]
            if event["eventType"] == "WorkflowExecutionSignaled"
        ]
        decision = None
        if "WorkflowExecutionCancelRequested" in types:
            decision = {"decisionType": "CancelWorkflowExecution"}
        elif "ActivityTaskCompleted" in types and started.get("input") != "wait":
            decision = {
                "decisionType": "CompleteWorkflowExecution",
                "completeWorkflowExecutionDecisionAttributes": {"result": result},
            }
        elif signals:
            decision = {
                "decisionType": "CompleteWorkflowExecution",
                "completeWorkflowExecutionDecisionAttributes": {
                    "result": signals[0]["signalName"] + " " + signals[0].get("input", "nothing"),
                },
            }
        elif "ActivityTaskTimedOut" in types:
            decision = {
                "decisionType": "FailWorkflowExecution",
                "failWorkflowExecutionDecisionAttributes": {"reason": "not charged"},
            }
        elif "ActivityTaskScheduled" not in types:
            decision = {
                "decisionType": "ScheduleActivityTask",
                "scheduleActivityTaskDecisionAttributes": {
                    "activityId": "1", "activityType": {"name": "charge", "version": "1"},
                    "input": started.get("input", "none"),
                },
            }
        client.respond_decision_task_completed(
            taskToken=task["taskToken"], decisions=[decision] if decision else []
        )


    def work(client):
        register(client)
        task = client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "workers"})
        if task.get("taskToken"):
            client.respond_activity_task_completed(taskToken=task["taskToken"], result="ok")


    def decide_anew(client):
        decide(client, "paid by the new code")


    no_code = 7
    """
)
RUN = ["run", "--decider", "kiosk:decide", "--worker", "kiosk:work", "--domain", "kiosk"]
EXPLORE = ["explore", *RUN[1:]]
START = ["--start", "order:1"]


@pytest.fixture(autouse=True)
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "kiosk.py").write_text(KIOSK, encoding="utf-8")
    import kiosk  # type: ignore[import-not-found, unused-ignore]

    return kiosk


def result_of(invoke: Invoke, *words: str) -> Any:
    found = invoke(*RUN, *START, "--json", *words)
    assert found.stdout, found.stderr
    return json.loads(found.stdout)


def test_a_decider_and_a_worker_run(invoke: Invoke) -> None:
    found = invoke(*RUN, *START, "--input", "42")
    assert found.exit_code == 0, found.output
    assert found.output.startswith("paid\n\norder 1 · completed")
    assert result_of(invoke)["result"] == "paid"


@pytest.mark.parametrize(
    ("signal", "result"),
    [("approve=by Ann@60", "approve by Ann"), ("stop@5", "stop nothing"), ("now=1", "now 1")],
)
def test_a_signal_is_sent_after_some_seconds(invoke: Invoke, signal: str, result: str) -> None:
    found = result_of(invoke, "--input", "wait", "--signal", signal)
    assert found["result"] == result


def test_the_cancellation_is_requested_after_some_seconds(invoke: Invoke) -> None:
    found = result_of(invoke, "--input", "wait", "--cancel", "@90")
    assert found["status"] == "CANCELED"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--decider", "kiosk:decide"], "--start NAME:VERSION"),
        (["--decider", "kiosk:no_code", *START], "not a decider or worker"),
        (["--start", "order:1"], "need --decider"),
        (["--decider", "kiosk:decide", *START, "--cancel", "soon"], "--cancel takes @SECONDS"),
        (["shop:Order", "--decider", "kiosk:decide", *START], "not both"),
        (["--decider", "kiosk:decide", *START, "--realtime"], "simulated time"),
    ],
)
def test_wrong_options_are_refused(invoke: Invoke, words: list[str], message: str) -> None:
    found = invoke("run", *words)
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())


def test_a_decider_and_a_worker_are_explored(invoke: Invoke) -> None:
    found = invoke(*EXPLORE, *START, "--runs", "200", "--seconds", "20")
    assert (found.exit_code, "No failure" in found.output) == (0, True), found.output


def test_a_failure_is_repeated_by_the_command_in_the_report(invoke: Invoke) -> None:
    words = [*EXPLORE, *START, "--completes", "--fault", "worker-dies-late", "--input", "x"]
    found = invoke(*words, "--seconds", "20")
    assert found.exit_code == 1
    assert "not charged" in found.output or "failed" in found.output
    [line] = [each for each in found.output.splitlines() if "--choices" in each]
    for option in ("--decider=kiosk:decide", "--worker=kiosk:work", "--start=order:1"):
        assert option in line


def test_new_code_of_a_loop_is_deployed_at_any_moment(kiosk: Any) -> None:
    results = set()

    def order(runner: Any) -> None:
        kiosk.DOMAIN = runner.domain
        runner.loop(kiosk.decide)
        runner.loop(kiosk.work)
        results.add(runner(("order", "1")).raw_result)

    explore(order, faults=[Deploy(loops={"decide": kiosk.decide_anew})], processes=1)
    assert results == {"paid", "paid by the new code", None}  # None: the worker was restarted.


def test_new_code_needs_a_loop_of_that_name(kiosk: Any) -> None:
    def order(runner: Any) -> None:
        kiosk.DOMAIN = runner.domain
        runner.loop(kiosk.decide)
        runner.loop(kiosk.work)
        runner(("order", "1"))

    with pytest.raises((FoundError, ConfigurationError), match="the loops of this test are"):
        explore(order, faults=[Deploy(loops={"decider": kiosk.decide_anew})], processes=1)
    with pytest.raises(ConfigurationError, match="new code of the loop 'decide'"):
        Deploy(loops={"decide": 7})  # type: ignore[dict-item]

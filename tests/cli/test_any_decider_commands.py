"""``flowy-sim run`` and ``explore`` with deciders and workers that poll with their own loops."""

from __future__ import annotations

import json
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flowy.errors import ConfigurationError
from flowy_sim._cli.program import read_signal
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
        elif {"ActivityTaskTimedOut", "ActivityTaskFailed"} & set(types):
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
        (["--decider", "kiosk:decide", *START, "--signal", "go@60s"], "not '@60s'"),
        (["--decider", "kiosk:decide", *START, "--signal", "go@"], "not '@'"),
        (["--decider", "kiosk:decide", *START, "--domain", ""], "give the name of a domain"),
        (["--setup", "kiosk:register"], "need --decider"),
        (["--decider", "kiosk:decide", *START, "--region", "eu west"], "is not a region; give one"),
    ],
)
def test_wrong_options_are_refused(invoke: Invoke, words: list[str], message: str) -> None:
    found = invoke("run", *words)
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())


@pytest.mark.slow
def test_a_decider_and_a_worker_are_explored(invoke: Invoke) -> None:
    found = invoke(*EXPLORE, *START, "--runs", "60", "--seconds", "60")
    assert (found.exit_code, "No failure" in found.output) == (0, True), found.output


def test_everything_is_explored_in_the_region_that_is_given(invoke: Invoke, tmp_path: Path) -> None:
    code = KIOSK.replace('DOMAIN = "kiosk"', 'DOMAIN = "kiosk"\nimport boto3')
    code = code.replace("def decide(client,", "def decide_there(client,")
    code += textwrap.dedent(
        """
        def decide():
            decide_there(boto3.client("swf", region_name="eu-west-1"))


        def is_there(runner):
            assert runner.simulation.region == "eu-west-1"
            assert runner.domain == "kiosk"
        """
    )
    (tmp_path / "abroad.py").write_text(code, encoding="utf-8")
    words = ["--decider", "abroad:decide", "--worker", "abroad:work", "--completes", *START]
    place = ["--domain", "kiosk", "--region", "eu-west-1"]
    found = invoke("explore", *words, *place, "--fault", "none")
    assert "No failure" in found.output, found.output
    elsewhere = invoke("explore", *words, *place[:2], "--fault", "none")
    assert "Unknown domain: kiosk" in elsewhere.output
    advised = invoke("run", "--setup", "abroad:decide", *words[:4], *START, "--region", "eu-west-1")
    assert "Unknown domain: kiosk\neverything else runs in the domain 'simulated'" in advised.stderr
    advised = invoke("run", *words[:4], *START, *place[:2])
    assert "Unknown domain: kiosk\nIt calls eu-west-1; everything else" in advised.stderr
    assert "--region eu-west-1" in advised.stderr
    assert "No failure" in invoke("explore", "abroad:is_there", *place, "--runs", "1").output
    failed = invoke("explore", "abroad:is_there", "--domain", "kiosk", "--region", "us-east-2")
    assert " --domain=kiosk --region=us-east-2 --choices" in failed.output


def test_mails_are_no_times() -> None:
    assert read_signal("mail=ann@163.com") == ("mail", "ann@163.com", None)


def test_a_function_that_registers_types_is_called_first(invoke: Invoke, tmp_path: Path) -> None:
    code = KIOSK.replace("    register(client)\n", "")
    (tmp_path / "stand.py").write_text(code, encoding="utf-8")
    words = ["--decider", "stand:decide", "--worker", "stand:work", "--domain", "kiosk", *START]
    found = invoke("run", *words)
    assert found.exit_code == 1
    assert "order 1 is not registered in the domain 'kiosk'" in found.output
    assert "--setup MODULE:NAME" in found.output
    assert invoke("run", *words, "--setup", "stand:register").output.startswith("paid\n")
    explored = invoke("explore", *words, "--setup", "stand:register", "--fault", "none")
    assert "No failure" in explored.output


def test_an_error_of_a_decider_is_shown_with_its_place(invoke: Invoke, tmp_path: Path) -> None:
    code = KIOSK.replace("    started = task", "    nothing = {}['nothing']\n    started = task")
    (tmp_path / "booth.py").write_text(code, encoding="utf-8")
    words = ["--decider", "booth:decide", "--domain", "kiosk", *START]
    found = invoke("run", *words)
    assert found.exit_code == 1
    assert "a decider or worker fails: KeyError" in found.stderr
    assert "booth.py" in found.stderr
    assert "flowy_sim" not in found.stderr


WAITS = """
import flowy
from flowy import Workflow, workflow


@workflow("waits", 1, "waits")
class Waits(Workflow):
    def run(self):
        answer, late = self.signal("answer"), self.timer(7200)
        return "late" if flowy.first(answer, late) is late else answer.result()


def test(runner):
    runner(Waits)
"""


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (["--signal", 'answer={"by": 1}@60'], 'COMPLETED: {"by": 1}'),
        (["--signal", "answer=yes@60", "--signal", "answer=no@30"], 'COMPLETED: "no"'),
        (["--signal", "answer=yes@60", "--cancel", "@30"], "CANCELED"),
        (["--signal", "answer=yes@7300"], 'COMPLETED: "late"'),
    ],
)
def test_signals_and_cancellations_of_workflows_of_flowy_come_at_their_times(
    invoke: Invoke, tmp_path: Path, options: list[str], ending: str
) -> None:
    (tmp_path / "waiting.py").write_text(WAITS, encoding="utf-8")
    run = json.loads(invoke("run", "--json", "waiting:Waits", *options).stdout)
    result = f": {json.dumps(run['result'])}" if run["status"] == "COMPLETED" else ""
    assert f"{run['status']}{result}" == ending
    words = ("explore", "--fault", "none", "--json", "waiting:Waits", *options)
    assert json.loads(invoke(*words).stdout)["endings"].keys() == {f"waits 1 {ending}"}


def test_a_failure_with_a_signal_in_time_is_repeated_by_the_command(
    invoke: Invoke, tmp_path: Path
) -> None:
    (tmp_path / "waiting.py").write_text(WAITS, encoding="utf-8")
    words = ["explore", "waiting:Waits", "--completes", "--cancel", "@30", "--fault", "none"]
    found = invoke(*words)
    [line] = [each for each in found.output.splitlines() if each.startswith("repeat:")]
    again = invoke(*shlex.split(line)[2:])
    assert "CANCELED" in found.output.upper()
    assert (found.exit_code, again.exit_code) == (1, 1)


def test_a_test_sends_its_signals_by_itself(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text(WAITS, encoding="utf-8")
    found = invoke("explore", "waiting:test", "--cancel", "@30")
    assert found.exit_code == 2
    assert "runner.after" in found.stderr


def test_a_failure_is_repeated_by_the_command_in_the_report(invoke: Invoke) -> None:
    words = [*EXPLORE, *START, "--completes", "--fault", "worker-dies-late", "--input", "x"]
    found = invoke(*words, "--seconds", "20")
    assert found.exit_code == 1
    assert "not charged" in found.output or "failed" in found.output
    [line] = [each for each in found.output.splitlines() if "--choices" in each]
    for option in ("--decider=kiosk:decide", "--worker=kiosk:work", "--start=order:1"):
        assert option in line


@pytest.mark.slow
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

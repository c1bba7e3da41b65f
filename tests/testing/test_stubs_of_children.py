"""Stubs of child workflows and Lambda functions; children without stubs."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Any

import pytest

import flowy
from flowy import ActivityProxy, Workflow, WorkflowProxy, activity, workflow
from flowy_sim import Latency, Simulation
from flowy_sim.explore import find
from flowy_sim.faults import (
    AnswerLate,
    CancelRequest,
    DeciderDies,
    InjectedFault,
    ReplyLost,
    Restart,
    TaskLate,
    Termination,
)
from flowy_sim.testing import Runner, Stubs, UnexpectedCallError
from flowy_sim.testing._coverage import StubUsage
from tests.support.outcomes import outcome


@activity("shrink", 1, "studio")
def shrink(source: str) -> str:
    return f"small {source}"


@workflow("thumbnail", 1, "thumbnails", execution_start_to_close=600)
class Thumbnail(Workflow):
    shrink = ActivityProxy(shrink)

    def run(self, source: str) -> Any:
        return self.shrink(source)


@workflow("album", 1, "albums")
class Album(Workflow):
    thumbnail = WorkflowProxy(Thumbnail, error_handling=True)

    def run(self, sources: list[str]) -> list[Any]:
        return [outcome(each) for each in [self.thumbnail(source) for source in sources]]


@workflow("shelf", 1, "shelves")
class Shelf(Workflow):
    album = WorkflowProxy("album", 2)

    def run(self) -> Any:
        return self.album(["a"])


@pytest.fixture
def runner(stubs: Stubs) -> Runner:
    return Runner(Simulation(latency=Latency.ZERO), stubs=stubs)


def test_children_that_proxies_name_by_class_are_run(runner: Runner) -> None:
    assert runner.run(Album, ["a", "b"]).result == ["small a", "small b"]


def test_a_child_is_stubbed(runner: Runner, stubs: Stubs) -> None:
    stubs(Thumbnail, result="tiny", takes=30)
    run = runner.run(Album, ["a", "b"])
    assert (run.result, run.simulated_seconds) == (["tiny", "tiny"], 30)
    first, second = run.calls(Thumbnail)
    assert (first.kind, first.args, first.result, first.seconds) == ("child", ("a",), "tiny", 30)
    assert first.overlaps(second)


def test_a_child_answers_by_arguments_and_in_a_row(runner: Runner, stubs: Stubs) -> None:
    stubs(Thumbnail, result=1).then(error=OSError("full")).when("b").then(result="b")
    assert runner.run(Album, ["a", "b", "a"]).result == [1, "b", "TaskFailed OSError"]


@pytest.mark.parametrize("answer", [{"timeout": "START_TO_CLOSE"}, {"takes": math.inf}])
def test_a_child_times_out(runner: Runner, stubs: Stubs, answer: Any) -> None:
    stubs(Thumbnail, **answer)
    run = runner.run(Album, ["a"])
    assert (run.result, run.simulated_seconds) == (["TaskTimedOut START_TO_CLOSE"], 600)


def test_the_function_of_a_child_is_called_once(runner: Runner, stubs: Stubs) -> None:
    called: list[str] = []

    def work(source: str) -> str:
        called.append(source)
        return source.upper()

    stubs(Thumbnail, function=work, takes=5)
    assert runner.run(Album, ["a", "b"]).result == ["A", "B"]
    assert called == ["a", "b"]


@workflow("hasty", 1, "albums")
class Hasty(Workflow):
    thumbnail = WorkflowProxy(Thumbnail, error_handling=True)

    def run(self) -> Any:
        child = self.thumbnail("a")
        self.sleep(20)
        child.cancel()
        return outcome(child)


def test_a_child_is_canceled(runner: Runner, stubs: Stubs) -> None:
    stubs(Thumbnail, result="tiny", takes=300)
    run = runner.run(Hasty)
    assert (run.result, run.simulated_seconds) == ("TaskCanceled ", 20)


def test_an_unexpected_child_is_reported(runner: Runner, stubs: Stubs) -> None:
    stubs(Thumbnail).when("a").then(result=1)
    with pytest.raises(UnexpectedCallError, match=r"thumbnail 1 was called with source='b'"):
        runner.run(Album, ["b"])


def test_a_child_without_a_class_has_a_stub_by_name(runner: Runner, stubs: Stubs) -> None:
    stubs.child("album", 2, result="photographs", takes=7)
    run = runner.run(Shelf)
    assert (run.result, run.simulated_seconds) == ("photographs", 7)
    uses = StubUsage()
    uses.note(stubs)
    assert uses.unused() == []


def test_a_child_without_an_implementation_is_reported(runner: Runner, stubs: Stubs) -> None:
    stubs.child("albun", 2)
    with pytest.raises(Exception, match="Nothing more will happen") as caught:
        runner.run(Shelf)
    assert [line.partition(" since")[0] for line in str(caught.value).splitlines()[1:]] == [
        "- child album 2 (shelf-1-d2b152ca-album-1) is open",
        "- the execution times out at 2024-01-02 00:00:00",
        "album 2 (shelf-1-d2b152ca-album-1) is open after 0 s:",
        "- its decision task has been waiting",
        "- the execution times out at 2024-12-31 00:00:00",
    ]
    assert "it is neither implemented nor stubbed (nearest: albun 2)" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"takes": 1.5}, "takes of the stub of thumbnail 1 must be a whole number of seconds"),
        ({"heartbeat": 5}, "only activities have heartbeats"),
        ({"timeout": "HEARTBEAT"}, "must be START_TO_CLOSE, not 'HEARTBEAT'"),
    ],
)
def test_what_a_child_cannot_do_is_refused(
    stubs: Stubs, answer: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(flowy.ConfigurationError, match=sentence):
        stubs(Thumbnail, **answer)


# Lambda functions


@workflow("caller", 1, "callers", lambda_role="arn:aws:iam::123456789012:role/swf")
class Caller(Workflow):
    def run(self) -> None:
        raise NotImplementedError


def run_with_function(stubs: Stubs, payload: str) -> Any:
    """Run a decider that calls a Lambda function, and return how the call ended."""
    runner = Runner(Simulation(latency=Latency.ZERO), stubs=stubs)
    execution = runner.start(Caller, task_list="by hand")

    def decider(client: Any) -> None:
        task = client.poll_for_decision_task(domain=runner.domain, taskList={"name": "by hand"})
        if task.get("taskToken"):
            known = [event["eventType"] for event in task["events"]]
            done = any(name.startswith("LambdaFunction") for name in known)
            client.respond_decision_task_completed(
                taskToken=task["taskToken"], decisions=[COMPLETE if done else call(payload)]
            )

    runner.loop(decider)
    [called] = runner.finish(execution).calls("resize")
    return called


def call(payload: str) -> dict[str, Any]:
    attributes = {"id": "r", "name": "resize", "input": payload, "startToCloseTimeout": "60"}
    return {
        "decisionType": "ScheduleLambdaFunction",
        "scheduleLambdaFunctionDecisionAttributes": attributes,
    }


COMPLETE = {
    "decisionType": "CompleteWorkflowExecution",
    "completeWorkflowExecutionDecisionAttributes": {},
}


def test_a_lambda_function_is_stubbed(stubs: Stubs) -> None:
    stubs.lambda_function("resize", function=lambda payload: payload["width"] + 1, takes=7)
    called = run_with_function(stubs, '{"width": 64}')
    assert (called.kind, called.result, called.seconds) == ("lambda", 65, 7)


def test_a_lambda_function_fails_times_out_and_answers_by_payload(stubs: Stubs) -> None:
    stub = stubs.lambda_function("resize", timeout="START_TO_CLOSE")
    stub.when({"width": 1}).then(error=ValueError("narrow"))
    assert run_with_function(stubs, '{"width": 1}').outcome == "failed"
    slow = run_with_function(stubs, '{"width": 2}')
    assert (slow.outcome, slow.seconds) == ("timed out", 60)


def test_an_unexpected_payload_is_reported(stubs: Stubs) -> None:
    stubs.lambda_function("resize").when(1).then(result=1)
    with pytest.raises(UnexpectedCallError, match="resize was called with 2"):
        run_with_function(stubs, "2")


def test_a_function_without_a_stub_is_reported(stubs: Stubs) -> None:
    stubs.lambda_function("resise", result=1)
    with pytest.raises(
        UnexpectedCallError,
        match=r"the Lambda function resize was called but does not exist; the nearest is resise; "
        r"to stub it, use lambda_function\('resize', result=…\)",
    ):
        run_with_function(stubs, "2")


@workflow("frame", 1, "frames")
class Frame(Workflow):
    thumbnail = WorkflowProxy(Thumbnail, error_handling=True, workflow_id="child")

    def run(self) -> Any:
        return outcome(self.thumbnail("a"))


STRUCK = {
    DeciderDies(): "DecisionTaskTimedOut",
    TaskLate(): "DecisionTaskTimedOut",
    AnswerLate(): "DecisionTaskTimedOut",
    ReplyLost(): "DecisionTaskTimedOut",
    Restart(): "DecisionTaskTimedOut",
    Termination(workflow_id="child"): "WorkflowExecutionTerminated",
    CancelRequest(workflow_id="child"): "WorkflowExecutionCancelRequested",
}


@pytest.mark.parametrize("fault", STRUCK, ids=lambda fault: type(fault).__name__)
def test_faults_strike_a_stubbed_child_before_its_first_decision(fault: InjectedFault) -> None:
    struck: set[str] = set()

    def test(runner: Runner) -> None:
        runner.stubs(Thumbnail, result="tiny")

        @runner.invariant
        def note() -> None:
            for each in runner.simulation.engine().executions.values():
                types = [each.event_type(number) for number in range(1, len(each) + 1)]
                if each.workflow_id == "child":
                    struck.update(takewhile(lambda type_: type_ != "DecisionTaskCompleted", types))

        assert runner(Frame).status == "COMPLETED"

    found = find(test, faults=[fault], most_faults=1)
    assert found.failure is None, str(found.failure)
    assert found.complete
    assert STRUCK[fault] in struck

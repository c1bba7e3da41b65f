"""Child workflows: their outcomes and their ids."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import flowy
from flowy import (
    ConfigurationError,
    ExecutionCanceled,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskNotScheduled,
    TaskTerminated,
    TaskTimedOut,
    Workflow,
    WorkflowProxy,
    workflow,
)
from flowy._payloads.text import length
from tests.support.replayed_runs import child, made, play, seen


def outcome(script: Any, meanwhile: Any = None, **options: Any) -> list[Any]:
    """What a parent sees of a child called ``kid``."""

    def parent(self: Any) -> Any:
        each = self.child.options(workflow_id="kid")("in")
        flowy.wait(each)
        error = each.error
        if error is None:
            return ["value", each.result()]
        return [type(error).__name__, error.task_id, error.reason, bool(error.details)]

    own = child(script, error_handling=True, **options)
    result: list[Any] = play(parent, meanwhile=meanwhile, child=own).result
    return result


def on_the_child(operation: str) -> Any:
    def act(client: Any, execution: Any) -> None:
        getattr(client, operation)(domain="simulated", workflowId="kid")

    return {5: act}


def waiting(self: Any, given: Any) -> None:
    self.sleep(1_000)


def test_a_child_completes_with_a_value() -> None:
    assert outcome(lambda self, given: [given, self.one(3)]) == ["value", ["in", 3]]


def test_a_child_that_fails_is_an_error_with_reason_and_traceback() -> None:
    def failing(self: Any, given: Any) -> None:
        raise ValueError("no")

    assert outcome(failing) == ["TaskFailed", "kid", "ValueError: no", True]


def test_a_child_that_times_out_is_an_error() -> None:
    expected = ["TaskTimedOut", "kid", "START_TO_CLOSE", False]
    assert outcome(waiting, execution_start_to_close=10) == expected


def test_a_child_that_is_terminated_is_an_error() -> None:
    expected = ["TaskTerminated", "kid", "", False]
    assert outcome(waiting, on_the_child("terminate_workflow_execution")) == expected


def test_a_child_that_is_canceled_is_an_error_with_details() -> None:
    def cleaning(self: Any, given: Any) -> None:
        try:
            self.sleep(1_000)
        except ExecutionCanceled:
            raise ExecutionCanceled("cleaned") from None

    seen = outcome(cleaning, on_the_child("request_cancel_workflow_execution"))
    assert seen == ["TaskCanceled", "kid", "", True]


def test_a_child_that_restarts_ends_as_its_last_run_does() -> None:
    def counting(self: Any, given: Any) -> Any:
        if given != "in..":
            self.restart(given + ".")
        return given

    assert outcome(counting) == ["value", "in.."]


def test_an_id_that_is_taken_is_an_error() -> None:
    def script(self: Any) -> Any:
        first, second = self.child(), self.child()
        flowy.wait(second)
        error = second.error
        assert isinstance(error, TaskNotScheduled)
        first.cancel()
        return [error.cause, error.task_id]

    same = child(lambda self: self.sleep(1_000), workflow_id="kid", error_handling=True)
    assert play(script, child=same).result == ["WORKFLOW_ALREADY_RUNNING", "kid"]


def test_unhandled_errors_of_a_child_fail_its_parent() -> None:
    def failing(self: Any) -> None:
        raise ValueError("no")

    run = play(lambda self: self.child(), child=child(failing))
    assert run.status == "FAILED"
    (begun,) = seen(run, "StartChildWorkflowExecutionInitiated")
    assert run.reason == f"child 1 ({begun['workflowId']}) failed: ValueError: no"
    assert "ValueError: no" in run.details


def test_each_error_of_a_child_has_its_class() -> None:
    classes = (TaskFailed, TaskTimedOut, TaskTerminated, TaskCanceled, TaskNotScheduled)
    assert all(issubclass(each, TaskError) for each in classes)


def test_children_run_side_by_side_and_have_ids_of_their_own() -> None:
    def script(self: Any) -> Any:
        both = [self.child(number) for number in range(3)]
        return [flowy.gather(*both), len({each.workflow_id for each in both})]

    def slow(self: Any, number: int) -> int:
        self.sleep(10)
        return number

    run = play(script, child=child(slow))
    assert run.result == [[0, 1, 2], 3]
    assert run.simulated_seconds == pytest.approx(10, abs=1)


def test_a_child_waits_for_its_arguments() -> None:
    run = play(lambda self: self.child(self.two()), child=child(lambda self, number: number))
    assert run.result == 2
    (begun,) = seen(run, "StartChildWorkflowExecutionInitiated")
    assert begun["input"] == "[[2], {}]"


def test_the_id_of_a_child_is_known_at_once_and_the_one_that_it_gets() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        before = each.workflow_id
        return [before, each.result(), each.workflow_id]

    run = play(script, child=child(lambda self: self.workflow_id))
    before, own, after = run.result
    assert before == own == after
    assert before.startswith("scripted-1-")
    assert before.endswith("-child-1")


def test_the_children_of_each_run_have_ids_of_their_own() -> None:
    def script(self: Any, run: int = 0) -> Any:
        each = self.child()
        if run == 0:
            self.restart(1)
        return each.workflow_id

    run = play(script, child=child(lambda self: None))
    (earlier,) = seen(run.earlier[0], "StartChildWorkflowExecutionInitiated")
    assert earlier["workflowId"] != run.result


@pytest.mark.parametrize("character", ["n", "é", "😀"])
def test_long_ids_still_make_ids_that_the_service_takes(character: str) -> None:
    def script(self: Any) -> Any:
        return flowy.gather(self.child(), self.child())

    long_name = character * (256 // length(character))
    proxy = WorkflowProxy(made(lambda self: self.workflow_id, long_name))
    run = play(script, started={"workflow_id": long_name}, child=proxy)
    assert len(set(run.result)) == 2
    assert all(length(each) <= 256 for each in run.result)


def test_a_workflow_may_be_its_own_child() -> None:
    def script(self: Any, number: int) -> Any:
        return 1 if number == 0 else self.one(number, self.child(number - 1))

    assert play(script, 3, child=WorkflowProxy("scripted", 1)).result == 7


# What is refused


def test_a_proxy_works_only_in_run() -> None:
    proxy = WorkflowProxy("child", 1)
    holder = made(lambda self: None, child=proxy)
    for call in (proxy, holder().child):  # type: ignore[attr-defined]
        with pytest.raises(ConfigurationError, match=r"the proxy of child 1 works only in the run"):
            call()


@pytest.mark.parametrize("name", ["signal", "random", "options", "now"])
def test_a_member_that_hides_what_workflows_can_do_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"Scripted\.{name} hides self\.{name} of all"):
        made(lambda self: None, **{name: WorkflowProxy("child", 1)})


def test_what_a_workflow_can_do_it_can_do_only_in_run() -> None:
    outside = made(lambda self: None)()
    for use in (
        lambda: outside.sleep(1),
        lambda: outside.now(),
        lambda: outside.random,
        lambda: outside.signal("x"),
        lambda: outside.workflow_id,
        lambda: outside.patched("x"),
        lambda: outside.restart(),
        lambda: outside.options(retry=2).__enter__(),
    ):
        with pytest.raises(ConfigurationError, match="Scripted is not being run by a worker"):
            use()


def test_a_class_that_is_not_a_workflow_is_refused_as_a_child() -> None:
    with pytest.raises(ConfigurationError, match="needs a class decorated with @workflow"):
        WorkflowProxy(int)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="takes its version from there; leave 2 out"):
        WorkflowProxy(made(lambda self: None), 2)  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="version must be a number or text"):
        WorkflowProxy("child")  # type: ignore[call-overload]


def test_an_argument_of_a_child_that_cannot_be_sent_is_an_error_at_the_call() -> None:
    def script(self: Any) -> str:
        with pytest.raises(flowy.SerializationError, match="argument 1 of child 1 cannot be sent"):
            self.child(object())
        return "caught"

    assert play(script, child=child(lambda self: None)).result == "caught"


@workflow("dated", 1, "decisions")
class Dated(Workflow):
    def run(self) -> datetime:
        return datetime(2024, 2, 29)


def test_what_a_child_returns_is_read_by_its_type_hint() -> None:
    run = play(lambda self: str(self.child().result()), child=WorkflowProxy(Dated))
    assert run.result == "2024-02-29 00:00:00"


from flowy import Workflow, workflow  # noqa: E402

"""Retries, and the options of a call from decorator, proxy, block and call."""

from __future__ import annotations

from typing import Any

import pytest

from flowy import (
    Activity,
    ActivityProxy,
    ConfigurationError,
    Retry,
    TaskError,
    TaskFailed,
    TaskTimedOut,
    WorkflowProxy,
    activity,
)
from flowy_sim.testing import Run, Stubs
from tests.support.replayed_runs import child, play, seen


def failing(stubs: Stubs) -> None:
    stubs("one", 1, error=ValueError("no"))


def fails_twice(stubs: Stubs) -> None:
    stubs("one", 1, error=ValueError("no")).then(timeout="START_TO_CLOSE").then(result="done")


def starts(run: Run) -> list[int]:
    """After how many seconds each attempt was scheduled."""
    begun = run.history[0]["eventTimestamp"]
    return [
        round((event["eventTimestamp"] - begun).total_seconds())
        for event in run.history
        if event["eventType"] == "ActivityTaskScheduled"
    ]


def trying(**options: Any) -> Any:
    return ActivityProxy("one", 1, error_handling=True, start_to_close=10, **options)


def tried(**options: Any) -> Run:
    def script(self: Any) -> Any:
        try:
            return self.one().result()
        except TaskError as error:
            return [error.attempt, str(error)]

    return play(script, stubs=failing, one=trying(**options))


# Retries


def test_an_error_contains_everything_that_is_known() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskFailed) as caught:
            self.one.options(retry=2)().result()
        error = caught.value
        assert error.remote_traceback.endswith("ValueError: no\n")
        return [error.type, error.task_id, error.attempt, error.reason]

    run = play(script, stubs=failing, one=trying())
    assert run.result == ["one 1", "one-1.2", 2, "ValueError: no"]


def test_a_failure_and_a_time_out_are_tried_again() -> None:
    run = play(lambda self: self.one(), stubs=fails_twice, one=trying(retry=3))
    assert (run.result, starts(run)) == ("done", [0, 0, 10])


def test_there_is_one_attempt_by_default() -> None:
    assert tried().result == [1, "one 1 (one-1) failed: ValueError: no"]


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        (Retry(4), [0, 0, 0, 0]),
        (Retry(4, delay=10), [0, 10, 20, 30]),
        (Retry(4, delay=10, backoff=2), [0, 10, 30, 70]),
        (Retry(4, delay=10, backoff=1.5), [0, 10, 25, 47]),
        (Retry(4, delay=10, backoff=3, longest=20), [0, 10, 30, 50]),
    ],
)
def test_attempts_wait_as_the_policy_says(retry: Retry, expected: list[int]) -> None:
    assert starts(tried(retry=retry)) == expected


def test_jitter_shortens_delays_by_the_executions_own_randomness() -> None:
    run = tried(retry=Retry(4, delay=100, jitter=0.5))
    delays = [int(timer["startToFireTimeout"]) for timer in seen(run, "TimerStarted")]
    assert all(50 <= delay <= 100 for delay in delays)
    assert len(set(delays)) == 3
    assert [marker["markerName"] for marker in seen(run, "MarkerRecorded")] == ["random"]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        ({"on": [ValueError]}, 3),
        ({"on": ["ValueError"]}, 3),
        ({"on": [KeyError, "HEARTBEAT"]}, 1),
        ({"unless": [ValueError]}, 1),
        ({"unless": ["START_TO_CLOSE"]}, 3),
        ({"on": [ValueError], "unless": [ValueError]}, 1),
    ],
)
def test_a_policy_says_which_errors_are_tried_again(policy: Any, attempts: int) -> None:
    assert len(starts(tried(retry=Retry(3, **policy)))) == attempts


def test_a_time_out_is_tried_again_by_its_name() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskTimedOut) as caught:
            self.one().result()
        return [caught.value.attempt, caught.value.timeout_type]

    def late(stubs: Stubs) -> None:
        stubs("one", 1, timeout="START_TO_CLOSE")

    retry = Retry(3, on=["START_TO_CLOSE"])
    assert play(script, stubs=late, one=trying(retry=retry)).result == [3, "START_TO_CLOSE"]
    retry = Retry(3, on=["HEARTBEAT"])
    assert play(script, stubs=late, one=trying(retry=retry)).result == [1, "START_TO_CLOSE"]


def test_a_child_is_tried_again_under_another_workflow_id() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        before = each.workflow_id
        return [each.result(), each.workflow_id == f"{before}.2"]

    def flaky(self: Any) -> str:
        if not self.workflow_id.endswith(".2"):
            raise ValueError("no")
        return "done"

    run = play(script, child=child(flaky, retry=3, delay=30))
    assert run.result == ["done", True]
    assert run.simulated_seconds >= 30


def test_a_child_with_an_id_of_its_own_is_tried_again_under_that() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskError) as caught:
            self.child.options(workflow_id="mine")().result()
        return [caught.value.task_id, caught.value.attempt, caught.value.reason]

    def failing(self: Any) -> None:
        raise ValueError("no")

    run = play(script, child=child(failing, retry=2, error_handling=True))
    assert run.result == ["mine", 2, "ValueError: no"]


def test_a_child_that_was_canceled_or_terminated_is_not_tried_again() -> None:
    def script(self: Any) -> Any:
        each = self.child.options(workflow_id="mine")()
        with pytest.raises(TaskError) as caught:
            each.result()
        return type(caught.value).__name__

    def terminate(client: Any, execution: Any) -> None:
        client.terminate_workflow_execution(domain="simulated", workflowId="mine")

    def cancel(client: Any, execution: Any) -> None:
        client.request_cancel_workflow_execution(domain="simulated", workflowId="mine")

    waiting = child(lambda self: self.sleep(1_000), retry=3, error_handling=True)
    assert play(script, meanwhile={5: terminate}, child=waiting).result == "TaskTerminated"
    assert play(script, meanwhile={5: cancel}, child=waiting).result == "TaskCanceled"


# Options


@activity("levels", 1, "numbers", heartbeat=1, retry=Retry(2, delay=9), priority=1)
class Levels(Activity):
    def run(self) -> None:
        """Do nothing."""


def scheduled(call: Any, **overrides: Any) -> dict[str, Any]:
    """The attributes with which an activity is scheduled."""

    def script(self: Any) -> None:
        call(self)

    def stub(stubs: Stubs) -> None:
        stubs(Levels, result=None)

    run = play(script, stubs=stub, levels=ActivityProxy(Levels, **overrides))
    (attributes,) = seen(run, "ActivityTaskScheduled")
    return attributes


def test_the_option_nearest_to_the_call_applies() -> None:
    def blocks(self: Any, inner: bool, call: bool) -> None:
        with self.options(priority=3):
            if inner:
                with self.options(priority=4):
                    self.levels.options(priority=5)() if call else self.levels()
            else:
                self.levels()

    assert scheduled(lambda self: self.levels())["taskPriority"] == "1"
    assert scheduled(lambda self: self.levels(), priority=2)["taskPriority"] == "2"
    assert scheduled(lambda self: blocks(self, False, False), priority=2)["taskPriority"] == "3"
    assert scheduled(lambda self: blocks(self, True, False), priority=2)["taskPriority"] == "4"
    assert scheduled(lambda self: blocks(self, True, True), priority=2)["taskPriority"] == "5"


def test_options_that_are_not_overridden_stay() -> None:
    def call(self: Any) -> None:
        with self.options(heartbeat=7), self.options(start_to_close=None):
            self.levels.options(schedule_to_close=9).options(priority=-1)()

    attributes = scheduled(call, task_list="numbers")
    assert attributes["heartbeatTimeout"] == "7"
    assert attributes["startToCloseTimeout"] == "NONE"
    assert attributes["scheduleToCloseTimeout"] == "9"
    assert attributes["taskPriority"] == "-1"


def test_a_block_ends_with_its_last_line() -> None:
    def call(self: Any) -> None:
        with pytest.raises(KeyError), self.options(priority=3):
            raise KeyError
        self.levels()

    assert scheduled(call)["taskPriority"] == "1"


@pytest.mark.parametrize(
    ("outer", "inner", "attempts"),
    [
        ({"retry": 3}, {}, [0, 0, 0]),
        ({"delay": 7}, {}, [0, 7]),
        ({"retry": Retry(3, delay=2, backoff=5)}, {"delay": 1}, [0, 1, 6]),
        ({"retry": 5, "delay": 9}, {"retry": 2}, [0, 0]),
        ({"delay": 9}, {"retry": Retry(2, delay=3)}, [0, 3]),
    ],
)
def test_a_delay_changes_the_policy_that_holds_and_a_retry_takes_its_place(
    outer: Any, inner: Any, attempts: list[int]
) -> None:
    def script(self: Any) -> None:
        with self.options(**outer), self.options(**inner):
            self.one()
        with self.options(**outer):
            self.one.options(**inner)()

    run = play(script, stubs=failing, one=trying(retry=Retry(2, delay=4)))
    assert sorted(starts(run)) == sorted(attempts * 2)


def test_a_block_is_for_children_too_as_far_as_they_have_its_options() -> None:
    def script(self: Any) -> None:
        with self.options(tags=["nightly"], heartbeat=5, priority=8, child_policy="ABANDON"):
            self.one()
            self.child()

    run = play(script, child=child(lambda self: None))
    (begun,) = seen(run, "StartChildWorkflowExecutionInitiated")
    assert (begun["tagList"], begun["taskPriority"]) == (["nightly"], "8")
    assert begun["childPolicy"] == "ABANDON"
    (scheduled,) = seen(run, "ActivityTaskScheduled")
    assert (scheduled["heartbeatTimeout"], scheduled["taskPriority"]) == ("5", "8")


def test_the_options_of_a_child_arrive() -> None:
    options: Any = {
        "execution_start_to_close": 100,
        "task_start_to_close": 20,
        "tags": ["a", "b"],
        "workflow_id": "mine",
        "lambda_role": "arn:aws:iam::123456789012:role/x",
    }
    run = play(lambda self: self.child(), child=child(lambda self: None, **options))
    (begun,) = seen(run, "StartChildWorkflowExecutionInitiated")
    assert begun["executionStartToCloseTimeout"] == "100"
    assert begun["taskStartToCloseTimeout"] == "20"
    assert begun["tagList"] == ["a", "b"]
    assert begun["workflowId"] == "mine"
    assert begun["lambdaRole"] == "arn:aws:iam::123456789012:role/x"


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hearbeat": 3}, "there is no option hearbeat; the options are task_list, heartbeat, "),
        ({"tags": ["x"]}, "there is no option tags"),
        ({"workflow_id": "x"}, "there is no option workflow_id"),
        ({"heartbeat": 1.5}, "heartbeat must be whole seconds from 0 to 99999999"),
        ({"priority": "high"}, "priority must be a whole number"),
        ({"retry": 0}, "retry, the number of attempts, must be a whole number from 1"),
        ({"retry": Retry(2), "delay": 3}, "give the delay to the Retry"),
        ({"error_handling": 1}, "error_handling must be True or False, not 1"),
        ({"task_list": ""}, "task_list must be text of 1 to 256 characters"),
    ],
)
def test_a_wrong_option_is_refused_wherever_it_is_given(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ActivityProxy("one", 1, **options)

    def script(self: Any) -> str:
        with pytest.raises(ConfigurationError, match=message):
            self.one.options(**options)
        return "refused"

    assert play(script).result == "refused"


@pytest.mark.parametrize("options", [{"hearbeat": 3}, {"workflow_id": "x"}, {"retry": 0}])
def test_a_wrong_option_of_a_block_is_refused_as_the_block_begins(options: Any) -> None:
    def script(self: Any) -> str:
        with pytest.raises(ConfigurationError), self.options(**options):
            raise AssertionError
        return "refused"

    assert play(script).result == "refused"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heartbeat": 3}, "there is no option heartbeat; the options are task_list, "),
        ({"child_policy": "KILL"}, "child_policy must be one of TERMINATE, REQUEST_CANCEL, ABAND"),
        ({"tags": "nightly"}, "tags must be a list of texts, not 'nightly'"),
        ({"tags": list("abcdef")}, "tags can hold at most 5 texts, not 6"),
        ({"workflow_id": ""}, "workflow_id must be text of 1 to 256 characters"),
        ({"execution_start_to_close": None}, "execution_start_to_close must be"),
    ],
)
def test_a_wrong_option_of_a_child_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WorkflowProxy("child", 1, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attempts": 0}, "attempts of a retry must be a whole number from 1"),
        ({"delay": -1}, "delay of a retry must be whole seconds from 0"),
        ({"backoff": 0.5}, "backoff of a retry must be a number of at least 1"),
        ({"longest": 0}, "longest delay of a retry must be whole seconds from 1"),
        ({"jitter": 2}, "jitter of a retry must be a number from 0 to 1"),
        ({"on": ValueError}, "on of a retry must list exceptions or time-outs, such as"),
        ({"unless": "ValueError"}, "unless of a retry must list exceptions"),
    ],
)
def test_an_invalid_policy_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Retry(**arguments)

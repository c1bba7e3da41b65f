"""Executions that are asked to cancel themselves, and workflows that cancel their calls."""

from __future__ import annotations

from typing import Any

import pytest

import flowy
from flowy import (
    ActivityProxy,
    DependencyFailed,
    ExecutionCanceled,
    Retry,
    TaskCanceled,
    TaskError,
)
from flowy._decider.history import attributes_of
from flowy_sim import Simulation
from flowy_sim.testing import Stubs
from tests.support.replayed_runs import at_the_worst_moment, cancels, child, play, seen, signals


def twice(client: Any, execution: Any) -> None:
    cancels(client, execution)
    cancels(client, execution)


# The execution


def test_a_request_to_cancel_is_raised_where_the_workflow_waits() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(ExecutionCanceled):
            self.sleep(1_000)
        return str(self.now())

    run = play(script, meanwhile={60: cancels})
    assert run.result.startswith("2024-01-01 00:01:00")


def test_a_request_that_leaves_run_closes_the_execution_as_canceled() -> None:
    run = play(lambda self: self.sleep(1_000), meanwhile={60: cancels})
    assert (run.status, run.simulated_seconds) == ("CANCELED", 60)


def test_clean_up_may_use_activities_timers_and_time() -> None:
    def script(self: Any) -> Any:
        try:
            self.sleep(1_000)
        except ExecutionCanceled:
            self.two().result()
            self.sleep(5)
            raise

    run = play(script, meanwhile={60: cancels})
    assert (run.status, run.simulated_seconds) == ("CANCELED", 75)


def test_the_details_of_the_cancellation_are_kept() -> None:
    def script(self: Any) -> Any:
        try:
            self.sleep(1_000)
        except ExecutionCanceled as error:
            raise ExecutionCanceled("nothing was sent") from error

    run = play(script, meanwhile={60: cancels})
    assert attributes_of(run.history[-1]) == {
        "decisionTaskCompletedEventId": run.history[-1]["eventId"] - 1,
        "details": "nothing was sent",
    }


def test_two_requests_at_once_are_one() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(ExecutionCanceled):
            self.sleep(1_000)
        self.sleep(5)
        return self.cancel_requested

    run = play(script, meanwhile={60: twice})
    assert (run.result, run.simulated_seconds) == (True, 65)


def test_a_request_after_the_first_is_not_raised_again() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(ExecutionCanceled):
            self.sleep(1_000)
        self.sleep(1_000)
        return "tidied up"

    assert play(script, meanwhile={60: cancels, 70: cancels}).result == "tidied up"


def test_a_request_is_raised_also_if_what_is_awaited_came_with_it_and_nothing_is_lost() -> None:
    def script(self: Any) -> Any:
        work = self.two()
        with pytest.raises(ExecutionCanceled):
            work.result()
        return work.result()

    def minute(stubs: Stubs) -> None:
        stubs("two", 1, result=2, takes=60)

    assert play(script, stubs=minute, meanwhile={60: cancels}).result == 2


def test_a_workflow_that_does_not_wait_any_more_completes() -> None:
    simulation = Simulation()

    def script(self: Any) -> Any:
        at_the_worst_moment(self, lambda: cancels(simulation.client(), self))
        return self.cancel_requested

    run = play(script, simulation=simulation)
    assert run.result is False
    assert seen(run, "CompleteWorkflowExecutionFailed")


def test_a_request_during_the_last_wait_cancels_what_is_open() -> None:
    def script(self: Any) -> str:
        self.two()
        return "done"

    def heeding(stubs: Stubs) -> None:
        stubs("two", 1, timeout="START_TO_CLOSE")

    run = play(script, stubs=heeding, meanwhile={5: cancels}, two=slow())
    assert run.status == "CANCELED"
    assert seen(run, "ActivityTaskCancelRequested")


def slow(**options: Any) -> ActivityProxy[..., Any]:
    return ActivityProxy("two", 1, start_to_close=30, **options)


def test_what_is_open_is_asked_to_cancel_when_a_request_leaves_run() -> None:
    def script(self: Any) -> None:
        work = self.two()
        later = self.one(work)
        self.waiting_child()
        self.timer(10_000)
        self.one(later, self.signal("never")).result()

    run = play(
        script,
        meanwhile={5: cancels},
        waiting_child=child(lambda self: self.sleep(1_000)),
    )
    assert run.status == "CANCELED"
    assert [each["activityId"] for each in seen(run, "ActivityTaskCancelRequested")] == ["two-1"]
    assert len(seen(run, "ChildWorkflowExecutionCanceled")) == 1


def test_a_request_before_the_first_decision_is_raised_at_the_first_wait() -> None:
    def script(self: Any) -> Any:
        asked = self.cancel_requested
        with pytest.raises(ExecutionCanceled):
            self.sleep(10)
        return asked

    assert play(script, meanwhile={0: cancels}).result is True


def test_a_workflow_may_cancel_itself_without_a_request() -> None:
    def script(self: Any) -> None:
        self.one().result()
        raise ExecutionCanceled("changed my mind")

    assert play(script).status == "CANCELED"


def test_an_unhandled_error_takes_precedence_over_a_request_to_cancel() -> None:
    def script(self: Any) -> None:
        self.one().result()

    def failing(stubs: Stubs) -> None:
        stubs("one", 1, error=ValueError("no"), takes=5)

    run = play(script, stubs=failing, meanwhile={5: cancels})
    assert (run.status, run.reason) == ("FAILED", "one 1 (one-1) failed: ValueError: no")


def test_a_request_that_comes_while_a_restart_is_awaited_is_raised_there() -> None:
    def script(self: Any) -> Any:
        self.two()
        with pytest.raises(ExecutionCanceled):
            self.restart()
        return "stayed"

    assert play(script, meanwhile={5: cancels}).result == "stayed"


def test_a_request_that_a_run_has_not_learned_of_is_passed_on_to_the_next() -> None:
    simulation = Simulation()

    def script(self: Any, run: int = 0) -> Any:
        if run == 0:
            at_the_worst_moment(self, lambda: cancels(simulation.client(), self))
            self.restart(1)
        with pytest.raises(ExecutionCanceled):
            self.sleep(1_000)
        return self.cancel_requested

    run = play(script, simulation=simulation)
    assert run.result is True
    assert len(run.earlier) == 1


# Results


def test_an_activity_that_was_not_started_is_canceled_by_the_service() -> None:
    def script(self: Any) -> Any:
        self.two()
        waiting = self.two()
        self.sleep(5)
        waiting.cancel()
        with pytest.raises(TaskCanceled) as caught:
            waiting.result()
        return caught.value.task_id

    run = play(script, workers=1)
    assert run.result == "two-2"
    assert seen(run, "ActivityTaskCanceled")


def test_an_activity_that_ignores_its_cancellation_ends_normally() -> None:
    def script(self: Any) -> Any:
        work = self.two()
        self.sleep(2)
        work.cancel()
        work.cancel()
        return work.result()

    run = play(script)
    assert run.result == 2
    assert len(seen(run, "ActivityTaskCancelRequested")) == 1


def test_an_activity_that_fails_after_it_was_canceled_does_not_fail_the_workflow() -> None:
    def script(self: Any) -> Any:
        work = self.two.options(retry=3)()
        self.sleep(2)
        work.cancel()
        flowy.wait(work)
        return [str(work.error), work.done]

    def failing(stubs: Stubs) -> None:
        stubs("two", 1, error=ValueError("no"), takes=10)

    run = play(script, stubs=failing)
    assert run.result == ["two 1 (two-1) failed: ValueError: no", True]


def test_an_activity_canceled_between_attempts_ends_at_once() -> None:
    def script(self: Any) -> Any:
        work = self.one.options(retry=Retry(3, delay=100))()
        self.sleep(5)
        work.cancel()
        with pytest.raises(TaskCanceled) as caught:
            work.result()
        return caught.value.attempt

    def failing(stubs: Stubs) -> None:
        stubs("one", 1, error=ValueError("no"))

    run = play(script, stubs=failing)
    assert (run.result, run.simulated_seconds) == (2, 5)
    assert len(seen(run, "TimerCanceled")) == 1


def test_an_activity_that_waits_for_arguments_is_never_begun_once_canceled() -> None:
    def script(self: Any) -> Any:
        work = self.two()
        later = self.one(work)
        later.cancel()
        with pytest.raises(TaskCanceled):
            later.result()
        return work

    run = play(script)
    assert run.result == 2
    assert len(seen(run, "ActivityTaskScheduled")) == 1


def test_a_canceled_timer_ends_at_once() -> None:
    def script(self: Any) -> Any:
        timer = self.timer(1_000)
        self.sleep(1)
        timer.cancel()
        with pytest.raises(TaskCanceled, match=r"a timer of 1000 s \(timer-1\) was canceled"):
            timer.result()
        return timer.done

    run = play(script)
    assert (run.result, run.simulated_seconds) == (True, 1)


def test_a_timer_canceled_when_it_has_ended_stays_as_it_is() -> None:
    def script(self: Any) -> Any:
        timer = self.timer(1)
        timer.result()
        timer.cancel()
        return timer.result()

    assert play(script).result is None


def test_a_canceled_wait_takes_no_signal() -> None:
    def script(self: Any) -> Any:
        given_up = self.signal("name")
        given_up.cancel()
        with pytest.raises(TaskCanceled, match="the signal 'name'"):
            given_up.result()
        return self.signal("name").result()

    assert play(script, meanwhile={5: signals("name", 1)}).result == 1


@pytest.mark.parametrize("what", ["timer", "signal"])
def test_calls_that_depend_on_a_canceled_one_are_dropped_at_once(what: str) -> None:
    def script(self: Any) -> Any:
        needed = self.timer(1_000) if what == "timer" else self.signal("never")
        dependent = self.handled(needed)
        dependents_own = self.handled([dependent])
        needed.cancel()
        with pytest.raises(DependencyFailed):
            dependent.result()
        with pytest.raises(DependencyFailed):
            dependents_own.result()
        return "went on"

    run = play(script)
    assert (run.result, run.simulated_seconds) == ("went on", 0)


def test_calls_that_depend_on_a_canceled_one_fail_the_workflow_if_unhandled() -> None:
    def script(self: Any) -> Any:
        timer = self.timer(1_000)
        self.one(timer)
        timer.cancel()

    run = play(script)
    assert run.status == "FAILED"
    assert run.reason.startswith("one 1 (one-2) was not scheduled, as one of its arguments failed")


def test_a_child_that_is_canceled_may_clean_up() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        self.sleep(5)
        each.cancel()
        with pytest.raises(TaskCanceled) as caught:
            each.result()
        return [caught.value.details, caught.value.task_id == each.workflow_id]

    def cleaning(self: Any) -> None:
        try:
            self.sleep(1_000)
        except ExecutionCanceled:
            self.two().result()
            raise ExecutionCanceled("cleaned") from None

    run = play(script, child=child(cleaning))
    assert run.result == ["cleaned", True]
    assert run.simulated_seconds == pytest.approx(15, abs=1)


def test_a_child_that_is_canceled_before_it_has_started_is_asked_as_soon_as_it_has() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        each.cancel()
        with pytest.raises(TaskCanceled):
            each.result()
        return "canceled"

    run = play(script, child=child(lambda self: self.sleep(1_000)))
    assert run.result == "canceled"
    assert len(seen(run, "RequestCancelExternalWorkflowExecutionInitiated")) == 1


def test_a_child_that_cannot_be_started_and_was_canceled_fails_nothing() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        each.cancel()
        try:
            each.result()
        except TaskError as error:
            return str(error)

    run = play(script, child=child(lambda self: None, workflow_id="scripted-1"))
    assert run.result == "child 1 (scripted-1) was not scheduled: WORKFLOW_ALREADY_RUNNING"


def test_a_signal_that_is_on_its_way_cannot_be_taken_back() -> None:
    def script(self: Any) -> Any:
        sent = self.send_signal(self.workflow_id, "name", 1)
        sent.cancel()
        return [sent.result(), self.signal("name").result()]

    assert play(script).result == [None, 1]


def test_a_signal_that_waits_for_its_value_can_be_taken_back() -> None:
    def script(self: Any) -> Any:
        sent = self.send_signal(self.workflow_id, "name", self.timer(5))
        sent.cancel()
        with pytest.raises(TaskCanceled):
            sent.result()
        self.sleep(10)
        return self.signal("name").done

    assert play(script).result is False


def test_a_running_activity_learns_of_it_at_its_next_heartbeat() -> None:
    def script(self: Any) -> Any:
        work = self.two()
        self.sleep(7)
        work.cancel()
        with pytest.raises(TaskCanceled):
            work.result()
        return (self.now().minute, self.now().second)

    def beating(stubs: Stubs) -> None:
        stubs("two", 1, result=2, takes=60, heartbeat=5)

    assert play(script, stubs=beating).result == [0, 10]

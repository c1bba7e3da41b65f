from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import pytest

from flowy import (
    ActivityProxy,
    DecisionRefusedError,
    DependencyFailed,
    HistoryError,
    NonDeterminismError,
    Result,
    Retry,
    TaskCanceled,
    TaskError,
    TaskFailed,
    TaskNotScheduled,
    TaskTimedOut,
    Workflow,
    workflow,
)
from flowy._decider.decider import decide
from tests.support.history_builder import Past


def schedules(name: str, activity_id: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {
        "decisionType": "ScheduleActivityTask",
        "scheduleActivityTaskDecisionAttributes": {
            "activityId": activity_id,
            "activityType": {"name": name, "version": "1"},
            "input": json.dumps([args, kwargs]),
        },
    }


def completes(result: Any) -> dict[str, Any]:
    return {
        "decisionType": "CompleteWorkflowExecution",
        "completeWorkflowExecutionDecisionAttributes": {"result": json.dumps(result)},
    }


def decided(cls: type[Workflow], past: Past) -> list[dict[str, Any]]:
    return [decision.wire() for decision in decide(cls, past.events)]


def failure(cls: type[Workflow], past: Past) -> dict[str, str]:
    """The reason and details with which the execution is failed, and nothing else decided."""
    (decision,) = decided(cls, past)
    assert decision["decisionType"] == "FailWorkflowExecution"
    return decision["failWorkflowExecutionDecisionAttributes"]


class Base(Workflow):
    one = ActivityProxy("one", 1)
    two = ActivityProxy("two", 1)
    three = ActivityProxy("three", 1)
    tried = ActivityProxy("tried", 1, retry=3)
    tried_later = ActivityProxy("tried", 1, retry=Retry(attempts=2, delay=10))
    handled = ActivityProxy("handled", 1, error_handling=True)


@workflow("pair", 1, "decisions")
class Pair(Base):
    def run(self) -> Any:
        return [self.one("a").result(), self.two(b=2)]


@workflow("diamond", 1, "decisions")
class Diamond(Base):
    def run(self, start: int) -> Any:
        left, right = self.one(start), self.two(start)
        return self.three(left, [right, {"again": right}])


def first_turn(input: str | None = "[[], {}]") -> Past:
    past = Past(input)
    past.decision_started()
    return past


def test_a_call_is_scheduled_with_an_id_of_its_name_and_its_number() -> None:
    assert decided(Pair, first_turn()) == [schedules("one", "one-1", "a")]


def test_a_workflow_without_activities_completes_in_its_first_decision() -> None:
    @workflow("still", 1, "decisions")
    class Still(Workflow):
        def run(self, name: str, greeting: str = "hello") -> str:
            return f"{greeting} {name}"

    past = first_turn('[["you"], {"greeting": "good bye"}]')
    assert decided(Still, past) == [completes("good bye you")]


def test_an_execution_started_without_input_gets_no_arguments() -> None:
    assert decided(Pair, first_turn(input=None)) == [schedules("one", "one-1", "a")]


def test_independent_calls_are_scheduled_together() -> None:
    assert decided(Diamond, first_turn("[[7], {}]")) == [
        schedules("one", "one-1", 7),
        schedules("two", "two-2", 7),
    ]


def diamond() -> tuple[Past, int, int]:
    past = first_turn("[[7], {}]")
    past.decided()
    one = past.scheduled("one-1", "one", "[[7], {}]")
    two = past.scheduled("two-2", "two", "[[7], {}]")
    return past, one, two


def test_nothing_is_decided_while_an_argument_is_missing() -> None:
    past, one, _ = diamond()
    past.done(one)
    past.turn()
    assert decided(Diamond, past) == []


def test_a_call_is_scheduled_when_the_last_of_its_arguments_is_known_however_deep() -> None:
    past, one, two = diamond()
    past.done(two, '"right"')
    past.turn()
    past.decided()
    past.done(one, '"left"')
    past.turn()
    expected = schedules("three", "three-3", "left", ["right", {"again": "right"}])
    assert decided(Diamond, past) == [expected]


def test_a_result_that_is_returned_becomes_the_result_of_the_execution() -> None:
    past, one, two = diamond()
    past.done(one, "1")
    past.done(two, "2")
    past.turn()
    past.decided()
    three = past.scheduled("three-3", "three", '[[1, [2, {"again": 2}]], {}]')
    past.done(three, '{"answer": 42}')
    past.turn()
    assert decided(Diamond, past) == [completes({"answer": 42})]


def test_a_result_within_what_is_returned_is_replaced_by_its_value() -> None:
    past = first_turn()
    past.decided()
    one = past.scheduled("one-1", "one", '[["a"], {}]')
    past.done(one, "1")
    past.turn()
    assert decided(Pair, past) == [schedules("two", "two-2", b=2)]
    past.decided()
    two = past.scheduled("two-2", "two", '[[], {"b": 2}]')
    past.done(two, "2")
    past.turn()
    assert decided(Pair, past) == [completes([1, 2])]


def test_an_activity_without_a_result_returns_none() -> None:
    past = first_turn()
    past.decided()
    past.done(past.scheduled("one-1", "one", '[["a"], {}]'), result=None)
    past.turn()
    past.decided()
    past.done(past.scheduled("two-2", "two", '[[], {"b": 2}]'), result=None)
    past.turn()
    assert decided(Pair, past) == [completes([None, None])]


def test_what_was_scheduled_and_not_awaited_is_awaited_before_the_workflow_completes() -> None:
    @workflow("careless", 1, "decisions")
    class Careless(Base):
        def run(self) -> str:
            self.two(self.one())
            return "done"

    past = first_turn()
    assert decided(Careless, past) == [schedules("one", "one-1")]
    past.decided()
    past.done(past.scheduled("one-1", "one"), "1")
    past.turn()
    assert decided(Careless, past) == [schedules("two", "two-2", 1)]
    past.decided()
    two = past.scheduled("two-2", "two", "[[1], {}]")
    past.turn()
    assert decided(Careless, past) == []
    past.decided()
    past.done(two)
    past.turn()
    assert decided(Careless, past) == [completes("done")]


def test_a_decision_task_that_timed_out_is_decided_again() -> None:
    past = first_turn()
    past.decision_timed_out()
    past.decision_started()
    assert decided(Pair, past) == [schedules("one", "one-1", "a")]


def test_what_happens_during_a_decision_is_news_for_the_next_one() -> None:
    past, one, two = diamond()
    past.done(one, "1")
    past.turn()
    past.done(two, "2")  # while the workflow decides, not knowing it
    past.decision_scheduled()
    past.decided()
    past.decision_started()
    expected = schedules("three", "three-3", 1, [2, {"again": 2}])
    assert decided(Diamond, past) == [expected]


def test_a_proxy_decides_what_was_overridden_and_leaves_the_rest_to_the_registered_type() -> None:
    @workflow("options", 1, "decisions")
    class Options(Workflow):
        slow = ActivityProxy(
            "slow",
            2,
            task_list="slow machines",
            heartbeat=None,
            schedule_to_close=100,
            schedule_to_start=20,
            start_to_close=80,
        )

        def run(self) -> Any:
            return self.slow()

    (decision,) = decide(Options, first_turn().events)
    assert decision.attributes == {
        "activityId": "slow-1",
        "activityType": {"name": "slow", "version": "2"},
        "input": "[[], {}]",
        "taskList": {"name": "slow machines"},
        "heartbeatTimeout": "NONE",
        "scheduleToCloseTimeout": "100",
        "scheduleToStartTimeout": "20",
        "startToCloseTimeout": "80",
    }


# Errors


def test_an_exception_in_run_fails_the_execution_with_its_message_and_the_authors_lines() -> None:
    @workflow("wrong", 1, "decisions")
    class Wrong(Base):
        def run(self) -> None:
            self.one()
            raise ValueError("no such picture")

    failed = failure(Wrong, first_turn())
    assert failed["reason"] == "ValueError: no such picture"
    header, first, line, *_ = failed["details"].splitlines()
    assert header == "Traceback (most recent call last):"
    assert f'File "{__file__}", ' in first
    assert line.strip() == 'raise ValueError("no such picture")'


def test_arguments_that_run_does_not_take_fail_the_execution() -> None:
    assert "takes 1 positional argument" in failure(Pair, first_turn("[[1, 2], {}]"))["reason"]


@pytest.mark.parametrize(
    "text", ["", "photo.jpg", "[1, 2]", "{}", "[[]]", "[[], {}, 1]", "[" * 9999]
)
def test_an_input_of_another_form_fails_the_execution_with_a_sentence(text: str) -> None:
    reason = failure(Pair, first_turn(text))["reason"]
    assert reason.startswith("the input of pair 1 is not in flowy's form, a JSON array")


def test_an_unhandled_error_fails_the_execution_with_the_activitys_reason_and_traceback() -> None:
    past, one, _ = diamond()
    past.failed(one, "ImageError: photo.txt is no image", "Traceback …")
    past.turn()
    assert failure(Diamond, past) == {
        "reason": "one 1 (one-1) failed: ImageError: photo.txt is no image",
        "details": "Traceback …",
    }


def test_an_unhandled_error_fails_the_execution_though_run_waits_for_something_else() -> None:
    past, _, two = diamond()
    past.timed_out(two, "SCHEDULE_TO_START")
    past.turn()
    assert failure(Diamond, past)["reason"] == "two 1 (two-2) timed out: SCHEDULE_TO_START"


def test_an_unhandled_error_cannot_be_caught_in_run() -> None:
    @workflow("catching", 1, "decisions")
    class Catching(Base):
        def run(self) -> str:
            try:
                self.one().result()
            except Exception:
                return "caught"
            return "none"

    past = first_turn()
    past.decided()
    past.failed(past.scheduled("one-1", "one"))
    past.turn()
    assert failure(Catching, past)["reason"] == "one 1 (one-1) failed: it broke"


@workflow("handling", 1, "decisions")
class Handling(Base):
    seen: TaskError | None = None

    def run(self) -> Any:
        try:
            return self.handled().result()
        except TaskError as error:
            Handling.seen = error
            return str(error)


def handling() -> tuple[Past, int]:
    past = first_turn()
    past.decided()
    return past, past.scheduled("handled-1", "handled")


def test_an_error_that_is_handled_is_raised_by_result() -> None:
    past, scheduled = handling()
    past.failed(scheduled, "ValueError: no", "Traceback …")
    past.turn()
    assert decided(Handling, past) == [completes("handled 1 (handled-1) failed: ValueError: no")]
    error = Handling.seen
    assert isinstance(error, TaskFailed)
    assert (error.type, error.task_id, error.attempt) == ("handled 1", "handled-1", 1)
    assert (error.reason, error.details) == ("ValueError: no", "Traceback …")


def test_a_time_out_names_its_type_and_the_details_of_the_last_heartbeat() -> None:
    past, scheduled = handling()
    past.timed_out(scheduled, "HEARTBEAT", details="half of it")
    past.turn()
    decided(Handling, past)
    assert isinstance(Handling.seen, TaskTimedOut)
    assert (Handling.seen.reason, Handling.seen.details) == ("HEARTBEAT", "half of it")


def test_a_canceled_activity_is_an_error_with_its_details() -> None:
    past, scheduled = handling()
    past.canceled(scheduled, details="was asked to")
    past.turn()
    decided(Handling, past)
    assert isinstance(Handling.seen, TaskCanceled)
    assert Handling.seen.details == "was asked to"


def test_an_activity_that_could_not_be_scheduled_is_an_error_with_the_cause() -> None:
    past = first_turn()
    past.decided()
    past.by_decision(
        "ScheduleActivityTaskFailed",
        activityId="handled-1",
        activityType={"name": "handled", "version": "1"},
        cause="ACTIVITY_TYPE_DOES_NOT_EXIST",
    )
    past.turn()
    decided(Handling, past)
    assert isinstance(Handling.seen, TaskNotScheduled)
    assert Handling.seen.reason == "ACTIVITY_TYPE_DOES_NOT_EXIST"


def test_a_result_that_cannot_be_read_is_an_error() -> None:
    past, scheduled = handling()
    past.done(scheduled, "small.jpg")
    past.turn()
    decided(Handling, past)
    assert isinstance(Handling.seen, TaskFailed)
    assert "the result of handled 1 is not JSON" in Handling.seen.reason


def test_a_handled_error_whose_result_is_never_read_changes_nothing() -> None:
    @workflow("ignoring", 1, "decisions")
    class Ignoring(Base):
        def run(self) -> int:
            self.handled()
            return 1

    past, scheduled = handling()
    past.failed(scheduled)
    past.turn()
    assert decided(Ignoring, past) == [completes(1)]


def test_returning_a_result_that_is_an_error_fails_the_execution_with_it() -> None:
    @workflow("passing_on", 1, "decisions")
    class PassingOn(Base):
        def run(self) -> Any:
            return [self.handled()]

    past, scheduled = handling()
    past.failed(scheduled)
    past.turn()
    assert failure(PassingOn, past)["reason"] == "handled 1 (handled-1) failed: it broke"


def test_a_call_whose_argument_fails_is_not_scheduled_and_fails_with_it() -> None:
    @workflow("depending", 1, "decisions")
    class Depending(Base):
        def run(self) -> Any:
            first = self.handled()
            return self.two(self.one(first))

    past, scheduled = handling()
    past.failed(scheduled, "ValueError: no", "Traceback of handled")
    past.turn()
    assert failure(Depending, past) == {
        "reason": "one 1 (one-2) was not scheduled, as one of its arguments failed: "
        "handled 1 (handled-1) failed: ValueError: no",
        "details": "Traceback of handled",
    }


def test_a_chain_of_calls_that_needs_a_failed_one_names_what_failed_first() -> None:
    seen: list[TaskError] = []

    @workflow("deep", 1, "decisions")
    class Deep(Base):
        def run(self) -> None:
            last: Result[Any] = self.handled()
            for _ in range(2_000):
                last = self.handled(last)
            try:
                last.result()
            except TaskError as error:
                seen.append(error)

    past, scheduled = handling()
    past.failed(scheduled)
    past.turn()
    assert decided(Deep, past) == [completes(None)]
    assert isinstance(seen[0], DependencyFailed)
    assert seen[0].reason == "handled 1 (handled-1) failed: it broke"
    assert isinstance(seen[0].__cause__, TaskFailed)


def test_a_value_that_cannot_be_sent_is_an_error_where_the_call_is_made() -> None:
    @workflow("unsendable", 1, "decisions")
    class Unsendable(Base):
        def run(self) -> Any:
            return self.two(self.one(), where=object())

    assert failure(Unsendable, first_turn())["reason"].startswith(
        "argument 'where' of two 1 cannot be sent as JSON:"
    )


def test_a_run_that_handles_the_error_of_an_unsendable_value_continues() -> None:
    @workflow("careful", 1, "decisions")
    class Careful(Base):
        def run(self) -> Any:
            try:
                self.two(object())
            except Exception:
                return self.one("instead")

    assert decided(Careful, first_turn()) == [schedules("one", "one-1", "instead")]


def test_an_input_that_grows_too_long_by_a_result_is_an_error_of_the_call() -> None:
    @workflow("growing", 1, "decisions")
    class Growing(Base):
        def run(self) -> Any:
            text = self.one()
            return self.two(text, text)

    past = first_turn()
    past.decided()
    past.done(past.scheduled("one-1", "one"), json.dumps("x" * 20_000))
    past.turn()
    reason = failure(Growing, past)["reason"]
    assert reason.startswith("two 1 (two-2) was not scheduled: the input of two 1 takes 40,014")


def test_a_result_that_cannot_be_sent_fails_the_execution() -> None:
    @workflow("unsendable", 1, "decisions")
    class Unsendable(Workflow):
        def run(self) -> Any:
            return object()

    reason = failure(Unsendable, first_turn())["reason"]
    assert reason.startswith("the result of unsendable 1 cannot be sent as JSON")


def test_a_result_of_another_execution_cannot_be_passed() -> None:
    kept: list[Any] = []

    @workflow("leaking", 1, "decisions")
    class Leaking(Base):
        def run(self) -> Any:
            kept.append(self.one())
            return self.two(kept[0])

    decided(Leaking, first_turn())
    assert "a result of another execution" in failure(Leaking, first_turn())["reason"]


# Retries


@workflow("trying", 1, "decisions")
class Trying(Base):
    def run(self) -> Any:
        return self.tried("x").result()


def test_an_attempt_that_failed_is_followed_by_the_next_until_one_succeeds() -> None:
    past = first_turn()
    past.decided()
    past.failed(past.scheduled("tried-1", "tried", '[["x"], {}]'))
    past.turn()
    assert decided(Trying, past) == [schedules("tried", "tried-1.2", "x")]
    past.decided()
    past.timed_out(past.scheduled("tried-1.2", "tried", '[["x"], {}]'), "HEARTBEAT")
    past.turn()
    assert decided(Trying, past) == [schedules("tried", "tried-1.3", "x")]
    past.decided()
    past.done(past.scheduled("tried-1.3", "tried", '[["x"], {}]'), "5")
    past.turn()
    assert decided(Trying, past) == [completes(5)]


def test_the_error_of_the_last_attempt_is_the_error_of_the_call() -> None:
    past = first_turn()
    for attempt in ("tried-1", "tried-1.2", "tried-1.3"):
        past.decided()
        past.failed(past.scheduled(attempt, "tried", '[["x"], {}]'), reason=f"in {attempt}")
        past.turn()
    assert failure(Trying, past)["reason"] == "tried 1 (tried-1.3) failed: in tried-1.3"


def test_an_activity_that_was_not_scheduled_is_not_tried_again() -> None:
    past = first_turn()
    past.decided()
    past.by_decision(
        "ScheduleActivityTaskFailed",
        activityId="tried-1",
        activityType={"name": "tried", "version": "1"},
        cause="ACTIVITY_TYPE_DEPRECATED",
    )
    past.turn()
    expected = "tried 1 (tried-1) was not scheduled: ACTIVITY_TYPE_DEPRECATED"
    assert failure(Trying, past)["reason"] == expected


@workflow("later", 1, "decisions")
class TryingLater(Base):
    def run(self) -> Any:
        return self.tried_later().result()


def test_a_retry_with_a_delay_waits_by_a_timer() -> None:
    past = first_turn()
    past.decided()
    past.failed(past.scheduled("tried-1", "tried"))
    past.turn()
    assert decided(TryingLater, past) == [
        {
            "decisionType": "StartTimer",
            "startTimerDecisionAttributes": {
                "timerId": "tried-1.2-delay",
                "startToFireTimeout": "10",
            },
        }
    ]
    past.decided()
    timer = past.by_decision("TimerStarted", timerId="tried-1.2-delay", startToFireTimeout="10")
    past.turn()
    assert decided(TryingLater, past) == []
    past.decided()
    past.add("TimerFired", startedEventId=timer, timerId="tried-1.2-delay")
    past.turn()
    assert decided(TryingLater, past) == [schedules("tried", "tried-1.2")]


def delay_refused(cause: str) -> Past:
    past = first_turn()
    past.decided()
    past.failed(past.scheduled("tried-1", "tried"))
    past.turn()
    past.decided()
    past.by_decision("StartTimerFailed", timerId="tried-1.2-delay", cause=cause)
    past.turn()
    return past


def test_a_timer_that_could_not_be_started_is_an_error_of_the_call() -> None:
    past = delay_refused("OPERATION_NOT_PERMITTED")
    expected = "tried 1 (tried-1.2) was not scheduled: OPERATION_NOT_PERMITTED"
    assert failure(TryingLater, past)["reason"] == expected


@pytest.mark.parametrize("cause", ["OPEN_TIMERS_LIMIT_EXCEEDED", "TIMER_CREATION_RATE_EXCEEDED"])
def test_a_timer_that_exceeded_a_rate_is_started_again(cause: str) -> None:
    (again,) = decided(TryingLater, delay_refused(cause))
    assert again["startTimerDecisionAttributes"] == {
        "timerId": "tried-1.2-delay",
        "startToFireTimeout": "10",
    }


# Closing


def refused_close(cause: str) -> Past:
    past = first_turn()
    past.decided()
    past.done(past.scheduled("one-1", "one", '[["a"], {}]'))
    past.turn()
    past.decided()
    past.done(past.scheduled("two-2", "two", '[[], {"b": 2}]'))
    past.turn()
    past.add("WorkflowExecutionSignaled", signalName="now", externalInitiatedEventId=0)
    past.decision_scheduled()
    past.decided()
    past.by_decision("CompleteWorkflowExecutionFailed", cause=cause)
    past.decision_started()
    return past


def test_closing_is_repeated_if_new_events_prevented_it() -> None:
    assert decided(Pair, refused_close("UNHANDLED_DECISION")) == [completes([None, None])]


def test_a_decision_task_is_not_answered_if_the_execution_cannot_be_closed() -> None:
    with pytest.raises(DecisionRefusedError, match="OPERATION_NOT_PERMITTED"):
        decided(Pair, refused_close("OPERATION_NOT_PERMITTED"))


def test_failing_is_repeated_if_new_events_prevented_it() -> None:
    past, one, two = diamond()
    past.failed(one)
    past.turn()
    past.done(two)
    past.decision_scheduled()
    past.decided()
    past.by_decision("FailWorkflowExecutionFailed", cause="UNHANDLED_DECISION")
    past.decision_started()
    assert failure(Diamond, past)["reason"] == "one 1 (one-1) failed: it broke"


def test_nothing_is_scheduled_together_with_a_failure() -> None:
    past, one, two = diamond()
    past.done(two, "2")
    past.turn()
    past.decided()
    past.failed(one)
    past.turn()
    assert [d["decisionType"] for d in decided(Diamond, past)] == ["FailWorkflowExecution"]


# Code that gets in the way


def test_code_that_swallows_what_leaves_run_decides_nothing_more() -> None:
    @workflow("swallowing", 1, "decisions")
    class Swallowing(Base):
        def run(self) -> Any:
            with suppress(BaseException):
                self.one().result()
            try:
                self.two()
            finally:
                return "too early"  # noqa: B012

    assert decided(Swallowing, first_turn()) == [schedules("one", "one-1")]


def test_a_finally_that_calls_proxies_while_run_is_left_decides_nothing_more() -> None:
    @workflow("tidy", 1, "decisions")
    class Tidy(Base):
        def run(self) -> Any:
            try:
                return self.one().result()
            finally:
                self.two()

    assert decided(Tidy, first_turn()) == [schedules("one", "one-1")]


def test_code_that_handles_every_exception_does_not_hide_a_difference() -> None:
    @workflow("hiding", 1, "decisions")
    class Hiding(Base):
        def run(self) -> Any:
            try:
                return self.two().result()
            except Exception:
                return "fine"

    past = first_turn()
    past.decided()
    past.done(past.scheduled("one-1", "one"))
    past.turn()
    with pytest.raises(NonDeterminismError):
        decided(Hiding, past)


def test_leaving_the_process_fails_the_execution_rather_than_the_worker() -> None:
    @workflow("leaving", 1, "decisions")
    class Leaving(Base):
        def run(self) -> None:
            sys.exit("enough")

    assert failure(Leaving, first_turn())["reason"] == "SystemExit: enough"


def test_a_canceled_coroutine_fails_the_execution_rather_than_the_worker() -> None:
    @workflow("resting", 1, "decisions")
    class Resting(Base):
        def run(self) -> None:
            raise asyncio.CancelledError("enough")

    assert failure(Resting, first_turn())["reason"] == "CancelledError: enough"


# What is not a history


def test_there_must_be_a_decision_to_make() -> None:
    past = first_turn()
    past.decided()
    past.scheduled("one-1", "one", '[["a"], {}]')
    with pytest.raises(HistoryError, match="nothing to decide"):
        decided(Pair, past)


@pytest.mark.parametrize("events", [[], Past().events[1:]])
def test_a_history_begins_with_its_start(events: list[Any]) -> None:
    with pytest.raises(HistoryError, match="begins with WorkflowExecutionStarted"):
        decide(Pair, events)

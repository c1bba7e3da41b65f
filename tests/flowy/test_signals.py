"""Signals: taken in the order in which they arrive, and sent to other executions."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

import flowy
from flowy import (
    NotDelivered,
    Retry,
    SerializationError,
)
from flowy._decider.decider import decide
from flowy._decider.history import attributes_of
from flowy_sim import Simulation
from tests.support.history_builder import Past
from tests.support.replayed_runs import at_the_worst_moment, child, made, play, seen, signals

# Waiting


@pytest.mark.parametrize("seconds", [0, 5, 60])
def test_a_signal_is_taken_whether_it_came_before_or_after_the_wait(seconds: int) -> None:
    def script(self: Any) -> Any:
        self.sleep(10)
        return self.signal("name").result()

    assert play(script, meanwhile={seconds: signals("name", {"a": [1]})}).result == {"a": [1]}


def test_signals_of_one_name_are_taken_in_their_order_one_by_each_wait() -> None:
    def script(self: Any) -> Any:
        return [self.signal("name").result() for _ in range(4)]

    come = {0: signals("name", 1), 5: signals("name", 2, 3), 9: signals("name", 4)}
    assert play(script, meanwhile=come).result == [1, 2, 3, 4]


def test_signals_of_other_names_are_kept_meanwhile() -> None:
    def script(self: Any) -> Any:
        return [self.signal(name).result() for name in ("b", "a", "b")]

    assert play(script, meanwhile={1: signals("a", 1), 2: signals("b", 2, 3)}).result == [2, 1, 3]


def test_a_wait_that_was_given_up_for_something_else_takes_none() -> None:
    def script(self: Any) -> Any:
        wait, deadline = self.signal("name"), self.timer(5)
        assert flowy.first(wait, deadline) is deadline
        return [self.signal("name").result(), wait.done]

    assert play(script, meanwhile={7: signals("name", 1)}).result == [1, False]


def test_of_two_waits_at_once_the_one_listed_first_takes_the_first_signal() -> None:
    def script(self: Any) -> Any:
        one, other = self.signal("name"), self.signal("name")
        return flowy.gather(one, other)

    assert play(script, meanwhile={5: signals("name", 1, 2)}).result == [1, 2]


def test_a_signal_may_be_an_argument_that_comes_later() -> None:
    def script(self: Any) -> Any:
        return self.one(self.signal("name", int), [self.signal("other")][0], 4)

    come = {5: signals("other", 2), 9: signals("name", 1)}
    assert play(script, meanwhile=come).result == 7


def test_a_signal_may_be_what_run_returns() -> None:
    run = play(lambda self: {"got": self.signal("name")}, meanwhile={5: signals("name", 1)})
    assert run.result == {"got": 1}


def test_done_reports_whether_a_signal_has_arrived() -> None:
    def script(self: Any) -> Any:
        wait = self.signal("name")
        before = wait.done
        self.sleep(10)
        return [before, wait.done, wait.error, wait.result()]

    assert play(script, meanwhile={5: signals("name", 1)}).result == [False, True, None, 1]


@pytest.mark.parametrize("sent", [{}, {"input": ""}])
def test_a_signal_that_carries_nothing_is_none(sent: dict[str, str]) -> None:
    def send(client: Any, execution: Any) -> None:
        client.signal_workflow_execution(
            domain="simulated", workflowId=execution.workflow_id, signalName="name", **sent
        )

    run = play(lambda self: [self.signal("name").result()], meanwhile={5: send})
    assert run.result == [None]


def test_what_a_signal_carries_is_read_by_its_type_hint() -> None:
    def script(self: Any) -> Any:
        return self.signal("due", date).result().isoformat()

    assert play(script, meanwhile={5: signals("due", "2024-02-29")}).result == "2024-02-29"


@pytest.mark.parametrize("text", ["not JSON", '"no date"'])
def test_a_signal_that_cannot_be_read_is_an_error_of_the_wait_and_fails_nothing_else(
    text: str,
) -> None:
    def send(client: Any, execution: Any) -> None:
        client.signal_workflow_execution(
            domain="simulated",
            workflowId=execution.workflow_id,
            signalName="name",
            input=text,
        )

    def script(self: Any) -> Any:
        with pytest.raises(SerializationError, match=r"the signal 'name' (is|does) not"):
            self.signal("name", date).result()
        return self.signal("name", date).result()

    run = play(script, meanwhile={5: send, 6: signals("name", "2024-02-29")})
    assert run.result == "2024-02-29"


# Sending


def test_an_execution_can_signal_itself() -> None:
    def script(self: Any) -> Any:
        sent = self.send_signal(self.workflow_id, "name", {"a": 1})
        return [sent.result(), self.signal("name").result()]

    assert play(script).result == [None, {"a": 1}]


def test_a_signal_is_sent_when_the_results_that_it_carries_are_there() -> None:
    def script(self: Any) -> Any:
        self.send_signal(self.workflow_id, "name", [self.two(), self.one(5)])
        return self.signal("name").result()

    run = play(script)
    assert (run.result, run.simulated_seconds) == ([2, 5], pytest.approx(10, abs=1))


def test_a_signal_is_delivered_before_the_execution_that_sent_it_ends() -> None:
    def script(self: Any) -> None:
        self.send_signal(self.workflow_id, "name")

    run = play(script)
    assert run.status == "COMPLETED"
    assert seen(run, "ExternalWorkflowExecutionSignaled")


def test_a_signal_to_an_unknown_execution_is_an_error() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(NotDelivered) as caught:
            self.send_signal("nobody", "name", error_handling=True).result()
        return [str(caught.value), caught.value.reason]

    assert play(script).result == [
        "the signal 'name' (nobody) was not delivered: UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
        "UNKNOWN_EXTERNAL_WORKFLOW_EXECUTION",
    ]


def test_a_signal_to_an_unknown_execution_fails_the_sender_if_unhandled() -> None:
    run = play(lambda self: self.send_signal("nobody", "name"))
    assert run.status == "FAILED"
    assert run.reason.startswith("the signal 'name' (nobody) was not delivered")


def test_a_request_to_cancel_an_unknown_execution_is_an_error() -> None:
    def script(self: Any) -> Any:
        asked = self.request_cancel("nobody", error_handling=True)
        flowy.wait(asked)
        return str(asked.error)

    assert play(script).result.startswith("the request to cancel (nobody) was not delivered")


def test_a_request_to_cancel_reaches_another_execution() -> None:
    def script(self: Any) -> Any:
        each = self.child.options(error_handling=True)()
        self.sleep(5)
        self.request_cancel(each.workflow_id).result()
        flowy.wait(each)
        return str(each.error)

    run = play(script, child=child(lambda self: self.sleep(1_000)))
    assert run.result.endswith("was canceled")


def test_a_signal_goes_to_the_run_that_is_named() -> None:
    def script(self: Any) -> Any:
        self.send_signal(self.workflow_id, "name", 1, run_id=self.run_id).result()
        wrong = self.send_signal(self.workflow_id, "name", 2, run_id="another", error_handling=True)
        flowy.wait(wrong)
        return [self.signal("name").result(), isinstance(wrong.error, NotDelivered)]

    run = play(script)
    assert run.result == [1, True]
    assert seen(run, "SignalExternalWorkflowExecutionInitiated")[1]["runId"] == "another"


def test_a_value_that_cannot_be_sent_is_an_error_where_it_is_sent() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(SerializationError, match="the signal 'name' cannot be sent as JSON"):
            self.send_signal(self.workflow_id, "name", object())
        return "caught"

    assert play(script).result == "caught"


# Children


def test_a_child_gets_a_signal_sent_before_it_has_started() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        each.signal("go", self.one(5))
        each.signal("go", 6)
        return each

    waiting = child(lambda self: [self.signal("go", int).result() for _ in range(2)])
    assert sorted(play(script, child=waiting).result) == [5, 6]


def test_a_signal_to_a_child_that_has_ended_is_not_delivered() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        each.result()
        with pytest.raises(NotDelivered):
            each.signal("go", error_handling=True).result()
        return "ended"

    assert play(script, child=child(lambda self: 1)).result == "ended"


def test_a_signal_to_a_child_that_never_starts_is_not_delivered() -> None:
    def script(self: Any) -> Any:
        each = self.child()
        sent = each.signal("go", error_handling=True)
        flowy.wait(each, sent)
        later = each.signal("go", error_handling=True)
        return [type(each.error).__name__, type(sent.error).__name__, type(later.error).__name__]

    never = child(lambda self: 1, workflow_id="scripted-1", error_handling=True)
    run = play(script, child=never)
    assert run.result == ["TaskNotScheduled", "NotDelivered", "NotDelivered"]


def test_a_signal_to_a_child_between_two_attempts_reaches_the_next() -> None:
    def script(self: Any) -> Any:
        each = self.child(1)
        self.sleep(60)
        each.signal("go", "on")
        return [each.result(), each.workflow_id.endswith("child-1.2")]

    def flaky(self: Any, number: int) -> Any:
        if not self.workflow_id.endswith(".2"):
            raise ValueError("again")
        return self.signal("go").result()

    run = play(script, child=child(flaky, retry=Retry(2, delay=100)))
    assert run.result == ["on", True]


# None lost


def test_signals_that_were_not_taken_are_there_in_the_next_run() -> None:
    def script(self: Any, run: int = 0) -> Any:
        if run < 2:
            self.sleep(10)
            self.restart(run + 1)
        return [self.signal("b").result(), *(self.signal("a").result() for _ in range(3))]

    come = {5: signals("a", 1), 15: signals("a", 2), 17: signals("b"), 30: signals("a", 3)}
    run = play(script, meanwhile=come)
    assert run.result == [None, 1, 2, 3]
    assert len(run.earlier) == 2


def test_a_signal_that_comes_while_a_run_restarts_is_there_in_the_next() -> None:
    simulation = Simulation()

    def script(self: Any, run: int = 0) -> Any:
        if run == 0:
            at_the_worst_moment(self, lambda: signals("name", "late")(simulation.client(), self))
            self.restart(1)
        return self.signal("name").result()

    run = play(script, simulation=simulation, meanwhile={0: signals("name", "early")})
    assert run.result == "early"
    assert seen(run.earlier[0], "ContinueAsNewWorkflowExecutionFailed")
    unhandled = attributes_of(run.history[0])["input"]
    assert unhandled == '[[1], {}, [["name", "\\"early\\""], ["name", "\\"late\\""]]]'


def test_signals_that_are_too_long_to_be_handed_on_fail_the_execution_with_a_sentence() -> None:
    def script(self: Any, run: int = 0) -> Any:
        self.sleep(10)
        self.restart()

    run = play(script, meanwhile={5: signals("name", "x" * 20_000, "y" * 20_000)})
    assert run.status == "FAILED"
    assert run.reason.startswith(
        "the input of scripted 1 takes 40,046 characters as JSON, the signals not taken"
    )


def test_a_signal_that_makes_a_restart_too_long_at_the_last_moment_fails_the_execution() -> None:
    simulation = Simulation()
    long = signals("name", "x" * 20_000, "y" * 20_000)

    def script(self: Any) -> Any:
        at_the_worst_moment(self, lambda: long(simulation.client(), self))
        self.restart()

    run = play(script, simulation=simulation)
    assert run.status == "FAILED"
    assert "the signals not taken" in run.reason


@pytest.mark.parametrize("signal_first", [True, False])
def test_of_a_signal_and_a_timer_that_are_news_together_the_earlier_is_first(
    signal_first: bool,
) -> None:
    def script(self: Any) -> str:
        signal, timer = self.signal("approved"), self.timer(5)
        return "signal" if flowy.first(timer, signal) is signal else "timer"

    past = Past()
    past.decision_started()
    past.decided()
    started = past.by_decision("TimerStarted", timerId="timer-1", startToFireTimeout="5")
    came = [
        ("WorkflowExecutionSignaled", {"signalName": "approved"}),
        ("TimerFired", {"timerId": "timer-1", "startedEventId": started}),
    ]
    for event_type, told in came if signal_first else reversed(came):
        past.add(event_type, **told)
    past.turn()
    (decision,) = decide(made(script), past.events)
    assert decision.attributes["result"] == ('"signal"' if signal_first else '"timer"')

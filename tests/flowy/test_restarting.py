"""Executions that continue in a new run, and histories that grow long."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flowy import SerializationError, TaskError, Workflow, workflow
from flowy._decider.history import attributes_of
from flowy._payloads.text import HISTORY_LIMIT
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs
from tests.support.replayed_runs import play, seen, signals

SETTINGS: dict[str, Any] = {
    "execution_start_to_close": 5_000,
    "task_start_to_close": 77,
    "child_policy": "ABANDON",
    "tags": ["one", "two"],
    "priority": 7,
    "lambda_role": "arn:aws:iam::123456789012:role/x",
}


def test_a_new_run_gets_its_arguments_and_begins_with_an_empty_history() -> None:
    def script(self: Any, number: int = 0) -> Any:
        if number < 3:
            self.restart(self.one(number, 1))
        return [number, self.history_length]

    run = play(script)
    assert run.result == [3, 3]
    assert [each.status for each in run.earlier] == ["CONTINUED_AS_NEW"] * 3


def test_a_new_run_keeps_the_settings_of_the_one_before() -> None:
    def script(self: Any, number: int = 0) -> None:
        if number < 2:
            self.restart(number + 1)

    run = play(script, started=SETTINGS)
    first, last = (attributes_of(each.history[0]) for each in (run.earlier[0], run))
    for name in (
        "executionStartToCloseTimeout",
        "taskStartToCloseTimeout",
        "childPolicy",
        "tagList",
        "taskPriority",
        "lambdaRole",
        "taskList",
    ):
        assert last[name] == first[name], name
    assert last["tagList"] == ["one", "two"]


def test_a_block_around_a_restart_chooses_other_settings() -> None:
    def script(self: Any, number: int = 0) -> None:
        if number == 0:
            with (
                self.options(tags=["three"], heartbeat=5),
                self.options(execution_start_to_close=60, retry=3),
            ):
                self.restart(1)

    last = attributes_of(play(script, started=SETTINGS).history[0])
    assert last["tagList"] == ["three"]
    assert last["executionStartToCloseTimeout"] == "60"
    assert last["taskStartToCloseTimeout"] == "77"


def test_what_is_open_is_awaited_before_a_restart() -> None:
    def script(self: Any, number: int = 0) -> None:
        self.two()
        if number == 0:
            self.restart(1)

    run = play(script)
    assert [len(seen(each, "ActivityTaskCompleted")) for each in (*run.earlier, run)] == [1, 1]


def test_timers_do_not_hold_up_a_restart() -> None:
    def script(self: Any, number: int = 0) -> None:
        self.timer(1_000)
        self.sleep(1)
        if number == 0:
            self.restart(1)

    assert play(script).simulated_seconds == 2


def test_an_error_among_the_arguments_is_raised_where_the_workflow_restarts() -> None:
    def script(self: Any, number: int = 0) -> Any:
        with pytest.raises(TaskError) as caught:
            self.restart([self.handled()])
        return str(caught.value)

    def failing(stubs: Stubs) -> None:
        stubs("one", 1, error=ValueError("no"))

    assert play(script, stubs=failing).result == "one 1 (one-1) failed: ValueError: no"


def test_arguments_that_cannot_be_sent_are_an_error_where_the_workflow_restarts() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(SerializationError, match="argument 1 of scripted 1 cannot be sent"):
            self.restart(object())
        return "caught"

    assert play(script).result == "caught"


def test_what_comes_after_a_restart_in_finally_is_done_before_the_new_run() -> None:
    def script(self: Any, number: int = 0) -> Any:
        try:
            if number == 0:
                self.restart(1)
        finally:
            self.two()

    run = play(script)
    assert [len(seen(each, "ActivityTaskCompleted")) for each in (*run.earlier, run)] == [1, 1]


@workflow("keywords", 1, "decisions")
class Keywords(Workflow):
    def run(self, number: int = 0) -> int:
        if number == 0:
            self.restart(number=1)
        return number


def test_a_restart_by_keyword() -> None:
    assert Runner(Simulation()).run(Keywords).result == 1


def test_the_length_of_the_history_is_that_up_to_the_decision() -> None:
    def script(self: Any) -> Any:
        lengths = [self.history_length]
        for _ in range(2):
            self.sleep(1)
            lengths.append(self.history_length)
        return [lengths, self.history_is_long]

    assert play(script).result == [[3, 8, 13], False]


def test_a_history_that_grows_long_is_warned_of_once_and_may_restart_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowy._decider.turns.LONG_HISTORY", 50)
    monkeypatch.setattr("flowy.context.LONG_HISTORY", 50)
    caplog.set_level(logging.WARNING, logger="flowy.workflow")

    def script(self: Any, left: int = 30) -> Any:
        while left:
            left = self.one(left, -1).result()
            if self.history_is_long and left:
                self.restart(left)
        return "done"

    run = play(script)
    assert run.result == "done"
    assert len(run.earlier) == 3
    assert (
        f"its history has 51 events, and Amazon SWF terminates it at {HISTORY_LIMIT}"
        in (caplog.messages[0])
    )


def test_signals_handed_on_over_many_runs_keep_their_order() -> None:
    def script(self: Any, number: int = 0) -> Any:
        if number < 4:
            self.sleep(10)
            self.restart(number + 1)
        return [self.signal("a").result() for _ in range(4)]

    come = {5: signals("a", 1), 15: signals("a", 2), 25: signals("a", 3), 35: signals("a", 4)}
    assert play(script, meanwhile=come).result == [1, 2, 3, 4]

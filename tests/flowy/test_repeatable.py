"""What is the same at each replay: time, randomness, side effects, and patched code."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from typing import Any

import pytest

from flowy import (
    ConfigurationError,
    NonDeterminismError,
    TaskFailed,
    WorkflowWorker,
    replay,
    start,
)
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs
from tests.support.replayed_runs import made, play, seen
from tests.support.worker_loops import DOMAIN

# Time


def test_now_is_when_the_decision_was_begun_and_stands_still_in_it() -> None:
    def script(self: Any) -> Any:
        before = self.now()
        assert self.now() == before
        self.sleep(3_600)
        return [str(before), (self.now() - before).total_seconds()]

    assert play(script).result == ["2024-01-01 00:00:00+00:00", 3_600.0]


def test_a_timer_may_be_given_as_a_timedelta() -> None:
    run = play(lambda self: self.sleep(timedelta(hours=1, seconds=1)))
    assert run.simulated_seconds == 3_601


@pytest.mark.parametrize("seconds", [1.5, -1, 100_000_000, "5", None, True])
def test_invalid_seconds_are_refused(seconds: Any) -> None:
    def script(self: Any) -> str:
        with pytest.raises(ConfigurationError, match="the time of a timer must be whole seconds"):
            self.sleep(seconds)
        return "refused"

    assert play(script).result == "refused"


def test_a_part_of_a_second_counts_as_one_and_less_than_nothing_as_none() -> None:
    def script(self: Any) -> str:
        begun = self.now()
        self.sleep(timedelta(milliseconds=500))
        self.sleep(begun - self.now())
        return str(round((self.now() - begun).total_seconds()))

    assert play(script).result == "1"


def test_a_timer_of_no_seconds_and_the_longest_there_is() -> None:
    def script(self: Any) -> str:
        self.sleep(0)
        self.timer(99_999_999)
        return "done"

    assert play(script).result == "done"


def test_timers_do_not_hold_up_the_end() -> None:
    def script(self: Any) -> str:
        self.timer(1_000)
        self.two().result()
        return "done"

    assert play(script).simulated_seconds == 10


# Randomness


def test_random_numbers_are_the_executions_own() -> None:
    def script(self: Any) -> Any:
        before = [self.random.random(), str(self.uuid())]
        self.sleep(1)
        return [*before, self.random.random(), str(self.uuid())]

    runner = Runner(Simulation())
    cls = made(script)
    first, second = runner.run(cls), runner.run(cls)
    assert len({*first.result, *second.result}) == 8
    assert [marker["markerName"] for marker in seen(first, "MarkerRecorded")] == ["random"]
    replay.replay(cls, first.history)  # the marker contains the seed


def test_a_uuid_is_valid() -> None:
    run = play(lambda self: [self.uuid().version, self.uuid().variant])
    assert run.result == [4, "specified in RFC 4122"]


# What is outside


def test_a_side_effect_happens_once() -> None:
    calls: list[int] = []

    def look() -> dict[str, Any]:
        calls.append(1)
        return {"rate": [1, 2]}

    def script(self: Any) -> Any:
        read = self.side_effect(look)
        self.sleep(1)
        return [read, self.side_effect(lambda: os.getpid())]

    runner = Runner(Simulation())
    run = runner.run(made(script))
    assert run.result == [{"rate": [1, 2]}, os.getpid()]
    assert len(calls) == 1
    replay.replay(made(script), run.history)
    assert len(calls) == 1


def test_a_side_effect_may_read_a_clock_and_a_file() -> None:
    def script(self: Any) -> Any:
        return [self.side_effect(time.time) > 0, self.side_effect(lambda: len(__doc__ or ""))]

    assert play(script).result == [True, len(__doc__ or "")]


def test_a_side_effect_that_fails_fails_in_the_same_way_at_each_replay() -> None:
    def broken() -> None:
        raise OSError("disk full")

    def script(self: Any) -> Any:
        with pytest.raises(TaskFailed) as caught:
            self.side_effect(broken)
        self.sleep(1)
        return [str(caught.value), caught.value.reason]

    assert play(script).result == [
        "a side effect (side effect 1) failed: OSError: disk full",
        "OSError: disk full",
    ]


def test_what_a_side_effect_returns_must_be_what_can_be_sent() -> None:
    def script(self: Any) -> Any:
        with pytest.raises(TaskFailed) as caught:
            self.side_effect(object)
        return str(caught.value)

    assert "side effect 1 cannot be sent as JSON" in play(script).result


def test_a_side_effect_is_read_by_the_type_hint_of_its_function() -> None:
    def today() -> date:
        return date(2024, 2, 29)

    def script(self: Any) -> Any:
        return [self.side_effect(today).year, (self.sleep(1), self.side_effect(today).year)[1]]

    assert play(script).result == [2024, 2024]


def test_nothing_happens_while_run_is_left() -> None:
    calls: list[int] = []

    def script(self: Any) -> None:
        try:
            self.sleep(1)
        finally:
            self.side_effect(lambda: calls.append(1))

    simulation = Simulation()
    client = simulation.client(poll_seconds=1)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    cls = made(script)
    worker = WorkflowWorker(client, DOMAIN, "decisions", [cls], suspended=0)
    worker.register()
    start(client, DOMAIN, cls)
    assert worker.run_once()
    assert not calls
    while not worker.run_once():
        pass
    assert len(calls) == 1


# Markers


def test_a_marker_is_written_for_people() -> None:
    def script(self: Any) -> None:
        self.marker("stage", "two")
        self.marker("stage")

    markers = seen(play(script), "MarkerRecorded")
    assert [marker.get("details") for marker in markers] == ["two", None]


def test_a_marker_may_have_the_name_of_those_that_flowy_writes() -> None:
    def script(self: Any) -> Any:
        self.marker("random", "x")
        self.marker("side effect 1", "x")
        self.marker("patched: new", "x")
        drawn = self.random.random()
        value = self.side_effect(lambda: 5)
        self.sleep(1)
        return [value, self.patched("new"), drawn == self.random.random()]

    assert play(script).result == [5, True, False]


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("", None),
        ("x" * 257, None),
        ("😀" * 129, None),
        ("x", "y" * 32_769),
    ],
)
def test_an_invalid_marker_is_refused(name: str, details: str | None) -> None:
    def script(self: Any) -> str:
        with pytest.raises(ConfigurationError, match="must be text of 1 to"):
            self.marker(name, details)
        return "refused"

    assert play(script).result == "refused"


# Code that changes


def old(self: Any) -> Any:
    first = self.one(1).result()
    self.sleep(100)
    return [first, self.one(2).result()]


def new(self: Any) -> Any:
    first = self.two().result() if self.patched("early") else self.one(1).result()
    self.sleep(100)
    later = self.two() if self.patched("late") else self.one(2)
    return [first, later.result()]


def lives_through(before: Any, after: Any) -> tuple[Any, Any]:
    """The result of an execution whose code is changed while it sleeps, and its markers."""
    simulation = Simulation()
    stubs = Stubs()
    stubs("one", 1, function=lambda number: number)
    stubs("two", 1, result="new")
    runner = Runner(simulation, stubs=stubs)
    was, now = made(before), made(after)
    execution = runner.start(was)

    def deploy() -> None:
        was.run = now.run  # type: ignore[method-assign]
        runner.scheduler.worker_pools.suspended.clear()

    runner.after(50, deploy)
    run = runner.finish(execution)
    replay.replay(now, run.history, execution=execution)
    return run.result, [marker["markerName"] for marker in seen(run, "MarkerRecorded")]


def test_a_running_execution_keeps_to_what_it_has_passed_and_takes_up_what_is_to_come() -> None:
    assert lives_through(old, new) == ([1, "new"], ["patched: late"])


def test_a_new_execution_does_all_that_is_new() -> None:
    assert lives_through(new, new) == (["new", "new"], ["patched: early", "patched: late"])


def test_a_patch_is_used_or_not_for_a_whole_execution() -> None:
    def looped(self: Any) -> Any:
        return [self.sleep(30) or "old" for _ in range(4)]

    def patched(self: Any) -> Any:
        return [self.sleep(30) or self.patched("x") for _ in range(4)]

    def first_patched(self: Any) -> Any:
        held = [self.sleep(30) or self.patched("x") for _ in range(2)]
        return [*held, self.patched("x"), self.patched("y")]

    assert lives_through(looped, patched)[0] == [False] * 4
    assert lives_through(patched, patched)[0] == [True] * 4
    assert lives_through(first_patched, first_patched)[1] == ["patched: x", "patched: y"]


def test_taking_new_code_back_is_found_where_an_execution_has_passed_the_patch() -> None:
    with pytest.raises(NonDeterminismError):
        lives_through(new, old)


def test_a_patch_must_have_a_name() -> None:
    def script(self: Any) -> str:
        for name in ("", "x" * 201):
            with pytest.raises(ConfigurationError, match="the name of a patch must be text of 1"):
                self.patched(name)
        return "refused"

    assert play(script).result == "refused"


def test_code_can_tell_whether_it_is_replayed() -> None:
    told: list[bool] = []

    def script(self: Any) -> None:
        told.append(self.replaying)
        self.sleep(1)
        told.append(self.replaying)

    runner = Runner(Simulation())
    run = runner.run(made(script))
    assert told[-1] is False
    told.clear()
    replay.replay(made(script), run.history)
    assert told == [True, True]

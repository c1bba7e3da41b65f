"""Deciders keep the service's limits on their own, and learn and wait out lower ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    Retry,
    TaskCanceled,
    WorkflowWorker,
    activity,
    replay,
    start,
)
from flowy.executions import history
from flowy_sim import Simulation
from flowy_sim._engine.limits import Limits
from flowy_sim.testing import Stubs
from tests.support.replayed_runs import child, made, play, seen
from tests.support.worker_loops import DOMAIN


class Measuring:
    """A client that measures the answers to decision tasks."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.longest = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def respond_decision_task_completed(self, **answer: Any) -> Any:
        self.longest = max(self.longest, len(json.dumps(answer)))
        return self._client.respond_decision_task_completed(**answer)


@activity("one", 1, "numbers")
class One(Activity):
    def run(self, value: Any) -> Any:
        return value


def carried_out(cls: Any, *others: Any, limits: Limits | None = None) -> tuple[Any, Measuring]:
    """The result of an execution with many calls at once."""
    simulation = Simulation(limits=limits)
    client = Measuring(simulation.client(poll_seconds=1))
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    decider = WorkflowWorker(client, DOMAIN, "decisions", [cls, *others], suspended=2_000)
    actor = ActivityWorker(client, DOMAIN, "numbers", [One])
    for worker in (decider, actor):
        worker.register()
    execution = start(client, DOMAIN, cls)
    while simulation.engine().executions[execution.run_id].is_open:
        decider.run_once()
        while actor.run_once():
            pass
    ended = flowy.outcome(client, DOMAIN, execution)
    assert ended is not None
    assert ended.status == "COMPLETED", ended
    replay.replay(cls, history(client, DOMAIN, execution), execution=execution)
    return ended.result, client


def test_activities_beyond_the_limit_wait() -> None:
    cls = made(lambda self: sum(flowy.gather(*[self.one(n) for n in range(2_500)])))
    assert carried_out(cls)[0] == sum(range(2_500))


def test_timers_beyond_the_limit_wait() -> None:
    cls = made(lambda self: len(flowy.gather(*[self.timer(5) for _ in range(1_500)])))
    assert carried_out(cls)[0] == 1_500


def test_children_beyond_the_limit_wait() -> None:
    proxy = child(lambda self, number: number)
    cls = made(lambda self: sum(flowy.gather(*[self.child(n) for n in range(1_100)])), child=proxy)
    assert carried_out(cls, proxy.workflow)[0] == sum(range(1_100))


def test_timers_that_are_canceled_make_room_for_others_at_once() -> None:
    def script(self: Any) -> Any:
        timers = [self.timer(86_400) for _ in range(990)]
        last = self.timer(5)
        for timer in timers:
            timer.cancel()
        last.result()
        return (self.now().day, self.now().second)

    assert carried_out(made(script))[0] == [1, 5]


def test_answers_stay_under_the_size_that_a_request_may_have() -> None:
    text = "x" * 30_000

    def script(self: Any) -> Any:
        return len(flowy.gather(*[self.handled(text) for _ in range(60)]))

    answer = ActivityProxy("one", 1)
    result, client = carried_out(made(script, handled=answer))
    assert result == 60
    assert 500_000 < client.longest < 2**20


def test_markers_count_for_the_size_of_an_answer_too() -> None:
    def script(self: Any) -> Any:
        for _ in range(60):
            self.marker("long", "x" * 32_768)
        values = [self.side_effect(lambda: "y" * 32_000) for _ in range(60)]
        return len(set(values))

    result, client = carried_out(made(script))
    assert result == 1
    assert client.longest < 2**20


@pytest.mark.parametrize(
    "limits",
    [
        Limits(open_activities=3),
        Limits(open_timers=3),
        Limits(open_children=2),
        Limits(open_executions=4),
        Limits(open_activities=1, open_timers=1, open_children=1),
    ],
)
def test_lower_limits_of_open_things_are_waited_out(limits: Limits) -> None:
    def script(self: Any) -> Any:
        results = [self.two() for _ in range(8)]
        timers = [self.timer(5) for _ in range(8)]
        children = [self.child(number) for number in range(6)]
        flowy.gather(*timers)
        return [flowy.gather(*results), flowy.gather(*children)]

    def slow(self: Any, number: int) -> int:
        self.sleep(3)
        return number

    run = play(script, simulation=Simulation(limits=limits), child=child(slow))
    assert run.result == [[2] * 8, list(range(6))]


def test_a_delay_between_attempts_waits_for_a_timer_that_it_may_have() -> None:
    def script(self: Any) -> Any:
        self.timer(50)
        works = [self.one.options(retry=Retry(2, delay=5))(n) for n in range(3)]
        return flowy.gather(*works)

    def flaky(stubs: Stubs) -> None:
        stub = stubs("one", 1)
        for number in range(3):
            stub.when(number).then(error=ValueError("no")).then(result=number)

    run = play(script, simulation=Simulation(limits=Limits(open_timers=1)), stubs=flaky)
    assert run.result == [0, 1, 2]
    assert run.simulated_seconds == pytest.approx(65, abs=1)


def test_rates_of_decisions_are_waited_out() -> None:
    def script(self: Any) -> Any:
        sent = [self.send_signal(self.workflow_id, "x", n) for n in range(1_300)]
        flowy.wait(*sent)
        return sum(self.signal("x").result() for _ in sent)

    cls = made(script)
    result, _ = carried_out(cls, limits=Limits(throttling=True))
    assert result == sum(range(1_300))


def test_the_rate_of_new_activities_is_waited_out() -> None:
    cls = made(lambda self: sum(flowy.gather(*[self.one(n) for n in range(1_800)])))
    result, _ = carried_out(cls, limits=Limits(throttling=True))
    assert result == sum(range(1_800))


def test_the_rate_of_new_children_is_waited_out() -> None:
    proxy = child(lambda self, number: number)
    cls = made(lambda self: sum(flowy.gather(*[self.child(n) for n in range(540)])), child=proxy)
    result, _ = carried_out(cls, proxy.workflow, limits=Limits(throttling=True))
    assert result == sum(range(540))


def test_an_exceeded_limit_is_not_an_error_of_the_call() -> None:
    def script(self: Any) -> Any:
        return flowy.gather(*[self.two.options(retry=1)() for _ in range(4)])

    run = play(script, simulation=Simulation(limits=Limits(open_activities=1)))
    assert run.result == [2] * 4
    assert {each["cause"] for each in seen(run, "ScheduleActivityTaskFailed")} == {
        "OPEN_ACTIVITIES_LIMIT_EXCEEDED"
    }


def test_a_queued_call_ends_at_once_when_it_is_canceled() -> None:
    def script(self: Any) -> Any:
        works = [self.one(number) for number in range(1_001)]
        works[-1].cancel()
        with pytest.raises(TaskCanceled):
            works[-1].result()
        done = works[0].done
        return [done, sum(flowy.gather(*works[:-1]))]

    assert carried_out(made(script))[0] == [False, sum(range(1_000))]

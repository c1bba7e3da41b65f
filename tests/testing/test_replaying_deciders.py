"""Deciders of tests replay often enough to find what a replay would find."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

import flowy
from flowy import ActivityProxy, Workflow, activity, workflow
from flowy_sim import Simulation
from flowy_sim.testing import Runner
from flowy_sim.testing._worker_pools import ReplayingDeciders

replays = count()


@activity("step", 1, "steps")
def one_step(number: int) -> int:
    return number


@workflow("staircase", 1, "stairs", guard=False)
class Staircase(Workflow):
    step = ActivityProxy(one_step)

    def run(self, steps: int) -> Any:
        next(replays)
        for number in range(steps):
            self.step(number).result()
        return steps


@workflow("moody", 1, "stairs", guard=False)
class Moody(Workflow):
    step = ActivityProxy(one_step)

    def run(self, steps: int) -> Any:
        mood = next(replays)
        return [self.step(number if number < 60 else mood).result() for number in range(steps)]


def test_replays_of_a_long_execution_cost_as_much_as_a_few() -> None:
    before = next(replays)
    run = Runner(Simulation()).run(Staircase, 400)
    assert (run.result, len(run.history)) == (400, 2405)
    assert next(replays) - before < 30


def test_a_short_execution_is_replayed_for_each_decision() -> None:
    before = next(replays)
    Runner(Simulation()).run(Staircase, 10)
    assert next(replays) - before == 12


def test_what_only_a_replay_finds_is_found() -> None:
    with pytest.raises(flowy.NonDeterminismError):
        Runner(Simulation()).run(Moody, 300)


def test_nothing_is_kept_after_a_run() -> None:
    runner = Runner(Simulation())
    runner.run(Staircase, 60)
    assert len(runner.scheduler.worker_pools.suspended) == 0
    assert isinstance(runner.scheduler.worker_pools.suspended, ReplayingDeciders)

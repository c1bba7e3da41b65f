"""Workflows that continue as new, run by a runner."""

from __future__ import annotations

import pytest

from flowy import ActivityProxy, Workflow, WorkflowProxy, workflow
from flowy_sim import Simulation
from flowy_sim.testing import EndlessRestartsError, NoResultError, Runner, Stubs


@workflow("countdown", 1, "numbers")
class Countdown(Workflow):
    look = ActivityProxy("look", 1)

    def run(self, number: int) -> str:
        self.look(number).result()
        if number:
            self.sleep(60)
            self.restart(number - 1)
        return "lift-off"


@workflow("watch", 1, "numbers")
class Watch(Workflow):
    def run(self) -> None:
        self.sleep(3_600)
        self.restart()


def test_a_workflow_that_restarts_is_followed_to_its_end() -> None:
    stubs = Stubs()
    stubs("look", 1, result=None, takes=1)
    runner = Runner(Simulation(), stubs=stubs)
    run = runner.run(Countdown, 3)
    assert (run.status, run.result) == ("COMPLETED", "lift-off")
    assert [each.status for each in run.earlier] == ["CONTINUED_AS_NEW"] * 3
    looks = [call for each in run.runs for call in each.calls("look")]
    assert [call.args for call in looks] == [(3,), (2,), (1,), (0,)]
    assert 184 <= run.simulated_seconds < 185
    assert len(runner.runs) == 4


def test_a_workflow_that_restarts_forever_is_followed_up_to_a_limit() -> None:
    run = Runner(Simulation(), most_restarts=30).run(Watch)
    assert (run.status, len(run.earlier)) == ("CONTINUED_AS_NEW", 30)
    assert round(run.simulated_seconds / 3_600) == 31
    assert run.successor is not None
    with pytest.raises(NoResultError, match="followed through 31 runs, as many as most_restarts"):
        _ = run.result


@workflow("hasty", 1, "numbers")
class Hasty(Workflow):
    def run(self) -> None:
        self.restart()


@workflow("parent_of_hasty", 1, "numbers")
class ParentOfHasty(Workflow):
    hasty = WorkflowProxy(Hasty)

    def run(self) -> None:
        self.hasty().result()


def test_a_child_that_restarts_itself_immediately_for_ever_ends_the_run() -> None:
    with pytest.raises(EndlessRestartsError, match=r"parent_of_hasty-1-\w+-hasty-1 was started"):
        Runner(Simulation()).run(ParentOfHasty)


def test_an_execution_alongside_that_restarts_itself_for_ever_ends_the_run() -> None:
    runner = Runner(Simulation())
    runner.start(Hasty, workflow_id="alongside")
    with pytest.raises(EndlessRestartsError, match="alongside was started 1000 times within"):
        runner.run(Watch)


def test_an_execution_that_restarts_itself_for_ever_ends_advance() -> None:
    runner = Runner(Simulation())
    runner.start(Hasty, workflow_id="endless")
    with pytest.raises(EndlessRestartsError, match="endless was started 1000 times within"):
        runner.advance(60)

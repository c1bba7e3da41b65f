"""Times are seconds or timedeltas everywhere, and checked where they are given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowy import (
    Activity,
    ActivityProxy,
    ConfigurationError,
    LambdaProxy,
    Retry,
    Workflow,
    WorkflowProxy,
    activity,
    workflow,
)
from flowy._checks import seconds
from flowy_sim import Simulation
from flowy_sim.testing import Runner, Stubs


class Work(Activity):
    def run(self) -> None:
        """Do nothing."""


class Decide(Workflow):
    def run(self) -> None:
        """Do nothing."""


PLACES: dict[str, Callable[[Any], object]] = {
    name: lambda time, name=name: activity("work", 1, "work", **{name: time})(Work)
    for name in ("heartbeat", "schedule_to_close", "schedule_to_start", "start_to_close", "delay")
}
PLACES |= {
    f"workflow {name}": lambda time, name=name: workflow("decide", 1, "work", **{name: time})(
        Decide
    )
    for name in ("execution_start_to_close", "task_start_to_close", "delay")
}
PLACES |= {
    "proxy": lambda time: ActivityProxy("work", 1, heartbeat=time),
    "child": lambda time: WorkflowProxy("decide", 1, execution_start_to_close=time),
    "lambda": lambda time: LambdaProxy("function", start_to_close=time),
    "retry": lambda time: Retry(3, delay=time),
    "longest": lambda time: Retry(3, delay=1, longest=time),
    "stub": lambda time: Stubs()("work", 1, takes=time),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_time_is_given_as_seconds_or_as_a_timedelta(place: str) -> None:
    for time in (60, 60.0, timedelta(minutes=1)):
        PLACES[place](time)
    for wrong in (-1, "60", True, [60], float("nan"), timedelta(seconds=-5)):
        with pytest.raises(ConfigurationError, match="second"):
            PLACES[place](wrong)
    if place != "stub":
        with pytest.raises(ConfigurationError, match=r"whole seconds .*, not 0\.5"):
            PLACES[place](0.5)


@given(st.timedeltas(timedelta(), timedelta(days=365)))
def test_a_timedelta_is_rounded_up(time: timedelta) -> None:
    assert seconds("it", time) - 1 < time.total_seconds() <= seconds("it", time)


def test_workflows_and_tests_wait_for_timedeltas() -> None:
    @workflow("waiting", 1, "work")
    class Waiting(Workflow):
        def run(self) -> int:
            self.sleep(timedelta(hours=1))
            self.sleep(60.0)
            self.timer(timedelta(seconds=-1)).result()
            return self.signal("go", int).result()

    runner = Runner(Simulation())
    execution = runner.start(Waiting)
    runner.after(timedelta(hours=2), lambda: runner.signal(execution, "go", 3))
    runner.advance(timedelta(minutes=1))
    run = runner.finish(execution)
    assert (run.result, run.simulated_seconds) == (3, 7200)


def test_a_time_that_is_computed_is_checked_before_anything_is_called() -> None:
    for wrong in (0.5, "60", -1):

        @workflow("late", 1, "work")
        class Late(Workflow):
            work = ActivityProxy("work", 1)

            def run(self, time: Any = wrong) -> None:
                self.timer(time)
                self.work()

        stubs = Stubs()
        stubs("work", 1)
        run = Runner(Simulation(), stubs=stubs).run(Late)
        assert "the time of a timer must be whole seconds" in run.reason
        assert not run.calls()

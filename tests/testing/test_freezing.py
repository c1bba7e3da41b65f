from __future__ import annotations

import asyncio
import datetime
import sys
import time
from typing import Any

import pytest
from freezegun import freeze_time

from flowy import Activity, ActivityProxy, Workflow, activity, workflow
from flowy_sim import Simulation, VirtualClock
from flowy_sim.explore import explore
from flowy_sim.testing import Runner, Stubs
from flowy_sim.testing._turn_loop import frozen_to


@activity("sleep", 1, "nights", start_to_close=None)
class Sleep(Activity):
    def run(self) -> None:
        raise NotImplementedError


@activity("look", 1, "nights")
class Look(Activity):
    def run(self) -> list[Any]:
        now = datetime.datetime.now().isoformat()
        return [time.time(), now, time.strftime("%H:%M:%S", time.gmtime())]


@workflow("night", 1, "orders", guard=False)
class Night(Workflow):
    rest = ActivityProxy(Sleep)
    look = ActivityProxy(Look)

    def run(self) -> list[Any]:
        before = self.look().result()
        self.rest().result()
        # What a workflow must not do; but if it does, it sees simulated time.
        return [before, self.look().result(), time.time()]


@pytest.fixture
def stubs() -> Stubs:
    stubs = Stubs()
    stubs(Sleep, takes=8 * 3600)
    return stubs


def test_user_code_sees_the_simulated_time(stubs: Stubs) -> None:
    runner = Runner(Simulation(start="2024-02-29T22:00:00Z"), stubs=stubs, freeze=True)
    assert runner.run(Night).result == [
        [1709244000.0, "2024-02-29T22:00:00", "22:00:00"],
        [1709272800.0, "2024-03-01T06:00:00", "06:00:00"],
        1709272800.0,
    ]


def test_time_outside_a_run_is_real(stubs: Stubs) -> None:
    before = time.time()
    Runner(Simulation(), stubs=stubs, freeze=True).run(Night)
    assert 0 <= time.time() - before < 60
    assert type(datetime.datetime.now()) is datetime.datetime


def test_unless_asked_for_time_stays_real(stubs: Stubs) -> None:
    before = time.time()
    result = Runner(Simulation(), stubs=stubs).run(Night).result
    assert 0 <= result[0][0] - before < 60


def test_a_freeze_around_a_run_holds_again_afterwards(stubs: Stubs) -> None:
    with freeze_time("1999-12-31"):
        Runner(Simulation(), stubs=stubs, freeze=True).run(Night)
        assert datetime.date.today() == datetime.date(1999, 12, 31)


def test_what_is_simulated_is_the_same_with_and_without(stubs: Stubs) -> None:
    @workflow("blind", 1, "orders")
    class Blind(Workflow):
        rest = ActivityProxy(Sleep)

        def run(self) -> None:
            self.rest().result()

    frozen, free = (
        Runner(Simulation(), stubs=stubs, freeze=freeze).run(Blind) for freeze in (True, False)
    )
    assert frozen.history == free.history
    assert all(type(event["eventTimestamp"]) is datetime.datetime for event in frozen.history)


def test_asyncio_continues_in_real_time() -> None:
    with frozen_to(VirtualClock()):
        asyncio.run(asyncio.wait_for(asyncio.sleep(0.001), timeout=60))


def test_time_is_real_again_after_an_error(stubs: Stubs) -> None:
    runner = Runner(Simulation(), activities=[], stubs=stubs, freeze=True)
    before = time.time()
    with pytest.raises(Exception, match="Nothing more will happen"):
        runner.run(Night)
    assert 0 <= time.time() - before < 60


def test_without_freezegun_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "freezegun", None)
    with pytest.raises(ImportError, match=r"not installed; install it: pip install .*'freezegun>="):
        Runner(Simulation(), freeze=True)


def test_coroutines_in_an_activity_see_the_simulated_time() -> None:
    @activity("asynchronous", 1, "nights")
    class Asynchronous(Activity):
        def run(self) -> float:
            async def look() -> float:
                await asyncio.sleep(0.001)
                return time.time()

            return asyncio.run(look())

    @workflow("dream", 1, "orders")
    class Dream(Workflow):
        look = ActivityProxy(Asynchronous)

        def run(self) -> Any:
            return self.look()

    simulation = Simulation()
    run = Runner(simulation, activities=Asynchronous, freeze=True).run(Dream)
    assert run.result == simulation.clock.now.timestamp()


def test_a_freeze_inside_an_activity_holds_there_and_nowhere_else(stubs: Stubs) -> None:
    @activity("past", 1, "nights")
    def past() -> list[str]:
        with freeze_time("1999-12-31 23:59:59"):
            inside = datetime.datetime.now().isoformat()
        return [inside, datetime.datetime.now().isoformat()]

    @workflow("memory", 1, "orders")
    class Memory(Workflow):
        rest = ActivityProxy(Sleep)
        recall = ActivityProxy(past)

        def run(self) -> Any:
            self.rest().result()
            return self.recall()

    runner = Runner(Simulation(), activities=past, stubs=stubs, freeze=True)
    assert runner.run(Memory).result == ["1999-12-31T23:59:59", "2024-01-01T08:00:00"]


def test_a_freeze_that_ticks_around_a_run_continues_afterwards(stubs: Stubs) -> None:
    with freeze_time("1999-12-31", tick=True) as frozen:
        result = Runner(Simulation(), stubs=stubs, freeze=True).run(Night).result
        assert result[0][1] == "2024-01-01T00:00:00"
        frozen.tick(3600)
        assert datetime.datetime.now().isoformat()[:13] == "1999-12-31T01"


def test_a_test_sees_the_time_that_its_calls_take() -> None:
    runner = Runner(Simulation(), freeze=True)
    client = runner.simulation.client()
    with runner.turn_loop.frozen_test():
        before = datetime.datetime.now(datetime.UTC)
        client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="7")
        assert (datetime.datetime.now(datetime.UTC) - before).total_seconds() == 0.001
        runner.simulation.clock.advance(60)
        assert datetime.datetime.now(datetime.UTC) == runner.simulation.clock.now
        assert time.time() == runner.simulation.clock.milliseconds / 1000


def test_a_freeze_in_a_freeze_of_another_simulation_ends_with_it() -> None:
    inner, outer = VirtualClock("2001-01-01T00:00:00Z"), VirtualClock("2002-01-01T00:00:00Z")
    with frozen_to(outer) as follow:
        with frozen_to(inner):
            assert datetime.date.today().year == 2001
        outer.advance(60)
        follow()
        assert datetime.datetime.now().isoformat() == "2002-01-01T00:01:00"


def test_a_loop_of_asyncio_around_a_run_is_left_alone(stubs: Stubs) -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        Runner(Simulation(), stubs=stubs, freeze=True).run(Night)
        await asyncio.wait_for(asyncio.sleep(0.001), timeout=60)
        return loop.time() - before

    assert 0 < asyncio.run(run()) < 60


@pytest.mark.swf(start="2024-02-29T22:00:00Z", freeze=True)
def test_the_test_itself_sees_the_simulated_time(swf_run: Runner, swf_stub: Stubs) -> None:
    swf_stub(Sleep, takes=8 * 3600)
    assert datetime.datetime.now().isoformat() == "2024-02-29T22:00:00"
    swf_run.advance(60)
    assert time.time() == 1709244060
    swf_run(Night)
    assert datetime.datetime.now().isoformat() == "2024-03-01T06:01:00"


@pytest.mark.swf(start="2024-02-29T22:00:00Z", freeze=True)
def test_a_script_of_the_test_lists_what_has_run_since_a_day(
    swf_run: Runner, swf_stub: Stubs, swf_boto3: Any
) -> None:
    swf_stub(Sleep, takes=8 * 3600)
    swf_run(Night)
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    counted = swf_boto3.client("swf").count_closed_workflow_executions(
        domain=swf_run.domain, startTimeFilter={"oldestDate": since}
    )
    assert counted["count"] == 1


def test_an_explored_test_sees_the_simulated_time() -> None:
    def test(runner: Runner) -> None:
        assert time.time() == 1709244000
        runner.stubs(Sleep, takes=3600)
        runner(Night)
        assert time.time() == 1709247600

    before = time.time()
    assert explore(test, start="2024-02-29T22:00:00Z", freeze=True).runs
    assert time.time() >= before

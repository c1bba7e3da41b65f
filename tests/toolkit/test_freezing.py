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
from flowy_sim.freezing import frozen_to
from flowy_sim.runner import Runner
from flowy_sim.stubs import Stubs


@activity("sleep", 1, "nights", start_to_close=None)
class Sleep(Activity):
    def run(self) -> None:
        raise NotImplementedError


@activity("look", 1, "nights")
class Look(Activity):
    def run(self) -> list[Any]:
        return [time.time(), datetime.datetime.now().isoformat(), time.strftime("%H:%M:%S")]


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


def test_asyncio_goes_on_in_real_time() -> None:
    with frozen_to(VirtualClock()):
        asyncio.run(asyncio.wait_for(asyncio.sleep(0.001), timeout=10))


def test_time_is_real_again_after_an_error(stubs: Stubs) -> None:
    runner = Runner(Simulation(), activities=[], stubs=stubs, freeze=True)
    before = time.time()
    with pytest.raises(Exception, match="Nothing moves any more"):
        runner.run(Night)
    assert 0 <= time.time() - before < 60


def test_without_freezegun_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "freezegun", None)
    with pytest.raises(ImportError, match=r"pip install 'flowy-sim\[pytest\]'"):
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

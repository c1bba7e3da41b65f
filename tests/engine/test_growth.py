"""The cost of a call and the memory of a history do not grow with what they do not touch."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.support.engine_driver import DOMAIN, PACK, Driver, decision

ONE = {"workflowId": "open-7"}
DAY = 24 * 60 * 60 * 1000
ACTIVITIES = {"domain": DOMAIN, "taskList": {"name": "work"}}
PACKING = {
    "activityId": "a",
    "activityType": PACK,
    "input": "[1, 2, 3]",
    "scheduleToCloseTimeout": "600",
}


class Shop(Driver):
    """A busy shop."""

    def schedule(self) -> None:
        task = self.poll(startAtPreviousStartedEvent=True)
        self.answer(task, decision("ScheduleActivityTask", **PACKING))

    def work(self) -> None:
        task = self.call("PollForActivityTask", **ACTIVITIES)
        self.call("RespondActivityTaskCompleted", taskToken=task["taskToken"], result="6")

    def live(self, workflow_id: str, activities: int = 3) -> None:
        """Start an execution and complete it."""
        self.start(workflow_id, tagList=[workflow_id])
        for _ in range(activities):
            self.schedule()
            self.work()
        self.decide(decision("CompleteWorkflowExecution"))


def steps(work: Callable[[], None]) -> int:
    """Return how many functions are called, which is the same on every machine."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def with_open_executions(count: int) -> Shop:
    shop = Shop()
    for number in range(count):
        shop.start(f"open-{number}")
        shop.decide()
    return shop


def after_events(count: int) -> Shop:
    shop = Shop()
    shop.start("long")
    while len(shop.engine.domains[DOMAIN].open_executions["long"]) < count:
        shop.schedule()
        shop.work()
    return shop


def test_an_execution_costs_the_same_among_ten_and_among_thousands_of_open_ones() -> None:
    few, many = with_open_executions(10), with_open_executions(5_000)
    few.live("warm"), many.live("warm")
    assert steps(lambda: many.live("new")) <= steps(lambda: few.live("new")) * 1.2


def test_a_time_out_costs_the_same_among_ten_and_among_thousands_of_open_executions() -> None:
    counts = []
    for shop in (with_open_executions(10), with_open_executions(5_000)):
        shop.start("new")
        shop.schedule()
        counts.append(steps(lambda shop=shop: shop.advance(600_000)))
        history = shop.engine.domains[DOMAIN].open_executions["new"].events(1, 9)
        assert "ActivityTaskTimedOut" in [event["eventType"] for event in history]
    assert counts[1] <= counts[0] * 1.2


def test_a_page_of_open_executions_costs_the_same_among_ten_and_among_thousands() -> None:
    def look(shop: Shop) -> None:
        told = {"startTimeFilter": {"oldestDate": 0}, "maximumPageSize": 5}
        shop.call("ListOpenWorkflowExecutions", domain=DOMAIN, **told)
        shop.call(
            "ListOpenWorkflowExecutions",
            domain=DOMAIN,
            **told,
            executionFilter={"workflowId": "open-7"},
        )
        shop.call("CountOpenWorkflowExecutions", domain=DOMAIN, startTimeFilter={"oldestDate": 0})

    few, many = with_open_executions(10), with_open_executions(5_000)
    look(few), look(many)
    assert steps(lambda: look(many)) <= steps(lambda: look(few)) * 1.5


def test_a_decision_and_an_activity_cost_the_same_after_ten_and_after_thousands_of_events() -> None:
    def go_on(shop: Shop) -> None:
        shop.schedule()
        shop.work()

    short, long = after_events(10), after_events(10_000)
    go_on(short), go_on(long)
    assert steps(lambda: go_on(long)) <= steps(lambda: go_on(short)) * 1.05


@pytest.fixture
def _traced() -> Any:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.slow
@pytest.mark.usefixtures("_traced")
def test_an_event_takes_less_than_300_bytes_with_all_that_belongs_to_it() -> None:
    shop = Shop()
    shop.live("warm")
    before = memory()
    for number in range(500):
        shop.live(f"execution-{number}", activities=6)
    events = sum(len(execution) for execution in shop.engine.executions.values())
    assert events > 20_000
    assert (memory() - before) / events < 300


@pytest.mark.slow
@pytest.mark.usefixtures("_traced")
def test_memory_is_freed_when_the_retention_of_closed_executions_has_passed() -> None:
    shop = Shop()
    shop.live("warm")
    before = memory()
    for number in range(300):
        shop.live(f"execution-{number}")
    grown = memory() - before
    shop.now += 8 * DAY
    shop.call("ListDomains", registrationStatus="REGISTERED")
    assert not shop.engine.executions
    assert memory() - before < grown * 0.1

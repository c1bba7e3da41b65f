"""Workflows and activities for simpleflow, which imports this module in its own processes."""

# simpleflow ships no types.
# mypy: ignore-errors

from __future__ import annotations

from pathlib import Path
from typing import Any

from simpleflow import Workflow, activity, futures
from simpleflow.canvas import Chain, Group
from simpleflow.task import ActivityTask


@activity.with_attributes(version="1", task_list="shop")
def double(number: int) -> int:
    return 2 * number


@activity.with_attributes(version="1", task_list="shop")
def total(*numbers: int) -> int:
    return sum(numbers)


@activity.with_attributes(version="1", task_list="shop", retry=2)
def works_the_third_time(folder: str) -> int:
    tries = len(list(Path(folder).glob("try-*")))
    (Path(folder) / f"try-{tries}").touch()
    if tries < 2:
        raise ValueError("not yet")
    return tries + 1


@activity.with_attributes(version="1", task_list="shop", raises_on_failure=False)
def fails() -> None:
    raise ValueError("never")


class Shop(Workflow):
    version = "1"
    task_list = "shop"


class ChainAndGroup(Shop):
    name = "ChainAndGroup"

    def run(self, number: int) -> Any:
        both = Group(ActivityTask(double, 1), ActivityTask(double, 2))
        chain = Chain(ActivityTask(double, number), both, ActivityTask(total, 3, 4))
        return self.submit(chain).result


class Child(Shop):
    name = "Child"

    def run(self, number: int) -> Any:
        return self.submit(double, number).result


class Parent(Shop):
    name = "Parent"

    def run(self, number: int) -> Any:
        children = [self.submit(Child, number + more) for more in range(2)]
        futures.wait(*children)
        return [child.result for child in children]


class WaitsForSignal(Shop):
    name = "WaitsForSignal"

    def run(self) -> Any:
        return self.submit(self.wait_signal("go")).result["kwargs"]


class SendsSignal(Shop):
    """Signals itself; simpleflow passes the signal on to the child."""

    name = "SendsSignal"

    def run(self) -> Any:
        child = self.submit(WaitsForSignal)
        self.submit(self.signal("go", text="hello"))
        return child.result


class Sleeps(Shop):
    name = "Sleeps"

    def run(self, seconds: int) -> Any:
        futures.wait(self.submit(self.start_timer("nap", seconds)))
        return self.submit(double, seconds).result


class RecordsMarkers(Shop):
    name = "RecordsMarkers"

    def run(self) -> Any:
        marked = self.submit(self.record_marker("step", {"number": 1}))
        futures.wait(marked, self.submit(double, 4))
        return [marker.details for marker in self.list_markers()]


class BeginsAnew(Shop):
    name = "BeginsAnew"

    def run(self, number: int) -> Any:
        doubled = self.submit(double, number).result
        if number < 3:
            return self.submit(self.continue_as_new(number=number + 1)).result
        return doubled


class FailsAndRetries(Shop):
    name = "FailsAndRetries"

    def run(self, folder: str) -> Any:
        retried, failed = self.submit(works_the_third_time, folder), self.submit(fails)
        futures.wait(retried, failed)
        return [retried.result, failed.exception.reason]

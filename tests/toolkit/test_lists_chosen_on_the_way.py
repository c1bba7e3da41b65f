"""Task lists that a workflow chooses while it runs, and those that a test starts it on."""

from __future__ import annotations

from typing import Any

import pytest

from flowy import ActivityProxy, Workflow, WorkflowProxy, activity, workflow
from flowy_sim import Simulation
from flowy_sim.runner import Runner
from flowy_sim.waiting import StuckError


@activity("look", 1, "small")
def look(size: int) -> int:
    return size


@workflow("part", 1, "parts")
class Part(Workflow):
    look = ActivityProxy(look)

    def run(self, size: int) -> int:
        return self.look.options(task_list=f"machines-{size}")(size).result()


@workflow("whole", 1, "wholes")
class Whole(Workflow):
    part = WorkflowProxy(Part)
    unknown = ActivityProxy("unknown", 1)

    def run(self, *sizes: int, unknown: bool = False) -> list[int]:
        if unknown:
            self.unknown.options(task_list="elsewhere")().result()
        with self.options(task_list="chosen"):
            return [self.part(size).result() for size in sizes]


def runner() -> Runner:
    return Runner(Simulation(), activities=[look], workflows=[Part])


def task_lists(run: Any, event_type: str) -> list[str]:
    member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
    return [
        event[member]["taskList"]["name"]
        for event in run.history
        if event["eventType"] == event_type
    ]


def test_workers_come_to_the_lists_that_are_chosen_for_a_call_or_a_block() -> None:
    run = runner().run(Whole, 3, 4)
    assert run.result == [3, 4]
    assert task_lists(run, "StartChildWorkflowExecutionInitiated") == ["chosen", "chosen"]


def test_deciders_come_to_the_list_that_an_execution_is_started_on() -> None:
    run = runner().run(Part, 5, task_list="release-7")
    assert run.result == 5
    assert task_lists(run, "ActivityTaskScheduled") == ["machines-5"]


def test_nobody_comes_for_what_nobody_can_do() -> None:
    with pytest.raises(StuckError, match="unknown 1"):
        runner().run(Whole, unknown=True)

"""Task lists that a workflow chooses while it runs, and those that a test starts it on."""

from __future__ import annotations

from typing import Any

import pytest

from flowy import ActivityProxy, ConfigurationError, Workflow, WorkflowProxy, activity, workflow
from flowy_sim import Simulation
from flowy_sim.testing import Runner, StuckError


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

    def run(self, *sizes: int) -> list[int]:
        with self.options(task_list="chosen"):
            return [self.part(size).result() for size in sizes]


def runner(*task_lists: str) -> Runner:
    return Runner(Simulation(), activities=[look], workflows=[Part], task_lists=task_lists)


def task_lists(run: Any, event_type: str) -> list[str]:
    member = f"{event_type[0].lower()}{event_type[1:]}EventAttributes"
    return [
        event[member]["taskList"]["name"]
        for event in run.history
        if event["eventType"] == event_type
    ]


def test_workers_wait_on_lists_that_are_chosen_for_a_call_or_a_block_if_they_are_named() -> None:
    run = runner("chosen", "machines-3", "machines-4").run(Whole, 3, 4)
    assert run.result == [3, 4]
    assert task_lists(run, "StartChildWorkflowExecutionInitiated") == ["chosen", "chosen"]


def test_deciders_wait_on_the_list_that_an_execution_is_started_on_if_it_is_named() -> None:
    run = runner("release-7", "machines-5").run(Part, 5, task_list="release-7")
    assert run.result == 5
    assert task_lists(run, "ActivityTaskScheduled") == ["machines-5"]


def test_no_worker_polls_a_list_that_is_not_named() -> None:
    with pytest.raises(StuckError, match="machines-5"):
        runner("release-7").run(Part, 5, task_list="release-7")


@pytest.mark.parametrize("wrong", ["release-7", [""], [7], 7])
def test_task_lists_are_a_list_of_names(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="task_lists must be"):
        Runner(Simulation(), task_lists=wrong)

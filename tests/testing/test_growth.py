"""Executions that grow are named in the report, although nothing fails."""

from __future__ import annotations

from typing import Any

from flowy import Workflow, workflow
from flowy_sim.explore import find
from flowy_sim.faults import Signal
from flowy_sim.testing import Runner


@workflow("collection", 1, "collections", execution_start_to_close=600)
class Collection(Workflow):
    def run(self, continues: bool, found: list[str] | None = None, left: int = 4) -> Any:
        names = [*(found or []), self.signal("name").result()]
        while len(names) < left and not continues:
            names.append(self.signal("name").result())
        if continues and left > 1:
            self.restart(continues, names, left - 1)
        return names


@workflow("counter", 1, "collections", execution_start_to_close=600)
class Counter(Workflow):
    def run(self, left: int = 4) -> None:
        self.sleep(1)
        if left > 1:
            self.restart(left - 1)


def notes(cls: type[Workflow], *arguments: Any) -> list[str]:
    def it_ends(runner: Runner) -> None:
        assert runner(cls, *arguments).status == "COMPLETED"

    found = find(it_ends, faults=[Signal("name", '"lamp"', most=4)], runs=5)
    assert found.failure is None
    return list(found.growth)


def test_events_that_each_signal_adds_are_named() -> None:
    [note] = notes(Collection, False)
    assert "collection 1 writes about" in note
    assert "for each signal 'name', and did not continue as new after" in note


def test_an_input_that_grows_is_named() -> None:
    [note] = notes(Collection, True)
    assert "the input of collection 1 grows with each run that continues as new" in note


def test_what_does_not_grow_is_not_named() -> None:
    assert notes(Counter) == []

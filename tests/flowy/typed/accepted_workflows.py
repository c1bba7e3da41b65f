"""What type checkers must accept of waits, timers, signals, children and options."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, assert_type
from uuid import UUID

from accepted import Resize

import flowy
from flowy import ActivityProxy, ChildResult, Result, Retry, Workflow, WorkflowProxy, workflow


@workflow("shelf", 1, "decisions", retry=2, error_handling=True)
class Shelf(Workflow):
    def run(self, name: str, rows: int = 1) -> list[str]:
        self.restart(name, rows=2)


@workflow("library", 1, "decisions")
class Library(Workflow):
    resize = ActivityProxy(Resize)
    shelf = WorkflowProxy(Shelf, tags=["books"], retry=Retry(3, delay=10, on=[ValueError]))
    other = WorkflowProxy("other", 1, workflow_id="other")

    def run(self, source: str) -> int:
        child = self.shelf(source, rows=3)
        assert_type(child, ChildResult[list[str]])
        assert_type(child.result(), list[str])
        assert_type(child.workflow_id, str)
        assert_type(child.signal("add", {"title": source}), Result[None])
        nested = self.shelf(self.resize(source), self.other(child).result())
        again = self.shelf.options(workflow_id="again", execution_start_to_close=60)(source)
        assert_type(flowy.gather(*[child, nested, again]), list[list[str]])

        with self.options(priority=3, retry=2, delay=5, tags=["a"], heartbeat=None):
            small = self.resize.options(start_to_close=10, task_list="fast")(source)
        assert_type(small, Result[str])
        assert_type(flowy.gather(small, child), tuple[str, list[str]])
        name, books, _ = flowy.gather(small, child, self.timer(5))
        assert_type((name, books), tuple[str, list[str]])
        six = flowy.gather(small, child, small, child, small, child)
        assert_type(six[5], list[str])
        whatever: list[Result[object]] = [small, child, self.timer(5)]
        many: list[object] = flowy.gather(small, child, small, child, small, child, *whatever)
        assert_type(len(many), int)
        for each in flowy.finish_order(*[small, small]):
            assert_type(each.result(), str)
        for either in flowy.finish_order(small, child):
            assert_type(either.result(), str | list[str])
        assert_type(flowy.first(*[small, small]).result(), str)
        assert_type(flowy.first(small, child, self.timer(5)).result(), str | list[str] | None)

        approved = self.signal("approved", bool)
        assert_type(approved, Result[bool])
        anything = self.signal("anything").result()
        deadline = self.timer(timedelta(hours=1))
        assert_type(deadline, Result[None])
        if flowy.first(approved, deadline, small) is deadline:
            approved.cancel()
        flowy.wait(approved, small, child)
        self.sleep(5)

        assert_type(self.now(), datetime)
        assert_type(self.random, Random)
        assert_type(self.uuid(), UUID)
        assert_type(self.patched("larger"), bool)
        assert_type(self.side_effect(lambda: len(source)), int)
        assert_type(self.send_signal("x", "y", small, error_handling=True), Result[None])
        assert_type(self.request_cancel("x", run_id="y"), Result[None])
        total: Any = flowy.parallel_reduce(self.resize, [small, small])
        return len(str((anything, total)))

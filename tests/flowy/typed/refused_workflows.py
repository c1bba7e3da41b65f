"""What type checkers must refuse of waits, signals, children and options: the marked lines."""

from __future__ import annotations

from accepted import Resize
from accepted_workflows import Shelf

import flowy
from flowy import ActivityProxy, Workflow, WorkflowProxy, workflow


@workflow("library", 2, "decisions")
class Library(Workflow):
    resize = ActivityProxy(Resize)
    shelf = WorkflowProxy(Shelf)
    mistyped = WorkflowProxy(Shelf, tag=["x"])  # refused
    wrong_option = WorkflowProxy(Shelf, child_policy=3)  # refused
    of_an_activity = WorkflowProxy(Shelf, heartbeat=3)  # refused
    without_version = WorkflowProxy("shelf")  # refused

    def run(self, source: str) -> int:
        self.shelf()  # refused
        self.shelf(3)  # refused
        self.shelf(source, 1, 2)  # refused
        self.shelf(source, row=1)  # refused
        self.shelf.options(heartbeat=3)  # refused
        self.resize.options(workflow_id="x")  # refused
        with self.options(workflow_id="x"):  # refused
            self.resize(source)
        with self.options(prio=3):  # refused
            self.resize(source)
        self.sleep("5")  # refused
        self.timer("1")  # refused
        self.signal(3)  # refused
        self.patched(3)  # refused
        flowy.wait([self.resize(source)])  # refused
        flowy.gather(1, 2)  # refused
        length: int = self.signal("length", str).result()  # refused
        rows: int = self.shelf(source).result()  # refused
        read: str = self.side_effect(lambda: 3)  # refused
        return len(str((length, rows, read)))


@workflow("library", 3, "decisions", retries=3)  # refused
class Other(Workflow):
    def run(self) -> None:
        """Do nothing."""

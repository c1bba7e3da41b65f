from __future__ import annotations

from flowy import Activity, Workflow, activity, workflow
from tests.flowy.scanned import Double


@activity("cut", 2, "numbers")
class Cut(Activity):
    def run(self) -> None: ...


@activity("cut", 1, "numbers")
class OldCut(Activity):
    def run(self) -> None: ...


class Undeclared(Double):
    """Not decorated itself."""


@workflow("cutting", 1, "decisions")
class Cutting(Workflow):
    def run(self) -> None: ...


an_instance = Cut()

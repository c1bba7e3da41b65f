"""Activities and workflows that the tests use."""

from __future__ import annotations

from typing import Any

from flowy import Activity, ActivityProxy, Retry, Workflow, activity, workflow


@activity("double", 1, "numbers", heartbeat=30)
class Double(Activity):
    def run(self, number: int) -> int:
        return 2 * number


@activity("add", 1, "numbers")
class Add(Activity):
    def run(self, *numbers: int) -> int:
        return sum(numbers)


@activity("divide", 1.5, "numbers", retry=2)
class Divide(Activity):
    def run(self, number: float, by: float) -> float:
        return number / by


@workflow("sum", 1, "decisions")
class SumOfDoubles(Workflow):
    """Two activities at the same time, and one that needs both."""

    double = ActivityProxy(Double)
    add = ActivityProxy(Add)

    def run(self, one: int, other: int) -> Any:
        return self.add(self.double(one), self.double(other))


@workflow("chain", 1, "decisions")
class Chain(Workflow):
    """One activity after another, each awaited."""

    double = ActivityProxy(Double)

    def run(self, number: int, times: int) -> int:
        for _ in range(times):
            number = self.double(number).result()
        return number


@workflow("ratio", 1, "decisions")
class Ratio(Workflow):
    """An activity that may fail, and then is tried again after ten seconds."""

    divide = ActivityProxy(Divide, retry=Retry(attempts=2, delay=10))

    def run(self, number: float, by: float) -> float:
        return self.divide(number, by=by).result()

"""A bakery to test the toolkit with: a workflow that does two things at once and then a third."""

from __future__ import annotations

from typing import Any

from flowy import Activity, ActivityProxy, TaskError, Workflow, activity, workflow


@activity("knead", 1, "kitchen", retry=2)
class Knead(Activity):
    def run(self, flour: int) -> str:
        if flour <= 0:
            raise ValueError("there is no flour")
        return f"dough of {flour} g"


@activity("heat", 1, "oven", heartbeat=60)
class Heat(Activity):
    def run(self, degrees: int) -> int:
        for _ in range(3):
            if not self.heartbeat():
                return 0
        return degrees


@activity("bake", 1, "oven", start_to_close=3600)
class Bake(Activity):
    def run(self, dough: str, degrees: int) -> str:
        return f"bread of {dough} at {degrees}"


@workflow("bread", 1, "orders", execution_start_to_close=86_400)
class Bread(Workflow):
    knead = ActivityProxy(Knead)
    heat = ActivityProxy("heat", 1, error_handling=True)
    bake = ActivityProxy("bake", 1)

    def run(self, flour: int, degrees: int = 220) -> Any:
        dough = self.knead(flour)
        oven = self.heat(degrees)
        try:
            oven.result()
        except TaskError as error:
            return f"cold: {error.reason}"
        return self.bake(dough, oven)

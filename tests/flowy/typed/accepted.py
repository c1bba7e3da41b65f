"""What type checkers must accept."""

from __future__ import annotations

from typing import assert_type

from flowy import Activity, ActivityContext, ActivityProxy, Result, Workflow, activity, workflow


@activity("resize", 1, "pictures", heartbeat=30, automatic_heartbeat=True)
class Resize(Activity):
    def run(self, source: str, size: int = 64) -> str:
        return f"{source}-{size}"


@activity("count", 1, "pictures")
def count(path: str, *, deep: bool = False) -> int:
    return len(path) + deep


@activity("sizes", 1, "pictures")
def sizes(context: ActivityContext, *paths: str) -> list[int]:
    context.heartbeat()
    return [len(path) for path in paths]


@workflow("pictures", 1, "decisions")
class Pictures(Workflow):
    resize = ActivityProxy(Resize, retry=3, heartbeat=None)
    count = ActivityProxy(count)
    sizes = ActivityProxy(sizes, error_handling=True)
    anything = ActivityProxy("anything", 1)

    def run(self, source: str) -> int:
        small = self.resize(source, size=32)
        assert_type(small, Result[str])
        assert_type(small.result(), str)
        again = self.resize(small, self.count(small, deep=True))
        assert_type(again.result().upper(), str)
        assert_type(self.sizes(source, small, again).result(), list[int])
        self.anything(1, small, any="thing").result()
        return self.count(again).result()


assert_type(count("a", deep=True), int)
assert_type(sizes(ActivityContext(), "a"), list[int])
assert_type(Resize().run("a"), str)

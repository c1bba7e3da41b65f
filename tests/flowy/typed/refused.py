"""What type checkers must refuse: each marked line, and no other."""

from __future__ import annotations

from accepted import Resize, count, sizes

from flowy import ActivityProxy, Workflow, activity, workflow


@workflow("pictures", 2, "decisions")
class Pictures(Workflow):
    resize = ActivityProxy(Resize)
    count = ActivityProxy(count)
    sizes = ActivityProxy(sizes)
    mistyped = ActivityProxy(Resize, retries=3)  # refused
    wrong_option = ActivityProxy(Resize, heartbeat="30")  # refused
    without_version = ActivityProxy("resize")  # refused

    def run(self, source: str) -> int:
        self.resize(3)  # refused
        self.resize()  # refused
        self.resize(source, "64")  # refused
        self.resize(source, width=64)  # refused
        self.resize(source, 64, 64)  # refused
        self.count(source, True)  # refused
        self.sizes(source, 1)  # refused
        self.anything: int = self.resize(source).result()  # refused
        return self.sizes(source).result()  # refused


activity("resize", 1)  # refused
activity("resize", 1, "pictures", heartbeat="30")  # refused

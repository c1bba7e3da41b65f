"""The image workflow, chains and many open executions, by flowy's own deciders and workers."""

from __future__ import annotations

import time
from typing import Any

from bench import images
from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    Workflow,
    WorkflowWorker,
    activity,
    start,
    workflow,
)

LIST = "framework"


@activity("resize", "bench", LIST)
class Resize(Activity):
    """Pretends to shrink a photograph."""

    def run(self, path: str, size: int) -> str:
        """Return its location."""
        return "small.jpg"


@activity("predominantcolor", "bench", LIST)
class PredominantColor(Activity):
    """Pretends to look for a colour."""

    def run(self, path: str) -> str:
        """Return the colour."""
        return "green"


@activity("renameimage", "bench", LIST)
class RenameImage(Activity):
    """Pretends to file a photograph."""

    def run(self, path: str, color: str) -> str:
        """Return its location."""
        return f"{color}/{path}"


@workflow("imagecateg", "bench", LIST)
class Categorize(Workflow):
    """The image workflow."""

    resize = ActivityProxy(Resize)
    color = ActivityProxy(PredominantColor)
    rename = ActivityProxy(RenameImage)

    def run(self, path: str, size: int) -> Any:
        """Resize and classify at the same time, then file."""
        return self.rename(self.resize(path, size), self.color(path))


@activity("step", "bench", LIST)
class Step(Activity):
    """Adds one."""

    def run(self, number: int) -> int:
        """Return the next number."""
        return number + 1


@workflow("chain", "bench", LIST)
class Chain(Workflow):
    """Activities one after the other."""

    step = ActivityProxy(Step)

    def run(self, length: int) -> int:
        """Count up to a number."""
        number = 0
        for _ in range(length):
            number = self.step(number).result()
        return number


def run(client: Any, count: int) -> None:
    """Start `count` executions, then decide and work until nothing is left to do."""
    decider = WorkflowWorker(client, images.DOMAIN, LIST, [Categorize])
    worker = ActivityWorker(client, images.DOMAIN, LIST, [Resize, PredominantColor, RenameImage])
    decider.register()
    worker.register()
    for number in range(count):
        start(client, images.DOMAIN, Categorize, f"photo-{number}.jpg", 150)
    while decider.run_once():
        while decider.run_once():
            pass
        while worker.run_once():
            pass


def chain(client: Any, length: int, suspended: int) -> float:
    """Return the seconds of one execution with a number of activities, one after another.

    Args:
        client: an SWF client.
        length: how many activities.
        suspended: how many executions the decider keeps suspended; 0 for none, so that it replays
            them from their beginnings for each decision.
    """
    decider, worker = _staff(client, suspended)
    start(client, images.DOMAIN, Chain, length)
    began = time.process_time()
    while decider.run_once() and worker.run_once():
        pass
    return time.process_time() - began


def beside(client: Any, executions: int, length: int, suspended: int) -> list[float]:
    """Return the rate of decision tasks with a number of open executions, per second.

    All of them run chains of activities, step by step; the time of the activities is left
    out.

    Args:
        client: an SWF client.
        executions: how many are open.
        length: how many activities each of them has.
        suspended: as for `chain`.

    Returns:
        The rate at each step: histories grow from one to the next.
    """
    decider, worker = _staff(client, suspended)
    for _ in range(executions):
        start(client, images.DOMAIN, Chain, length)
    rates = []
    for _ in range(length):
        began = time.process_time()
        for _ in range(executions):
            decider.run_once()
        rates.append(executions / (time.process_time() - began))
        for _ in range(executions):
            worker.run_once()
    return rates


def _staff(client: Any, suspended: int) -> tuple[WorkflowWorker, ActivityWorker]:
    images.register(client)
    decider = WorkflowWorker(client, images.DOMAIN, LIST, [Chain], suspended=suspended)
    worker = ActivityWorker(client, images.DOMAIN, LIST, [Step])
    decider.register()
    worker.register()
    return decider, worker

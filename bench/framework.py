"""The same work by flowy's own decider and worker."""

from __future__ import annotations

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
        """Return where it is."""
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
        """Return where it is."""
        return f"{color}/{path}"


@workflow("imagecateg", "bench", LIST)
class Categorize(Workflow):
    """The image workflow."""

    resize = ActivityProxy(Resize)
    color = ActivityProxy(PredominantColor)
    rename = ActivityProxy(RenameImage)

    def run(self, path: str, size: int) -> Any:
        """Resize and classify side by side, then file."""
        return self.rename(self.resize(path, size), self.color(path))


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

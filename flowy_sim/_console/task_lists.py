"""The page of task lists: what waits, for how long, who polls, and who holds what."""

from __future__ import annotations

from typing import Any

from flowy_sim._console.visit import Visit

TEMPLATE = "task-lists.html"


async def task_lists(visit: Visit) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: the lists cannot be read.
    """
    return {"lists": await visit.source.task_lists(), "now": visit.source.clock().now}

"""The page of task lists: what waits, for how long, who polls, and who holds what."""

from __future__ import annotations

from typing import Any

from flowy_sim._console.commands import copies
from flowy_sim._console.visit import Visit

TEMPLATE = "task-lists.html"

_COPIED = 10
"""The number of task lists that can be copied as commands."""


async def task_lists(visit: Visit) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        SourceError: the lists cannot be read.
    """
    lists = await visit.source.task_lists()
    return {
        "lists": lists,
        "now": visit.source.clock().now,
        "calls": [
            copies(
                f"Count the {each.kind} tasks of {each.name}",
                f"CountPending{each.kind.capitalize()}Tasks",
                {"domain": visit.source.place.domain, "taskList": {"name": each.name}},
                visit.target,
            )
            for each in lists[:_COPIED]
        ],
    }

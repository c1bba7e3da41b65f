"""Searching the executions of a simulated domain.

Lists of executions have indexes by status, type and tag. A search goes through the one with the
fewest executions that can meet the filter, from the newest on, and checks the rest of the filter on
each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowy_sim._console.source import OPEN, STATUSES, Filter
from flowy_sim._engine.domains import Domain
from flowy_sim._engine.visibility import LATEST_KEY, Label, first_key


class ExecutionSearch:
    """A search for executions, by the index that is nearest to what is wanted.

    Args:
        domain: where to search.
        wanted: what to search for.
        any_status: whether to leave the status that is wanted out of account.

    Attributes:
        low, high: the keys between which to search.
        is_by_time_only: whether nothing but the times of their start restricts them.
    """

    def __init__(self, domain: Domain, wanted: Filter, any_status: bool = False) -> None:
        self._visibility = domain.visibility
        self._wanted = wanted
        self._status = "" if any_status else wanted.status
        self._text = wanted.text.casefold()
        self._by_closing = (
            wanted.closed_from is not None or wanted.closed_to is not None
        ) and self._status != OPEN
        first, last = wanted.started_from, wanted.started_to
        if self._by_closing:
            first, last = wanted.closed_from, wanted.closed_to
        self.low = 0 if first is None else first_key(first)
        self.high = LATEST_KEY if last is None else first_key(last + 1)
        if wanted.before is not None:
            self.high = min(self.high, wanted.before)
        self._labels = self._most_selective()
        self.is_by_time_only = not self._by_closing and not (
            wanted.type_name or wanted.tag or wanted.workflow_id or wanted.text
        )

    def _most_selective(self) -> list[Label]:
        """Return the labels of the criterion that the fewest executions meet."""
        wanted, visibility = self._wanted, self._visibility
        criteria: list[list[Label]] = [[("status", status) for status in STATUSES]]
        if self._status:
            criteria.append([("status", self._status)])
        if wanted.type_name:
            versions = [wanted.type_version] if wanted.type_version else None
            if versions is None:
                versions = visibility.versions_of(wanted.type_name)
            criteria.append([("type", wanted.type_name, each) for each in versions])
        if wanted.tag:
            criteria.append([("tag", wanted.tag)])
        return min(criteria, key=lambda labels: sum(map(visibility.count_of, labels)))

    def found(self) -> Iterator[tuple[int, Any]]:
        """Yield the executions below `high`, the newest first."""
        if self._wanted.workflow_id:
            runs = self._visibility.runs_of(self._wanted.workflow_id)
            keyed = ((first_key(run.started_at) | run.number, run) for run in runs)
            return (each for each in keyed if self.low <= each[0] < self.high)
        return self._visibility.browse(
            self._labels, self.low, self.high, by_closing=self._by_closing
        )

    def matches(self, execution: Any) -> bool:
        """Return whether an execution meets all criteria."""
        wanted = self._wanted
        if self._status and (execution.close_status or OPEN) != self._status:
            return False
        name, version = execution.workflow_type
        if wanted.type_name and name != wanted.type_name:
            return False
        if wanted.type_version and version != wanted.type_version:
            return False
        if wanted.tag and wanted.tag not in execution.tags:
            return False
        if not _within(execution.started_at, wanted.started_from, wanted.started_to):
            return False
        if wanted.closed_from is not None or wanted.closed_to is not None:
            closed_at = execution.closed_at
            if closed_at is None or not _within(closed_at, wanted.closed_from, wanted.closed_to):
                return False
        if not self._text:
            return True
        words = (execution.workflow_id, execution.run_id, name, version, *execution.tags)
        return any(self._text in word.casefold() for word in words)


def _within(instant: int, first: int | None, last: int | None) -> bool:
    return (first is None or first <= instant) and (last is None or instant <= last)

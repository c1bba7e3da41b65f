"""Visibility: the List and Count operations of open and closed executions.

An execution's place in a list is a key made of a time and a count. So keys are in the order of the
list, and a page token only needs the last key shown (keyset pagination): executions that come and
go in between do not move the others. Every query is answered from an index, without a scan.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from flowy_sim._engine.model import enum
from flowy_sim._engine.tokens import page_size

if TYPE_CHECKING:
    from flowy_sim._engine.engine import Engine
    from flowy_sim._engine.limits import Limits

#: A label that executions share: ("status", status), ("type", name, version) or ("tag", tag).
Label = tuple[str, ...]

OPEN: Label = ("status", "OPEN")

#: The bits of a key that hold the count; those above hold the time.
_COUNT_BITS = 40
_LATEST = 1 << 62
LATEST_KEY = _LATEST << _COUNT_BITS
"""A key after that of any execution."""
_LARGEST_BLOCK = 1024
_last = itemgetter(-1)


class Visible(Protocol):
    """What the lists need to know about an execution.

    Attributes:
        number: counts a domain's executions in the order of their start.
        started_at: milliseconds since the epoch.
        close_number: counts them in the order of their close; None while open.
        closed_at: milliseconds since the epoch; None while open.
        workflow_id, run_id: its IDs.
        workflow_type: the name and version of its type.
        tags: its tags.
        close_status: None while open.
    """

    number: int
    close_number: int | None
    closed_at: int | None
    workflow_id: str
    run_id: str
    close_status: str | None

    @property
    def started_at(self) -> int: ...
    @property
    def workflow_type(self) -> tuple[str, str]: ...
    @property
    def tags(self) -> tuple[str | None, ...]: ...
    def info(self) -> dict[str, Any]:
        """Return the ``executionInfo`` of a reply."""


def by_start(execution: Visible) -> int:
    """Return the key of an execution among those in the order of their start."""
    return execution.started_at << _COUNT_BITS | execution.number


def first_key(instant: int) -> int:
    """Return the lowest key of an instant in milliseconds since the epoch."""
    return instant << _COUNT_BITS


def by_close(execution: Visible) -> int:
    """Return the key of a closed execution among those in the order of their close."""
    return execution.closed_at << _COUNT_BITS | execution.close_number  # type: ignore[operator]


#: The number of changed executions after which they are listed even if no client asks, so that a
#: query never has to list more.
_MOST_UNLISTED = 1_000


class SortedKeys:
    """A sorted set of numbers, kept in blocks so that no change moves more than one block.

    In one long list, each change would move all keys after it. This is the design of SortedList in
    the library sortedcontainers, reduced to what visibility needs.

    >>> keys = SortedKeys()
    >>> for key in (3, 1, 2):
    ...     keys.add(key)
    >>> list(keys.between(1, 3)), list(keys.between(1, 4, descending=True)), keys.count(2, 9)
    ([1, 2], [3, 2, 1], 2)
    """

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: list[list[int]] = []

    def __bool__(self) -> bool:
        """Whether it holds any number."""
        return bool(self._blocks)

    def add(self, key: int) -> None:
        """Add a number that is not there."""
        blocks = self._blocks
        if not blocks:
            blocks.append([key])
            return
        at = len(blocks) - 1
        if key > blocks[at][-1]:
            blocks[at].append(key)
        else:
            at = bisect_left(blocks, key, key=_last)
            insort(blocks[at], key)
        block = blocks[at]
        if len(block) > _LARGEST_BLOCK:
            half = len(block) // 2
            blocks[at : at + 1] = [block[:half], block[half:]]

    def extend(self, keys: list[int]) -> None:
        """Add numbers that are not there, in little time if they come after all others."""
        keys.sort()
        blocks = self._blocks
        if len(keys) > _LARGEST_BLOCK or (blocks and keys[0] < blocks[-1][-1]):
            for key in keys:
                self.add(key)
        elif blocks and len(blocks[-1]) + len(keys) <= _LARGEST_BLOCK:
            blocks[-1] += keys
        else:
            blocks.append(keys)

    def remove(self, key: int) -> None:
        """Remove a number that is there."""
        at = bisect_left(self._blocks, key, key=_last)
        block = self._blocks[at]
        del block[bisect_left(block, key)]
        if not block:
            del self._blocks[at]

    def between(self, low: int, high: int, descending: bool = False) -> Iterator[int]:
        """Yield the numbers from `low` up to but without `high`, in either direction."""
        first, start = self._find(low)
        last, stop = self._find(high)
        places = range(first, min(last + 1, len(self._blocks)))
        for at in reversed(places) if descending else places:
            block = self._blocks[at][start if at == first else 0 : stop if at == last else None]
            yield from reversed(block) if descending else block

    def count(self, low: int, high: int) -> int:
        """Return how many numbers there are from `low` up to but without `high`."""
        if low >= high:
            return 0
        first, start = self._find(low)
        last, stop = self._find(high)
        return sum(map(len, self._blocks[first:last])) - start + stop

    def _find(self, key: int) -> tuple[int, int]:
        """Return the block and the index in it where a number is or would be."""
        at = bisect_left(self._blocks, key, key=_last)
        return at, bisect_left(self._blocks[at], key) if at < len(self._blocks) else 0


class Listing:
    """Executions in one order, all together and by labels.

    Args:
        key: returns an execution's place in the order.
    """

    def __init__(self, key: Callable[[Visible], int]) -> None:
        self.key = key
        self._executions: dict[int, Visible] = {}
        self._groups: dict[Label, SortedKeys] = {}

    def add(self, execution: Visible, labels: Iterable[Label]) -> None:
        """Add an execution to the groups of its labels."""
        key = self.key(execution)
        self._executions[key] = execution
        for label in labels:
            self._group(label).add(key)

    def extend(self, executions: dict[int, Visible], keys: Mapping[Label, list[int]]) -> None:
        """Add executions.

        Args:
            executions: by their keys.
            keys: those in each group; the lists are kept.
        """
        self._executions |= executions
        for label, of_label in keys.items():
            self._group(label).extend(of_label)

    def _group(self, label: Label) -> SortedKeys:
        group = self._groups.get(label)
        if group is None:
            group = self._groups[label] = SortedKeys()
        return group

    def remove(self, execution: Visible, labels: Iterable[Label]) -> None:
        """Remove an execution that was added with these labels."""
        key = self.key(execution)
        del self._executions[key]
        for label in labels:
            group = self._groups[label]
            group.remove(key)
            if not group:
                del self._groups[label]

    def find(
        self, labels: Iterable[Label], low: int, high: int, descending: bool
    ) -> Iterator[Visible]:
        """Yield the executions with one of the labels and a key from `low` up to `high`."""
        groups = [self._groups[label] for label in labels if label in self._groups]
        keys = [group.between(low, high, descending) for group in groups]
        return map(self._executions.__getitem__, merge(*keys, reverse=descending))

    def count(self, labels: Iterable[Label], low: int, high: int) -> int:
        """Return the number of executions that `find` would yield."""
        groups = self._groups
        return sum(groups[label].count(low, high) for label in labels if label in groups)


class Visibility:
    """The executions of one domain: open ones, and closed ones that are still retained.

    Args:
        limits: the maximum page size and the maximum count.
        open_executions: the open ones, by workflow ID.
    """

    def __init__(self, limits: Limits, open_executions: Mapping[str, Visible]) -> None:
        self._limits = limits
        self._open_executions = open_executions
        self._open = Listing(by_start)
        self._closed = Listing(by_start)
        self._closed_by_close = Listing(by_close)
        # Runs of one workflow ID never overlap: they close in the order in which they start.
        self._closed_runs: dict[str, list[Visible]] = {}
        self._versions: dict[str, dict[str, None]] = {}
        # Executions that `_list` has yet to put in order, and whether they are listed as open.
        self._unlisted: dict[Visible, bool] = {}

    @property
    def is_in_use(self) -> bool:
        """Whether executions have been put in order, because something has asked for them."""
        return bool(self._versions)

    def opened(self, execution: Visible) -> None:
        """Show an execution that has just started."""
        self._unlisted[execution] = False
        if len(self._unlisted) >= _MOST_UNLISTED:
            self._list()

    def closed(self, execution: Visible) -> None:
        """Show an execution that has just closed as closed."""
        self._unlisted.setdefault(execution, True)
        if len(self._unlisted) >= _MOST_UNLISTED:
            self._list()

    def _list(self) -> None:
        """Put executions in order that have started or closed since this was last called.

        Doing so late saves work: many executions start and close before anything asks for them.
        """
        opened: dict[int, Visible] = {}
        keys: dict[Label, list[int]] = {}
        for execution, is_listed in self._unlisted.items():
            labels = _labels(execution)
            if is_listed:
                self._open.remove(execution, [OPEN, *labels])
            if execution.close_status is not None:
                self._add_closed(execution, labels)
                continue
            # They come in the order of their start, and many of them have the same labels.
            key = by_start(execution)
            opened[key] = execution
            for label in labels:
                if label in keys:
                    keys[label].append(key)
                else:
                    keys[label] = [key]
        self._unlisted.clear()
        if opened:
            self._note_versions(keys)
            self._open.extend(opened, {OPEN: list(opened), **keys})

    def closed_before(self, execution: Visible) -> None:
        """Show a closed execution that was never shown as open, when an engine is restored."""
        self._add_closed(execution, _labels(execution))

    def _note_versions(self, labels: Iterable[Label]) -> None:
        for kind, *names in labels:
            if kind == "type":
                name, version = names
                self._versions.setdefault(name, {})[version] = None

    def _add_closed(self, execution: Visible, labels: list[Label]) -> None:
        self._note_versions(labels[:1])
        labels.append(("status", str(execution.close_status)))
        self._closed.add(execution, labels)
        self._closed_by_close.add(execution, labels)
        insort(self._closed_runs.setdefault(execution.workflow_id, []), execution, key=by_start)

    def removed(self, execution: Visible) -> None:
        """Stop showing a closed execution."""
        self._list()
        labels = [*_labels(execution), ("status", str(execution.close_status))]
        self._closed.remove(execution, labels)
        self._closed_by_close.remove(execution, labels)
        runs = self._closed_runs[execution.workflow_id]
        runs.remove(execution)
        if not runs:
            del self._closed_runs[execution.workflow_id]

    def browse(
        self,
        labels: Iterable[Label],
        low: int = 0,
        high: int = LATEST_KEY,
        *,
        by_closing: bool = False,
    ) -> Iterator[tuple[int, Visible]]:
        """Yield open and closed executions together, the newest first, each with its key.

        Nothing may start, close or be removed while it yields.

        Args:
            labels: each execution that is yielded has one of them; none may have two.
            low: the lowest key.
            high: the key after the greatest.
            by_closing: whether to order the closed ones by the time of their close, and to yield
                no others.
        """
        self._list()
        labels = list(labels)
        if by_closing:
            for execution in self._closed_by_close.find(labels, low, high, True):
                yield by_close(execution), execution
            return
        found = [each.find(labels, low, high, True) for each in (self._open, self._closed)]
        for execution in merge(*found, key=by_start, reverse=True):
            yield by_start(execution), execution

    def count_of(self, label: Label, low: int = 0, high: int = LATEST_KEY) -> int:
        """Return the number of executions with a label, open and closed, by their start."""
        self._list()
        return sum(each.count([label], low, high) for each in (self._open, self._closed))

    def runs_of(self, workflow_id: str) -> list[Visible]:
        """Return all runs of a workflow ID, the newest first."""
        self._list()
        return [*self._open_runs(workflow_id), *self._closed_runs.get(workflow_id, ())[::-1]]

    def versions_of(self, name: str) -> list[str]:
        """Return the versions of a workflow type in which executions were started."""
        self._list()
        return list(self._versions.get(name, ()))

    def page(
        self, request: dict[str, Any], closed: bool, after: int | None = None
    ) -> tuple[list[Visible], int | None]:
        """Return a page of the executions that a request asks for.

        Args:
            request: a checked List request.
            closed: whether it asks for closed executions.
            after: where the page before ended, or None.

        Returns:
            The executions in the order asked for, and where the page ends; None on the last page.
        """
        self._list()
        listing, low, high = self._listing(request, closed)
        descending = not request.get("reverseOrder")
        if after is not None:
            low, high = (low, min(high, after)) if descending else (max(low, after + 1), high)
        if "executionFilter" in request:
            runs = self._runs(listing, request, closed, low, high)
            found: Iterable[Visible] = reversed(runs) if descending else runs
        else:
            found = listing.find(self._sought(request, closed), low, high, descending)
        size = page_size(request, self._limits.page)
        shown = list(islice(found, size + 1))
        if len(shown) <= size:
            return shown, None
        shown.pop()
        return shown, listing.key(shown[-1])

    def count(self, request: dict[str, Any], closed: bool) -> dict[str, Any]:
        """Return the reply to a checked Count request."""
        self._list()
        listing, low, high = self._listing(request, closed)
        if "executionFilter" in request:
            count = len(self._runs(listing, request, closed, low, high))
        else:
            count = listing.count(self._sought(request, closed), low, high)
        most = self._limits.counted
        return {"count": min(count, most), "truncated": count > most}

    def _listing(self, request: dict[str, Any], closed: bool) -> tuple[Listing, int, int]:
        """Return the listing in the order asked for, and the keys within the times asked for."""
        times = request.get("startTimeFilter")
        listing = self._closed if closed else self._open
        if times is None:
            times, listing = request["closeTimeFilter"], self._closed_by_close
        # Assumption: time-bounds: both times are within the range.
        latest = times.get("latestDate", _LATEST)
        return listing, times["oldestDate"] << _COUNT_BITS, latest + 1 << _COUNT_BITS

    def _runs(
        self, listing: Listing, request: dict[str, Any], closed: bool, low: int, high: int
    ) -> list[Visible]:
        workflow_id = request["executionFilter"]["workflowId"]
        of_closed = self._closed_runs.get(workflow_id, [])
        runs = of_closed if closed else self._open_runs(workflow_id)
        first = bisect_left(runs, low, key=listing.key)
        return runs[first : bisect_left(runs, high, key=listing.key)]

    def _open_runs(self, workflow_id: str) -> list[Visible]:
        """Return the runs of a workflow ID that are open, which is one at most."""
        found = self._open_executions.get(workflow_id)
        return [] if found is None else [found]

    def _sought(self, request: dict[str, Any], closed: bool) -> list[Label]:
        """Return labels: each execution asked for has exactly one, and all others have none."""
        if "typeFilter" in request:
            name, version = request["typeFilter"]["name"], request["typeFilter"].get("version")
            versions = self._versions.get(name, {}) if version is None else (version,)
            return [("type", name, version) for version in versions]
        if "tagFilter" in request:
            return [("tag", request["tagFilter"]["tag"])]
        if "closeStatusFilter" in request:
            return [("status", request["closeStatusFilter"]["status"])]
        return [("status", status) for status in enum("CloseStatus")] if closed else [OPEN]


def _labels(execution: Visible) -> list[Label]:
    """Return the labels of an execution's type, which is the first, and of its tags."""
    kind: Label = ("type", *execution.workflow_type)
    tags = execution.tags
    if not tags:
        return [kind]
    return [kind, *[("tag", tag) for tag in dict.fromkeys(tags) if tag is not None]]


def list_open_workflow_executions(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListOpenWorkflowExecutions."""
    return _list(engine, "ListOpenWorkflowExecutions", request, closed=False)


def list_closed_workflow_executions(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out ListClosedWorkflowExecutions."""
    return _list(engine, "ListClosedWorkflowExecutions", request, closed=True)


def count_open_workflow_executions(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountOpenWorkflowExecutions."""
    return engine.domain(request["domain"]).visibility.count(request, closed=False)


def count_closed_workflow_executions(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out CountClosedWorkflowExecutions."""
    return engine.domain(request["domain"]).visibility.count(request, closed=True)


def _list(engine: Engine, operation: str, request: dict[str, Any], closed: bool) -> dict[str, Any]:
    visibility = engine.domain(request["domain"]).visibility
    after = None
    if "nextPageToken" in request:
        (after,) = engine.page_tokens.read(operation, engine.now, request["nextPageToken"])
    shown, end = visibility.page(request, closed, after)
    reply: dict[str, Any] = {"executionInfos": [execution.info() for execution in shown]}
    if end is not None:
        reply["nextPageToken"] = engine.page_tokens.write(operation, engine.now, [end])
    return reply

"""What a page shows of an exploration: how a test fails, and what was tried and covered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from flowy._safe_text import safe_text
from flowy_sim._report import page as _page
from flowy_sim._report.layout import duration
from flowy_sim._report.run_view import ReportedRun, RunView

_COLUMN, _HEIGHT = 20, 40
"""Width and height of a column of the strip, in units of its picture."""
_WORDS = 300
"""The maximum number of characters of what happened up to a point."""
_GAP = 4
"""Lines that were not measured, up to which the lines around them are shown together."""


class ReportedPoint(NamedTuple):
    """A point of a run that fails, from which it was continued in different ways.

    Attributes:
        at: when, in milliseconds since the beginning of the run.
        words: what has happened since the point before.
        failed: how many of the continuations fail.
        tried: the number of continuations.
    """

    at: int
    words: Sequence[str]
    failed: int
    tried: int

    @property
    def share(self) -> float:
        """The share of the continuations that fail."""
        return self.failed / self.tried


class ReportedAttempt(NamedTuple):
    """One run of an explored test.

    Attributes:
        runs: its executions.
        story: what happened.
        output: what user code has logged and printed.
    """

    runs: Sequence[ReportedRun]
    story: Sequence[str]
    output: Sequence[str] = ()


class ReportedLine(NamedTuple):
    """A line of source: its number and text, whether it never ran, and what is to be said of it."""

    number: int
    source: str
    never_ran: bool
    note: str


class ReportedFile(NamedTuple):
    """The lines of a file that were measured, and those around them."""

    name: str
    lines: Sequence[ReportedLine]


class ReportedExploration(NamedTuple):
    """An exploration to be reported.

    Attributes:
        name: the name of the test or workflow.
        summary: how much was explored.
        notes: what was tried, and what was not or never happened.
        endings: how executions ended, and how many of them.
        files: the code that was measured.
        outcomes: the outcomes that what was called has had, as lines.
        error: what it failed with; empty if it did not fail.
        repeat: how to repeat the run that fails.
        failing: that run.
        passing: the simplest run that passes; None if none is known.
        points: points of the run that fails, in order.
    """

    name: str
    summary: str
    notes: Sequence[str] = ()
    endings: Sequence[tuple[str, int]] = ()
    files: Sequence[ReportedFile] = ()
    outcomes: Sequence[str] = ()
    error: str = ""
    repeat: str = ""
    failing: ReportedAttempt | None = None
    passing: ReportedAttempt | None = None
    points: Sequence[ReportedPoint] = ()

    def redacted(self) -> ReportedExploration:
        """Return it without what may show inputs, results or details."""
        return self._replace(
            endings=(),
            error=self.error.partition(":")[0],
            failing=_redacted(self.failing),
            passing=_redacted(self.passing),
            points=[each._replace(words=()) for each in self.points],
        )


def _redacted(attempt: ReportedAttempt | None) -> ReportedAttempt | None:
    runs = [] if attempt is None else [run.redacted() for run in attempt.runs]
    return attempt and attempt._replace(runs=runs, story=(), output=())


def page(
    explorations: Iterable[ReportedExploration],
    runs: Iterable[ReportedRun],
    title: str,
    notes: Sequence[str] = (),
    *,
    redact: bool = False,
) -> str:
    """Return a page about explorations, and runs after them.

    Args:
        explorations: the explorations, in the order in which they are shown.
        runs: the runs, in the order in which they are shown.
        title: the title of the page.
        notes: sentences about it, such as what was left out.
        redact: whether to leave out inputs, results and details, and say so.
    """
    views = [
        ExplorationView(each.redacted() if redact else each, f"x{number}")
        for number, each in enumerate(explorations, 1)
    ]
    return _page.page(runs, title, notes, redact=redact, explorations=views)


class PointRange(NamedTuple):
    """Points that follow each other, with the same share of continuations that fail."""

    at: str
    words: str
    failing: str
    share: float
    is_deciding: bool


class AttemptView:
    """What a page shows of a run of an explored test.

    Args:
        title: what to call it.
        attempt: the run.
        other: the run that it is compared with, if there is one.
        views: the views of its executions.
    """

    def __init__(
        self,
        title: str,
        attempt: ReportedAttempt,
        other: ReportedAttempt | None,
        views: Sequence[RunView],
    ) -> None:
        self.title = title
        self.runs = views
        self.output = [safe_text(line) for line in attempt.output]
        same = 0
        if other is not None:
            pairs = zip(attempt.story, other.story, strict=False)
            same = next((i for i, (one, two) in enumerate(pairs) if one != two), 0)
        self.story = [
            (safe_text(line), "! " in line[:16], 0 < same == index)
            for index, line in enumerate(attempt.story)
        ]


class ExplorationView:
    """What a page shows of an exploration.

    Args:
        exploration: the exploration.
        anchor: what the anchors of its parts begin with.
    """

    def __init__(self, exploration: ReportedExploration, anchor: str) -> None:
        self.anchor = anchor
        self.name = safe_text(exploration.name)
        self.summary = exploration.summary
        self.notes = [safe_text(note).partition(": ")[::2] for note in exploration.notes]
        self.endings = [(safe_text(ending), count) for ending, count in exploration.endings]
        self.files = exploration.files
        self.outcomes = [safe_text(line) for line in exploration.outcomes]
        self.error = safe_text(exploration.error)
        self.repeat = safe_text(exploration.repeat)
        self.attempts: list[AttemptView] = []
        failing, passing = exploration.failing, exploration.passing
        if failing is not None:
            views = list(_views(failing, f"{anchor}f"))
            self.attempts.append(AttemptView("The run that fails", failing, passing, views))
        if failing is not None and passing is not None:
            views = list(_views(passing, f"{anchor}p"))
            title = "The simplest run that passes"
            self.attempts.append(AttemptView(title, passing, failing, views))
        self.points = list(exploration.points)
        self.deciding = _deciding(self.points)
        self.moments = list(self._moments())

    @property
    def runs(self) -> list[RunView]:
        """All executions of it that are shown."""
        return [view for attempt in self.attempts for view in attempt.runs]

    @property
    def verdict(self) -> str:
        """Whether it has failed, in a word."""
        return "failed" if self.error else "passed"

    @property
    def strip_width(self) -> int:
        """The width of the strip's picture."""
        return len(self.points) * _COLUMN

    @property
    def strip(self) -> str:
        """A path with a column for each point, as high as many continuations fail."""
        columns = []
        for index, point in enumerate(self.points):
            height = round(point.share * (_HEIGHT - 2)) + 1
            columns.append(f"M{index * _COLUMN + 1} {_HEIGHT}v-{height}h{_COLUMN - 2}v{height}Z")
        return "".join(columns)

    @property
    def deciding_place(self) -> float:
        """Where the deciding point is in the strip, from 0 to 100 percent."""
        return round((self.deciding + 0.5) * 100 / len(self.points), 2)

    @property
    def lost(self) -> str:
        """A sentence about the deciding moment, or that there is none."""
        if not self.deciding:
            return f"No moment decides: from the start, {_count(self.points[0])} fail."
        before, after = self.points[self.deciding - 1], self.points[self.deciding]
        return (
            f"The run is lost {duration(after.at)} after the start: before, {_count(before)} "
            f"fail; after, {_count(after)}."
        )

    def _moments(self) -> Iterator[PointRange]:
        numbered = list(enumerate(self.points))
        for key, group in groupby(
            numbered, lambda each: (each[0] == self.deciding != 0, each[1].failed, each[1].tried)
        ):
            points = [point for _, point in group]
            first, last = points[0], points[-1]
            words = " · ".join(each for point in points for each in point.words)
            at = duration(first.at)
            if last.at != first.at:
                at = f"{at} to {duration(last.at)}"
            yield PointRange(
                at, safe_text(words, _WORDS) or "…", f"{_count(last)} fail", last.share, key[0]
            )


def _count(point: ReportedPoint) -> str:
    return f"{point.failed} of {point.tried} continuations"


def _deciding(points: Sequence[ReportedPoint]) -> int:
    """Return the index of the point at which the share rises most; 0 if it never rises."""
    rises = [after.share - before.share for before, after in pairwise(points)]
    most = max(rises, default=0)
    return rises.index(most) + 1 if most > 0 else 0


def _views(attempt: ReportedAttempt, anchor: str) -> Iterator[RunView]:
    for number, run in enumerate(attempt.runs, 1):
        yield RunView(run, f"{anchor}{number}")


def listing(
    source: Sequence[str], measured: Sequence[int], never: Sequence[int], notes: dict[int, str]
) -> list[ReportedLine]:
    """Return the lines of a file that were measured, with those between and just before them.

    Args:
        source: all lines of the file.
        measured: the numbers of the lines that were measured, from 1.
        never: the numbers of those that never ran.
        notes: what is to be said of lines.
    """
    shown: list[int] = []
    for line in measured:
        begin = shown[-1] + 1 if shown and line - shown[-1] <= _GAP else line - 1
        shown += range(max(begin, 1), min(line, len(source)) + 1)
    missing = set(never)
    return [
        ReportedLine(line, source[line - 1].rstrip("\n"), line in missing, notes.get(line, ""))
        for line in dict.fromkeys(shown)
    ]

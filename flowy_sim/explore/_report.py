"""The report of an exploration: how much it covered, and how the test fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from flowy.errors import NonDeterminismError
from flowy_sim._events.schema import attributes_of
from flowy_sim.explore._choices import Deviation, format_choices
from flowy_sim.explore._code_coverage import CoveredFile, never_run
from flowy_sim.explore._story import headline
from flowy_sim.testing import Runner
from flowy_sim.testing._coverage import Coverage, StubUsage, observe
from flowy_sim.testing._history_files import LoadedHistory
from flowy_sim.testing._run import Run

_NOT_REPEATABLE = (
    "It did not fail when it was run again with the same choices, so the test is not repeatable. "
    "It may use random numbers or real time, or keep state from one run to the next."
)


_KEEPS_STATE = (
    "It did not fail when it was run again with the same choices. The cause is in the workflow, "
    "not in the test: its decisions depend on something other than its history, such as a variable "
    "of a module that keeps its value from one execution to the next."
)


SURVIVES = (
    "The first run made the same choices and passed. So some state survives from one run to the "
    "next: a variable of a module or class, or one that the test does not create again."
)


SURVIVES_IN_WORKFLOW = (
    "The first run made the same choices and passed. The cause is in the workflow, not in the "
    "test: in {where}, it makes another decision, so it depends on state that survives from one "
    "execution to the next, such as a variable of a module."
)


FAILS_OTHERWISE = (
    "With the same choices, it failed in another way when it was run again: {headline}. So "
    "something keeps its value from one run to the next: probably a variable of a module or class, "
    "or an object in a cache, that a workflow or the test changes."
)


_MOST_NOTED = 8
"""The number of things of one kind that a note names."""


@dataclass(frozen=True)
class Failure:
    """How a test fails, with the fewest choices that make it fail.

    Attributes:
        error: the exception that the test raised.
        choices: the choices of the failing run that are not the first possibility.
        story: what happened in that run, in a few lines.
        repeat: the command or call that repeats the run.
        repeatable: whether the test fails each time with the same choices.
        why: why the failure is not repeatable, if that is known.
        histories: the histories of the executions in the failing run.
        output: what user code logged and printed in the failing run.
    """

    error: BaseException
    choices: tuple[Deviation, ...]
    story: tuple[str, ...]
    repeat: str
    repeatable: bool = True
    histories: tuple[LoadedHistory, ...] = ()
    output: tuple[str, ...] = ()
    why: str = ""

    def lines(self) -> list[str]:
        """Return the story, what was logged and printed, and how to repeat the run."""
        last = f"repeat: {self.repeat}" if self.repeatable else self._why_not()
        return [*self.story, *(("logged:", *self.output) if self.output else ()), last]

    def _why_not(self) -> str:
        """Explain why the failure cannot be repeated."""
        if self.why:
            return self.why
        is_workflows = isinstance(self.error, NonDeterminismError)
        return _KEEPS_STATE if is_workflows else _NOT_REPEATABLE

    def __str__(self) -> str:
        return "\n".join((headline(self.error), *self.lines()))


@dataclass(frozen=True)
class Space:
    """What the space of an exploration consists of, apart from orders.

    Attributes:
        faults: the faults that may strike.
        most_faults: how many of them may strike in one run.
        other_faults: the names of the kinds of faults that are not among them.
    """

    faults: tuple[str, ...] = ()
    most_faults: int = 0
    other_faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exploration:
    """The report of an exploration.

    Attributes:
        runs: the number of runs.
        states: the number of different states that were seen between two turns.
        seconds: how long the exploration took, in real seconds.
        share: the share of the space that was covered: the probability that a random run, in which
            a fault strikes one time in a hundred, equals one of the runs.
        complete: whether the whole space was covered.
        endings: how executions ended, and how many of them.
        failure: how the test fails; None if it did not fail.
        unreached: the given choices that the run never reached.
        space: what the space consists of, apart from orders.
        struck: in how many runs each fault struck.
        met: in how many runs each condition of `Runner.sometimes` was true.
        growth: sentences about executions that grow with each signal or each run that continues
            as new, and will reach a limit, although nothing has failed yet.
        code: which lines and branches of workflows, and of code that polls with its own loop, have
            run, for each file; None if that was not measured.
    """

    runs: int
    states: int
    seconds: float
    share: float
    complete: bool
    endings: Counter[str] = field(default_factory=Counter, compare=False)
    failure: Failure | None = None
    unreached: tuple[Deviation, ...] = ()
    space: Space = Space()
    struck: Counter[str] = field(default_factory=Counter, compare=False)
    met: Counter[str] = field(default_factory=Counter, compare=False)
    growth: tuple[str, ...] = field(default=(), compare=False)
    code: tuple[CoveredFile, ...] | None = field(default=(), compare=False)

    @property
    def never_struck(self) -> list[str]:
        """The faults that have struck in no run."""
        return [each for each in self.space.faults if not self.struck[each]]

    @property
    def never_met(self) -> list[str]:
        """The conditions of `Runner.sometimes` that were true in no run."""
        return [each for each, count in self.met.items() if not count]

    def notes(self) -> list[str]:
        """Return what was tried, what was not, and what never happened: a line for each."""
        orders = "every order of tasks and turns" if self.complete else "orders of tasks and turns"
        kinds = len(self.space.faults) if self.space.most_faults else 0
        most = min(self.space.most_faults, kinds)
        faults = f"at most {_count(most, 'fault')} of {_count(kinds, 'kind')} in a run"
        notes = {
            "Tried": [f"{orders}, with {faults if kinds else 'no faults'}"],
            "Not tried": [*filter(None, [", ".join(self.space.other_faults)]), "other arguments"],
            "Never struck": self.never_struck if kinds else [],
            "Never true": self.never_met,
            "Grows": list(self.growth),
            **never_run(self.code),
        }
        return as_notes(notes)

    @property
    def runs_per_second(self) -> float:
        """The number of runs per second."""
        return self.runs / self.seconds if self.seconds else 0.0

    def since(self, earlier: Exploration) -> Exploration:
        """Return the report without what an earlier report of the same exploration counts."""
        return replace(
            self,
            runs=self.runs - earlier.runs,
            states=self.states - earlier.states,
            share=self.share - earlier.share,
            endings=self.endings - earlier.endings,
            struck=self.struck - earlier.struck,
        )

    def describe_unreached(self) -> str:
        """Return a sentence that names the given choices that the run never reached."""
        return (
            f"the run never reached these choices: {format_choices(self.unreached)}; choices "
            "repeat a failure only with the same test, faults and code"
        )

    def __str__(self) -> str:
        part = "all of the space" if self.complete else f"{self.share:.1%} of the space"
        made = f"{_count(self.runs, 'run')} and {_count(self.states, 'state')}"
        return f"{made} in {self.seconds:.1f} s ({self.runs_per_second:,.0f} runs a second), {part}"


_MANY = 3
"""The number of signals or runs from which on growth is reported."""


def growth(runs: Iterable[Run]) -> Iterator[str]:
    """Yield sentences about executions that grow with each signal or run, and will hit a limit.

    Args:
        runs: the runs of one test.
    """
    chains: dict[str, list[Run]] = {}
    for run in runs:
        chains.setdefault(run.workflow_id, []).append(run)
    for chain in chains.values():
        last = chain[-1]
        sizes = [len(attributes_of(each.history[0]).get("input") or "") for each in chain]
        if len(sizes) > _MANY and all(one < other for one, other in pairwise(sizes)):
            yield (
                f"the input of {last.type} grows with each run that continues as new: from "
                f"{sizes[0]:,} to {sizes[-1]:,} characters in {len(sizes)} runs"
            )
        yield from _growing_payloads(last)
        names = Counter(
            each["signalName"]
            for each in last.history.find("WorkflowExecutionSignaled").attributes()
        )
        for name, count in names.items():
            if count >= _MANY and len(chain) == 1:
                events = len(last.history) // count
                yield (
                    f"{last.type} writes about {events} events for each signal {name!r}, and "
                    f"did not continue as new after {count} of them"
                )


_PAYLOADS = {
    "ActivityTaskScheduled": "activityType",
    "SignalExternalWorkflowExecutionInitiated": "",
}
"""The events of which each may carry more than the one before, and what names them."""


def _growing_payloads(run: Run) -> Iterator[str]:
    """Yield sentences about calls whose input grows from each to the next."""
    sizes: dict[str, dict[str, int]] = {}
    for event_type, named_by in _PAYLOADS.items():
        for each in run.history.find(event_type).attributes():
            named = each.get(named_by)
            name = f"{named['name']} {named['version']}" if named else "the signals that it sends"
            # Each attempt of a call has the same input, so equal ones count once.
            text = each.get("input") or ""
            sizes.setdefault(name, {}).setdefault(text, len(text))
    for name, texts in sizes.items():
        lengths = list(texts.values())
        if len(lengths) > _MANY and all(one < other for one, other in pairwise(lengths)):
            yield (
                f"the input of {name} grows with each call of {run.type}: from {lengths[0]:,} to "
                f"{lengths[-1]:,} characters in {len(lengths)} calls"
            )


class FoundError(AssertionError):
    """An explored test fails in some order or under some fault; the message explains how.

    Attributes:
        exploration: the report of the exploration.
    """

    __module__ = "flowy_sim.explore"

    def __init__(self, exploration: Exploration) -> None:
        super().__init__(f"{exploration.failure}\nfound in {exploration}")
        self.exploration = exploration


class Observations:
    """What all runs of an exploration have used and met, whether they fail or not.

    Args:
        coverage: records what the workflows have met; None to record nothing.

    Attributes:
        uses: which stubs were used.
        first: the runner of the first run, in which every choice is the first possibility; None
            before that run.
    """

    def __init__(self, coverage: Coverage | None = None) -> None:
        self.uses = StubUsage()
        self.first: Runner | None = None
        self._coverage = coverage

    def add(self, runner: Runner) -> None:
        """Add a run, up to its end or to where it was pruned."""
        if self.first is None:
            self.first = runner
        self.uses.note(
            runner.stubs, runner.stub_dispatch.called, runner.scheduler.delayed_calls.actions
        )
        if self._coverage is not None:
            observe(self._coverage, runner.simulation, runner)

    def record_outcomes(self) -> None:
        """Record the outcomes of what workflows call, if they are not recorded anyway."""
        self._coverage = self._coverage or Coverage()

    def outcomes(self) -> list[str]:
        """Return lines about the outcomes that what was called has had; none if not recorded."""
        return [] if self._coverage is None else list(self._coverage.report())

    def empty_copy(self) -> Observations:
        """Return observations of the same kind with no run in them, for another process."""
        return Observations(None if self._coverage is None else Coverage())

    def rows(self) -> tuple[Any, Any]:
        """Return the observations as plain data, to be sent to another process."""
        return self.uses.rows(), self._coverage.rows() if self._coverage is not None else []

    def merge(self, rows: tuple[Any, Any]) -> None:
        """Add the `rows` of another process."""
        uses, met = rows
        self.uses.merge(uses)
        if self._coverage is not None:
            self._coverage.merge(met)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def as_notes(notes: Mapping[str, list[str]]) -> list[str]:
    """Return a line for each note that has something to say, and not too much of it."""
    return [f"{name}: {'; '.join(_few(each))}" for name, each in notes.items() if each]


def _few(things: list[str]) -> list[str]:
    left_out = len(things) - _MOST_NOTED
    return [*things[:_MOST_NOTED], f"and {left_out} more"] if left_out > 0 else things

"""What tests have covered: outcomes of activities, children and Lambda functions, and stubs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from flowy._client import Execution
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events import spans
from flowy_sim._events.history import Event
from flowy_sim._events.schema import (
    ACTIVITY,
    CALLS,
    ENDS,
    EVENTS,
    LAMBDA,
    OPENS,
    TIMED_OUT,
    TIMEOUTS,
    attributes_of,
)
from flowy_sim._simulation.stubs import Stubs
from flowy_sim.testing import Runner
from flowy_sim.testing._registry import proxies, type_of
from flowy_sim.testing._run import history

Key = tuple[str, str, str]
"""The workflow, the kind of what it called, and the name of what it called."""

_NEVER = "NONE"

_DECISIONS = {
    event.decision: event.kind
    for event in EVENTS.values()
    if event.phase == OPENS and event.kind in CALLS
}
"""The kind of what a decision calls."""

_REFUSED = {
    event.name: _DECISIONS[event.decision]
    for event in EVENTS.values()
    if event.refuses and event.decision in _DECISIONS
}
"""The kind of what was not called, by the event that records the service's refusal."""


class Coverage:
    """Counts the outcomes of what workflows called.

    Example:
        >>> coverage = Coverage()
        >>> met = coverage.expect("order 1", "activity", "ship 1", ["completed", "failed"])
        >>> met["failed"] += 2
        >>> for line in coverage.report():
        ...     print(line)
        order 1
          activity ship 1  failed 2; never completed
        1 of 2 outcomes met
    """

    def __init__(self) -> None:
        self._possible: dict[Key, dict[str, None]] = {}
        self._met: dict[Key, Counter[str]] = {}

    def expect(
        self, workflow: str, kind: str, called: str, possible: Iterable[str] = ()
    ) -> Counter[str]:
        """Add something that a workflow may call.

        Args:
            workflow: the workflow's name and version.
            kind: ``activity``, ``child`` or ``lambda``.
            called: the name and version of what it calls.
            possible: the outcomes that are possible.

        Returns:
            The count of each outcome that has occurred.
        """
        key = workflow, kind, called
        self._possible.setdefault(key, {}).update(dict.fromkeys(possible))
        return self._met.setdefault(key, Counter())

    def add(self, events: Sequence[Event]) -> None:
        """Count the outcomes in an execution.

        Args:
            events: its whole history.
        """
        timeline = spans.read(events)
        for span in (span for row in timeline.rows for span in row.spans):
            if span.kind in CALLS:
                call = attributes_of(events[span.begun - 1])
                called, possible = _name(span.kind, call), _possible(span.kind, call)
                met = self.expect(timeline.name, span.kind, called, possible)
                ended = None if span.ended is None else events[span.ended - 1]
                if ended is not None and ended["eventType"] not in _REFUSED:
                    met[_outcome(span, ended)] += 1
        for event in events:
            kind = _REFUSED.get(event["eventType"])
            if kind is not None:
                attributes = attributes_of(event)
                met = self.expect(timeline.name, kind, _name(kind, attributes))
                met[f"refused ({attributes['cause']})"] += 1

    def merge(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add the counts of another coverage, as its `rows` returned them."""
        for workflow, kind, called, possible, met in rows:
            self.expect(workflow, kind, called, possible).update(met)

    def rows(self) -> list[list[Any]]:
        """Return all counts as plain data that can be sent to another process."""
        return [
            [*key, list(possible), dict(self._met[key])] for key, possible in self._possible.items()
        ]

    def report(self) -> Iterator[str]:
        """Yield the lines of a report, sorted by workflow."""
        known = sorted(self._possible)
        width = max((len(f"{kind} {called}") for _, kind, called in known), default=0)
        before = ""
        seen = total = 0
        for key in known:
            workflow, kind, called = key
            if workflow != before:
                before = workflow
                yield workflow
            met, possible = self._met[key], self._possible[key]
            never = [outcome for outcome in possible if outcome not in met]
            seen += len(possible) - len(never)
            total += len(possible)
            yield f"  {f'{kind} {called}':{width}}  {_sentence(met, never)}"
        yield f"{seen} of {total} outcomes met"


def observe(coverage: Coverage, simulation: Simulation, runner: Runner | None = None) -> None:
    """Count the outcomes in all executions of a simulation.

    Args:
        coverage: where to count them.
        simulation: the simulation.
        runner: the runner whose workflows are reported with the activities that they never
            called; or None.
    """
    known = runner.scheduler.worker_pools.registry if runner is not None else None
    for workflow in known.workflows.values() if known is not None else ():
        for proxy in proxies(workflow):
            name, version = type_of(proxy)
            coverage.expect(str(workflow.flowy_type), ACTIVITY, f"{name} {version}")
    client = simulation.client(poll_seconds=0)
    for execution in list(simulation.engine().executions.values()):
        ids = Execution(execution.workflow_id, execution.run_id)
        coverage.add(history(client, execution.domain.name, ids))


def _sentence(met: Counter[str], never: Sequence[str]) -> str:
    if not met and not never:
        return "never called"
    counts = ", ".join(f"{outcome} {count}" for outcome, count in met.most_common())
    missing = f"never {', '.join(_grouped(never))}" if never else ""
    return "; ".join(filter(None, (counts, missing)))


def _grouped(outcomes: Sequence[str]) -> Iterator[str]:
    """Yield the outcomes, all time-outs together as one."""
    beginning = f"{TIMED_OUT} ("
    # Only time-outs have their type in parentheses.
    time_outs = [each.removeprefix(beginning)[:-1] for each in outcomes if each[-1] == ")"]
    for outcome in outcomes:
        if outcome[-1] != ")":
            yield outcome
        elif time_outs:
            yield f"{beginning}{', '.join(time_outs)})"
            time_outs.clear()


def _outcome(span: spans.Span, ended: Event) -> str:
    if span.outcome == TIMED_OUT:
        return f"{TIMED_OUT} ({attributes_of(ended)['timeoutType']})"
    return span.outcome


def _name(kind: str, call: Mapping[str, Any]) -> str:
    if kind == LAMBDA:
        return str(call["name"])
    named = call["activityType" if kind == ACTIVITY else "workflowType"]
    return f"{named['name']} {named['version']}"


def _possible(kind: str, call: Mapping[str, Any]) -> Iterator[str]:
    """Yield the outcomes that something can have, given its settings."""
    endings = (event for event in EVENTS.values() if event.kind == kind and event.phase == ENDS)
    for outcome in dict.fromkeys(event.outcome for event in endings):
        if outcome != TIMED_OUT:
            yield outcome
        elif kind != ACTIVITY:
            yield f"{TIMED_OUT} (START_TO_CLOSE)"
        else:
            for name, member in TIMEOUTS.items():
                if call.get(member, _NEVER) != _NEVER:
                    yield f"{TIMED_OUT} ({name})"


_ACTION = "action"


class StubUsageRow(NamedTuple):
    """The usage of one stub, as plain data.

    Attributes:
        kind, name, version: those of the stub; or of an action of `Runner.after`.
        own: whether it has answered a call that fits no case; or whether the action was called.
        cases: each case, and whether it has answered a call.
    """

    kind: str
    name: str
    version: str
    own: bool
    cases: tuple[tuple[str, bool], ...]

    def __add__(self, other: Any) -> StubUsageRow:
        """Return the usage of the same stub in two runs together."""
        # A test may add cases in some runs only.
        most = max(self.cases, other.cases, key=len)
        both = zip(self.cases, other.cases, strict=False)
        cases = [(name, mine or theirs) for (name, mine), (_, theirs) in both]
        return self._replace(own=self.own or other.own, cases=(*cases, *most[len(cases) :]))

    def unused(self) -> list[str]:
        """Name the parts of the stub that have answered no call."""
        if self.kind == _ACTION:
            return [] if self.own else [f"the action of {self.name}"]
        stub = f"the stub of {self.name} {self.version}".rstrip()
        unused = [f"{case} of {stub}" for case, used in self.cases if not used]
        return unused if self.own or len(unused) < len(self.cases) else [stub]


class StubUsage:
    """Records which stubs, and which actions of `Runner.after`, were used in one or more runs.

    Example:
        ::

            usage = StubUsage()
            usage.note(runner.stubs, runner.stub_dispatch.called)
            assert usage.unused() == []
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], StubUsageRow] = {}
        self._called: dict[str, None] = {}

    def note(
        self, stubs: Stubs, called: Iterable[str] = (), actions: Mapping[str, bool] | None = None
    ) -> None:
        """Add the usage of a run.

        Args:
            stubs: the stubs of the run.
            called: what it has called, such as ``resize 1``.
            actions: its actions, and whether each was called.
        """
        rows = [
            StubUsageRow(stub.kind, stub.name, stub.version, stub.used, stub.cases_used())
            for stub in stubs
        ]
        given = actions or {}
        rows += [StubUsageRow(_ACTION, name, "", done, ()) for name, done in given.items()]
        self.merge((rows, called))

    def rows(self) -> tuple[list[StubUsageRow], list[str]]:
        """Return everything as plain data, to be sent to another process."""
        return list(self._rows.values()), list(self._called)

    def merge(self, noted: tuple[Iterable[StubUsageRow], Iterable[str]]) -> None:
        """Add the `rows` of another process."""
        rows, called = noted
        for row in rows:
            key = row[:3]
            self._rows[key] = self._rows[key] + row if key in self._rows else row
        self._called.update(dict.fromkeys(called))

    def unused(self, *, misnamed: bool = False) -> list[str]:
        """Return a sentence for each unused stub or case, with the nearest name that was called.

        Args:
            misnamed: whether to return only those whose name was probably misspelled.
        """
        known = {label.removeprefix("child ").rpartition(" ")[0]: label for label in self._called}
        sentences = []
        for row in self._rows.values():
            label = f"{row.name} {row.version}".rstrip()
            is_known = label in known.values() or row.kind == _ACTION
            # A stub that is not used because its name is misspelled answers for nothing. That is
            # worse than one that a run did not need.
            near = () if is_known else get_close_matches(row.name, known, 1)
            nearest = f"; the nearest that was called is {known[near[0]]}" if near else ""
            verb = "called: the test ended before" if row.kind == _ACTION else "used"
            if near or not misnamed:
                sentences += [f"{part} was never {verb}{nearest}" for part in row.unused()]
        return sentences

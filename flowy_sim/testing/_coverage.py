"""Coverage of a workflow's world: what its activities and children have met, and what never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flowy._client import Execution
from flowy_sim._events import spans
from flowy_sim._events.history import Event
from flowy_sim._events.vocabulary import (
    ACTIVITY,
    CANCELED,
    CHILD,
    COMPLETED,
    FAILED,
    LAMBDA,
    TERMINATED,
    TIMED_OUT,
    attributes_of,
)
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing import Runner
from flowy_sim.testing._registry import proxies, type_of
from flowy_sim.testing._run import history
from flowy_sim.testing._stub_answers import TIME_OUTS

Key = tuple[str, str, str]
"""The workflow; what kind of thing it called; what that was."""

_REFUSED = {
    "ScheduleActivityTaskFailed": (ACTIVITY, "activityType"),
    "StartChildWorkflowExecutionFailed": (CHILD, "workflowType"),
}
_NEVER = "NONE"


class Coverage:
    """What was met, how often.

    Example:
        >>> coverage = Coverage()
        >>> met = coverage.know("order 1", "activity", "ship 1", ["completed", "failed"])
        >>> met["failed"] += 2
        >>> for line in coverage.report():
        ...     print(line)
        order 1
          activity ship 1  failed 2; never completed
        1 of 2 outcomes met
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._possible: dict[Key, dict[str, None]] = {}
        self._met: dict[Key, Counter[str]] = {}

    def know(
        self, workflow: str, kind: str, called: str, possible: Iterable[str] = ()
    ) -> Counter[str]:
        """Note that a workflow may call something, which may come to certain ends.

        Args:
            workflow: its name and version.
            kind: ``activity``, ``child`` or ``lambda``.
            called: name and version of what it calls.
            possible: how that can end.

        Returns:
            How often it came to which end.
        """
        key = workflow, kind, called
        self._possible.setdefault(key, {}).update(dict.fromkeys(possible))
        return self._met.setdefault(key, Counter())

    def add(self, events: Sequence[Event]) -> None:
        """Note what an execution has met.

        Args:
            events: its whole history.
        """
        story = spans.read(events)
        for row in story.rows:
            for span in row.spans:
                if span.kind in _POSSIBLE:
                    asked = attributes_of(events[span.begun - 1])
                    met = self.know(
                        story.name, span.kind, _name(span.kind, asked), _POSSIBLE[span.kind](asked)
                    )
                    ended = None if span.ended is None else events[span.ended - 1]
                    if ended is not None and ended["eventType"] not in _REFUSED:
                        met[_outcome(span, ended)] += 1
        for event in events:
            if event["eventType"] in _REFUSED:
                kind, named = _REFUSED[event["eventType"]]
                attributes = attributes_of(event)
                met = self.know(story.name, kind, _label(attributes[named]))
                met[f"refused ({attributes['cause']})"] += 1

    def merge(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add what `rows` of another coverage has given."""
        for workflow, kind, called, possible, met in rows:
            self.know(workflow, kind, called, possible).update(met)

    def rows(self) -> list[list[Any]]:
        """Return all that was met as plain data, to be carried to another process."""
        return [
            [*key, list(possible), dict(self._met[key])] for key, possible in self._possible.items()
        ]

    def report(self) -> Iterator[str]:
        """Yield the lines of a report, sorted."""
        known = sorted(self._possible)
        width = max((len(f"{kind} {called}") for _, kind, called in known), default=0)
        before = ""
        seen = there = 0
        for key in known:
            workflow, kind, called = key
            if workflow != before:
                before = workflow
                yield workflow
            met, possible = self._met[key], self._possible[key]
            never = [outcome for outcome in possible if outcome not in met]
            seen += len(possible) - len(never)
            there += len(possible)
            yield f"  {f'{kind} {called}':{width}}  {_sentence(met, never)}"
        yield f"{seen} of {there} outcomes met"


def observe(coverage: Coverage, simulation: Simulation, runner: Runner | None = None) -> None:
    """Note what the executions of a simulation have met.

    Args:
        coverage: where it is noted.
        simulation: the executions, all that it still knows.
        runner: knows the workflows, so that what they never called is known, too; or None.
    """
    known = runner.scheduler.registry if runner is not None else None
    for workflow in known.workflows.values() if known is not None else ():
        for proxy in proxies(workflow):
            name, version = type_of(proxy)
            coverage.know(str(workflow.flowy_type), ACTIVITY, f"{name} {version}")
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
    """Yield outcomes, those time-outs together of which there are several."""
    beginning = f"{TIMED_OUT} ("
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


def _name(kind: str, asked: Any) -> str:
    return str(asked["name"]) if kind == LAMBDA else _label(asked[f"{_TYPES[kind]}Type"])


def _label(named: Any) -> str:
    return f"{named['name']} {named['version']}"


_TYPES = {ACTIVITY: "activity", CHILD: "workflow"}


def _of_activity(asked: Any) -> Iterator[str]:
    yield from (COMPLETED, FAILED)
    for name, member in TIME_OUTS.items():
        if asked.get(member, _NEVER) != _NEVER:
            yield f"{TIMED_OUT} ({name})"
    yield CANCELED


def _of_child(asked: Any) -> Iterator[str]:
    yield from (COMPLETED, FAILED, f"{TIMED_OUT} (START_TO_CLOSE)", CANCELED, TERMINATED)


def _of_lambda(asked: Any) -> Iterator[str]:
    yield from (COMPLETED, FAILED, f"{TIMED_OUT} (START_TO_CLOSE)")


_POSSIBLE = {ACTIVITY: _of_activity, CHILD: _of_child, LAMBDA: _of_lambda}
"""How what was called can end, by its kind."""

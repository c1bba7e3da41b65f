"""Workflows drawn at random: what was decided then is decided again, from every beginning."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_calls import DOMAIN, carried_out, history, workers

from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    NonDeterminismError,
    Outcome,
    Result,
    Retry,
    TaskError,
    Workflow,
    WorkflowWorker,
    activity,
    start,
    workflow,
)
from flowy.decider import decide
from flowy.replay import replay
from flowy_sim import RandomChoice, Simulation


class Call(NamedTuple):
    """A step of a program: call an activity with results of earlier steps."""

    proxy: Literal["steady", "flaky", "handled", "missing"]
    needs: tuple[int, ...]
    failures: int


class Wait(NamedTuple):
    """A step of a program: wait for the result of an earlier step."""

    step: int


class Branch(NamedTuple):
    """A step of a program: go on only if a result is even."""

    step: int


Program = tuple[Call | Wait | Branch, ...]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    steps: list[Call | Wait | Branch] = []
    for number in range(draw(st.integers(1, 8))):
        earlier = st.integers(0, max(number - 1, 0))
        calls = st.builds(
            Call,
            st.sampled_from(["steady", "steady", "flaky", "handled", "missing"]),
            st.lists(earlier, max_size=3 if number else 0).map(tuple),
            st.integers(0, 3),
        )
        waits = st.builds(Wait, earlier) | st.builds(Branch, earlier)
        steps.append(draw(calls | waits if number else calls))
    return tuple(steps)


@activity("steady", 1, "numbers")
class Steady(Activity):
    def run(self, number: int, failures: int, *needs: Any) -> int:
        return number


@activity("flaky", 1, "numbers")
class Flaky(Activity):
    def run(self, number: int, failures: int, *needs: Any) -> int:
        tried[number] = tried.get(number, 0) + 1
        if tried[number] <= failures:
            raise ValueError(f"failure {tried[number]} of step {number}")
        return number


tried: dict[int, int] = {}


class Proxies(Workflow):
    steady = ActivityProxy(Steady)
    flaky = ActivityProxy(Flaky, retry=Retry(attempts=3, delay=1))
    handled = ActivityProxy(Flaky, retry=2, error_handling=True)
    missing = ActivityProxy("missing", 1, error_handling=True)


def written(program: Program) -> type[Workflow]:
    """The workflow that carries a program out."""

    def run(self: Any) -> Any:
        results: list[Result[Any] | int] = []
        for number, step in enumerate(program):
            match step:
                case Call(proxy, needs, failures):
                    needed = [results[need] for need in needs]
                    results.append(getattr(self, proxy)(number, failures, *needed[:1], needed[1:]))
                case Wait(earlier):
                    results.append(awaited(results[earlier]))
                case Branch(earlier):
                    if awaited(results[earlier]) % 2:
                        break
                    results.append(0)
        return results if all(isinstance(result, int) for result in results) else len(results)

    return workflow("random", 1, "decisions")(type("Random", (Proxies,), {"run": run}))


def awaited(result: Result[Any] | int) -> int:
    try:
        return result if isinstance(result, int) else int(result.result())
    except TaskError:
        return -1


def executed(program: Program, seed: int) -> tuple[type[Workflow], list[Any], Outcome]:
    tried.clear()
    simulation = Simulation(seed, schedule=RandomChoice(seed))
    client = simulation.client(poll_seconds=5)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    cls = written(program)
    both = workers(client, [Steady, Flaky], [cls])
    both += [ActivityWorker(client, DOMAIN, "numbers", [Steady, Flaky])]
    both += [WorkflowWorker(client, DOMAIN, "decisions", [cls])]
    execution = start(client, DOMAIN, ("random", 1), workflow_id="random")
    ended = carried_out(client, execution, both)
    return cls, history(client, execution), ended


@given(programs(), st.integers(0, 3))
def test_every_beginning_of_a_history_gives_the_decisions_that_are_in_it(
    program: Program, seed: int
) -> None:
    cls, events, ended = executed(program, seed)
    assert ended.status in ("COMPLETED", "FAILED")
    replay(cls, events)
    for answer in events:
        if answer["eventType"] != "DecisionTaskCompleted":
            continue
        known = events[: answer["decisionTaskCompletedEventAttributes"]["startedEventId"]]
        again = [decision.wire() for decision in decide(cls, known)]
        then = [
            event["eventType"]
            for event in events
            if attributes(event).get("decisionTaskCompletedEventId") == answer["eventId"]
        ]
        assert [SHOWN_AS[event_type] for event_type in then] == [
            decision["decisionType"] for decision in again
        ]


@given(programs(), st.integers(0, 3))
def test_an_execution_repeats_itself_from_its_seed(program: Program, seed: int) -> None:
    assert executed(program, seed)[1:] == executed(program, seed)[1:]


@given(programs())
def test_a_call_put_in_front_of_a_running_execution_is_found(program: Program) -> None:
    _, events, _ = executed(program, 0)
    new = Call("steady", (), -1)
    with pytest.raises(NonDeterminismError):
        replay(written((new, *map(shifted, program))), events)


def shifted(step: Call | Wait | Branch) -> Call | Wait | Branch:
    """The same step behind one step more."""
    if isinstance(step, Call):
        return step._replace(needs=tuple(need + 1 for need in step.needs))
    return step._replace(step=step.step + 1)


def attributes(event: dict[str, Any]) -> dict[str, Any]:
    event_type = event["eventType"]
    return event[f"{event_type[0].lower()}{event_type[1:]}EventAttributes"]


SHOWN_AS = {
    "ActivityTaskScheduled": "ScheduleActivityTask",
    "ScheduleActivityTaskFailed": "ScheduleActivityTask",
    "TimerStarted": "StartTimer",
    "WorkflowExecutionCompleted": "CompleteWorkflowExecution",
    "CompleteWorkflowExecutionFailed": "CompleteWorkflowExecution",
    "WorkflowExecutionFailed": "FailWorkflowExecution",
    "FailWorkflowExecutionFailed": "FailWorkflowExecution",
}

"""The strategies for Hypothesis generate what their documentation says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.stateful import run_state_machine_as_test

from flowy import ConfigurationError, Execution, Workflow, workflow
from flowy._decider.decider import decide
from flowy.payloads import PLAIN
from flowy.tutorial.workflows import ImageCategorization
from flowy_sim import Simulation
from flowy_sim._events.history import Event
from flowy_sim._events.invariants import check
from flowy_sim.strategies import (
    ActivityCall,
    Input,
    Program,
    WorkflowMachine,
    decisions,
    histories,
    inputs,
    workflows,
)
from flowy_sim.strategies._histories import Decision
from flowy_sim.testing import Run, Runner
from tests.support.properties import examples

UNSHRUNK = settings(max_examples=2_000, phases=[Phase.generate])


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Address:
    street: str
    number: int | None


@workflow("order", 1, "orders")
class Order(Workflow):
    def run(
        self,
        to: Address,
        day: date,
        *,
        size: Size,
        weights: list[float] | None = None,
        note: str = "",
    ) -> Any:
        return to.street


@given(inputs(Order))
def test_inputs_have_the_types_that_run_is_annotated_with(given: Input) -> None:
    to, day = given.args
    assert isinstance(to, Address)
    assert isinstance(day, date)
    assert isinstance(given.kwargs["size"], Size)
    text = PLAIN.encode_input("order 1", given.args, given.kwargs)
    args, kwargs = PLAIN.decode_input("order 1", text, Order)
    assert (tuple(args), kwargs) == (given.args, given.kwargs)


def test_an_argument_with_a_default_is_sometimes_left_out() -> None:
    assert find(inputs(Order), lambda given: "note" in given.kwargs, settings=UNSHRUNK)
    assert find(inputs(Order), lambda given: "note" not in given.kwargs, settings=UNSHRUNK)


@settings(max_examples=examples(30))
@given(histories(ImageCategorization, to_decide=True))
def test_histories_of_a_workflow_can_be_decided(events: list[Event]) -> None:
    assert events[-1]["eventType"] == "DecisionTaskStarted"
    decide(ImageCategorization, events)


LAST = "end-it"


@workflow("approval", 1, "approvals", execution_start_to_close=86_400)
class Approval(Workflow):
    """It waits for some signals, and at last for one that its code does not name."""

    def run(self, waits_forever: bool = False) -> list[Any]:
        found: list[Any] = [self.signal("approved", bool).result(), self._size()]
        if waits_forever:
            found.append(self.signal(LAST).result())
        return found

    def _size(self) -> Any:
        return self.signal("size", Size).result()


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(30))
@given(histories(Approval))
def test_histories_of_a_workflow_that_waits_for_signals_end(events: list[Event]) -> None:
    closed = events[-1]["eventType"]
    assert closed.startswith("WorkflowExecution")
    assert closed not in ("WorkflowExecutionSignaled", "WorkflowExecutionTimedOut")


@pytest.mark.slow
def test_a_test_can_let_an_execution_end() -> None:
    def send(runner: Runner, execution: Execution) -> None:
        runner.signal(execution, LAST, "now")

    def has_ended(events: list[Event]) -> bool:
        attributes = events[-1].get("workflowExecutionCompletedEventAttributes", {})
        return "now" in attributes.get("result", "")

    assert find(
        histories(Approval, end=send, faults=[]),
        has_ended,
        settings=settings(UNSHRUNK, deadline=None),
    )


@pytest.mark.slow
def test_histories_shrink_to_the_simplest_one() -> None:
    def has_failed(events: list[Event]) -> bool:
        return any(event["eventType"] == "ActivityTaskFailed" for event in events)

    shrunk = settings(deadline=None, max_examples=200)
    found = find(histories(ImageCategorization), has_failed, settings=shrunk, random=Random(0))
    types = [event["eventType"] for event in found]
    assert types.count("ActivityTaskFailed") == 1
    assert "DecisionTaskTimedOut" not in types


@pytest.mark.slow
@pytest.mark.parametrize("to_decide", [False, True])
def test_a_test_that_fails_with_a_history_tells_its_story(to_decide: bool) -> None:
    @settings(UNSHRUNK, derandomize=True, database=None)
    @given(histories(Order, to_decide=to_decide))
    def fails(events: list[Event]) -> None:
        raise AssertionError

    with pytest.raises(AssertionError) as raised:
        fails()
    told = "\n".join(raised.value.__notes__)
    assert "What happened:\n       0 s  order-1 starts with " in told
    assert ("The decider knows the first 3 of 5 events." in told) == to_decide


def test_a_machine_sends_signals_and_ends_what_waits() -> None:
    class Approvals(WorkflowMachine):
        workflow = Approval
        faults = ()

        def ended(self, run: Run) -> None:
            seen.add(run.status)

    seen: set[str] = set()
    run_state_machine_as_test(
        Approvals,
        settings=settings(
            derandomize=True, deadline=None, max_examples=50, stateful_step_count=8, database=None
        ),
    )
    assert seen >= {"COMPLETED", "CANCELED"}


@settings(max_examples=examples(30))
@given(histories())
def test_histories_of_any_workflow_end(events: list[Event]) -> None:
    assert [event["eventId"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["eventType"].startswith("WorkflowExecution")


@pytest.mark.slow
def test_faults_strike_in_some_histories() -> None:
    def timed_out(events: list[Event]) -> bool:
        return any(event["eventType"] == "DecisionTaskTimedOut" for event in events)

    assert find(histories(), timed_out, settings=UNSHRUNK)


@pytest.mark.slow
def test_a_workflow_is_shrunk_to_what_matters() -> None:
    def times_out(program: Program) -> bool:
        run = Runner(Simulation(), stubs=program.stubs()).run(program.workflow())
        return bool(run.history.find("ActivityTaskTimedOut"))

    found = find(workflows(), times_out, settings=settings(max_examples=2_000))
    assert found.steps == (ActivityCall(0, takes=10, start_to_close=10, error_handling=True),)


@given(decisions())
def test_the_service_takes_all_decisions(drawn: list[Decision]) -> None:
    simulation = Simulation()
    client = simulation.client()
    client.register_domain(name="shop", workflowExecutionRetentionPeriodInDays="1")
    client.register_workflow_type(
        domain="shop",
        name="order",
        version="1",
        defaultTaskList={"name": "orders"},
        defaultExecutionStartToCloseTimeout="60",
        defaultTaskStartToCloseTimeout="60",
        defaultChildPolicy="TERMINATE",
    )
    client.register_activity_type(domain="shop", name="step", version="1")
    client.start_workflow_execution(
        domain="shop", workflowId="order-1", workflowType={"name": "order", "version": "1"}
    )
    task = client.poll_for_decision_task(domain="shop", taskList={"name": "orders"})
    client.respond_decision_task_completed(taskToken=task["taskToken"], decisions=drawn)
    check(simulation.engine())


@pytest.mark.parametrize("strategy", [inputs, histories])
def test_something_other_than_a_workflow_is_refused(strategy: Any) -> None:
    with pytest.raises(ConfigurationError, match="7 isn't a class decorated with @workflow"):
        strategy(7)


def test_histories_need_faults() -> None:
    with pytest.raises(ConfigurationError, match="faults must be a list of faults"):
        histories(faults=["rain"])  # type: ignore[list-item]

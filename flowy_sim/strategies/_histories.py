"""Decisions as a decider sends them, and histories as the service writes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import getstate, setstate
from typing import Any

from hypothesis import strategies as st

from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.history import Event
from flowy_sim._simulation.schedule import RandomChoice
from flowy_sim.faults import EVERYDAY, InjectedFault
from flowy_sim.faults._fault import checked_faults
from flowy_sim.strategies._workflows import inputs, is_workflow, workflows
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import DefaultStubs
from flowy_sim.testing._registry import activities_in, families, module_of

Decision = dict[str, Any]


_IDS = st.sampled_from(("a", "b", "c"))


_WORKFLOW_IDS = st.sampled_from(("order-1", "order-2", "unknown"))


_SECONDS = st.sampled_from(("0", "1", "60", "3600"))


_TEXT = st.text(max_size=9)


_FUNCTIONS = st.sampled_from(("add", "divide"))


def decisions(
    most: int = 5,
    activity_types: Sequence[tuple[str, str]] = (("step", "1"),),
    workflow_types: Sequence[tuple[str, str]] = (("order", "1"),),
) -> st.SearchStrategy[list[Decision]]:
    """Generate lists of decisions that a decision task can be answered with.

    Each decision is well-formed; whether it succeeds depends on the execution. Only a few IDs are
    used, so that decisions interact: a timer is started twice, and canceled. A decision that closes
    the execution comes last, and never together with one that starts something, because the
    service refuses that.

    Args:
        most: the most decisions in a list.
        activity_types: names and versions of the activity types to schedule.
        workflow_types: names and versions of the types of child workflows.

    Example:
        ``client.respond_decision_task_completed(taskToken=token, decisions=drawn)``
    """
    starting = _starting(_named(activity_types), _named(workflow_types))
    stays_open = st.lists(starting | _OTHER, max_size=most)
    closes = st.builds(
        lambda others, closing: [*others, closing], st.lists(_OTHER, max_size=most - 1), _CLOSING
    )
    return stays_open | closes


def _decision(kind: str, /, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Decision]:
    attributes = f"{kind[0].lower()}{kind[1:]}DecisionAttributes"
    return st.fixed_dictionaries(members).map(
        lambda drawn: {"decisionType": kind, attributes: drawn}
    )


def _named(types: Sequence[tuple[str, str]]) -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from([{"name": name, "version": version} for name, version in types])


def _starting(
    activity_type: st.SearchStrategy[Any], workflow_type: st.SearchStrategy[Any]
) -> st.SearchStrategy[Decision]:
    return st.one_of(
        _decision("ScheduleActivityTask", activityId=_IDS, activityType=activity_type),
        _decision("StartTimer", timerId=_IDS, startToFireTimeout=_SECONDS),
        _decision(
            "StartChildWorkflowExecution", workflowId=_WORKFLOW_IDS, workflowType=workflow_type
        ),
        _decision("SignalExternalWorkflowExecution", workflowId=_WORKFLOW_IDS, signalName=_IDS),
        _decision("RequestCancelExternalWorkflowExecution", workflowId=_WORKFLOW_IDS),
        _decision("ScheduleLambdaFunction", id=_IDS, name=_FUNCTIONS),
    )


_OTHER = st.one_of(
    _decision("RequestCancelActivityTask", activityId=_IDS),
    _decision("CancelTimer", timerId=_IDS),
    _decision("RecordMarker", markerName=_IDS, details=_TEXT),
)


_CLOSING = st.one_of(
    _decision("CompleteWorkflowExecution", result=_TEXT),
    _decision("FailWorkflowExecution", reason=_TEXT),
    _decision("CancelWorkflowExecution", details=_TEXT),
    _decision("ContinueAsNewWorkflowExecution", input=_TEXT),
)


def histories(
    workflow: type[Workflow] | None = None,
    *,
    faults: Sequence[InjectedFault] = EVERYDAY,
    to_decide: bool = False,
) -> st.SearchStrategy[list[Event]]:
    """Generate histories: of a workflow with random inputs, in random orders, under faults.

    Its activities are stubbed, as by ``flowy-sim explore``.

    Args:
        workflow: its class; by default a new random workflow for each history.
        faults: the faults that may strike; at least one does in about half of the histories.
        to_decide: whether the history ends with a DecisionTaskStarted that a decider has to answer;
            otherwise it ends where the execution ends.

    Example:
        ::

            @given(histories(Order, to_decide=True))
            def test_it_always_knows_what_to_decide(events):
                flowy._decider.decider.decide(Order, events)

    Raises:
        ConfigurationError: `workflow` isn't a workflow, or `faults` holds something else.
    """
    __tracebackhide__ = True
    if workflow is not None and not is_workflow(workflow):
        raise ConfigurationError(f"{workflow!r} isn't a class decorated with @workflow")
    return _histories(workflow, checked_faults(faults), to_decide)


@st.composite
def _histories(
    draw: st.DrawFn,
    workflow: type[Workflow] | None,
    faults: tuple[InjectedFault, ...],
    to_decide: bool,
) -> list[Event]:
    seed = draw(st.integers(0, 2**32))
    most = draw(st.integers(0, 2))
    simulation = Simulation(seed=seed, schedule=RandomChoice(seed))
    runner = Runner(simulation, faults=faults, most_faults=most)
    given: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if workflow is None:
        program = draw(workflows())
        workflow = program.workflow()
        program.stubs(runner.stubs)
    else:
        args, kwargs = draw(inputs(workflow))
        given, named = args, dict(kwargs)
        known = activities_in(module_of(workflow))
        DefaultStubs(families([workflow]), known).add_to(runner.stubs)
    with _undisturbed():
        events = list(runner.run(workflow, *given, **named).history)
    if not to_decide:
        return events
    answered = [
        event["decisionTaskCompletedEventAttributes"]["startedEventId"]
        for event in events
        if event["eventType"] == "DecisionTaskCompleted"
    ]
    return events[: draw(st.sampled_from(answered))]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Silence the log of workers that meet faults, and leave the global random state alone.

    Hypothesis seeds it, and workers that wait before they retry take random numbers from it.
    """
    logger = logging.getLogger("flowy")
    level, state = logger.level, getstate()
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
        setstate(state)

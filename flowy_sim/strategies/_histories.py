"""Decisions as a decider sends them, and histories as the service writes them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from random import getstate, setstate
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from flowy._client import Execution
from flowy.errors import ConfigurationError, UnknownExecutionError
from flowy.payloads import PLAIN
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.model import decision_attributes_key
from flowy_sim._events.history import Event
from flowy_sim.explore._story import RunStory
from flowy_sim.faults import EVERYDAY, InjectedFault, Signal
from flowy_sim.faults._injector import checked_faults
from flowy_sim.strategies._workflows import inputs, is_workflow, workflows
from flowy_sim.testing import Run, Runner, StuckError
from flowy_sim.testing._default_stubs import DefaultStubs
from flowy_sim.testing._possible import possible_values, signals
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
    """Generate lists of decisions that can answer a decision task.

    Each decision is well-formed; whether it succeeds depends on the execution. Only a few IDs are
    used, so that decisions interact: for example, a timer is started twice and then canceled. A
    decision that closes the execution comes last, and never together with one that starts
    something, because the service refuses that.

    Args:
        most: the maximum number of decisions in a list.
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
    attributes = decision_attributes_key(kind)
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


_CHOICES = 300
"""The choices of a run of which some are made otherwise than in the simplest one."""


class DrawnSchedule:
    """Takes the first possibility, except at some choices; so the empty dictionary is simplest.

    Args:
        taken: the possibilities that are taken, by the number of the choice.
    """

    def __init__(self, taken: Mapping[int, int]) -> None:
        self._taken = taken
        self._made = 0

    def choose(self, kind: str, count: int) -> int:
        """Return the index that was drawn for this choice, or 0."""
        index = self._taken.get(self._made, 0)
        self._made += 1
        # The choices of a run are not known before it is made, so an index may be too large.
        return index % count


End = Callable[[Runner, Execution], object]
"""Lets an execution end that waits for something that never comes."""


def finish(runner: Runner, execution: Execution, end: End | None = None) -> Run:
    """Run an execution to its end, whatever it waits for.

    Args:
        runner: runs it.
        execution: its IDs.
        end: lets it end if it waits; then it is asked to cancel itself, and then it is terminated.
    """
    steps: list[End] = [Runner.cancel, _terminate]
    if end is not None:
        steps.insert(0, end)
    # Each step is taken only if the one before has not let it end.
    for step in steps:
        try:
            return runner.finish(execution)
        except StuckError:
            with suppress(UnknownExecutionError):
                step(runner, execution)
    return runner.finish(execution)


def _terminate(runner: Runner, execution: Execution) -> None:
    runner.simulation.client().terminate_workflow_execution(
        domain=runner.domain, workflowId=execution.workflow_id
    )


def values_of_signals(workflow: type[Workflow]) -> list[tuple[str, list[str]]]:
    """Return the signals that a workflow waits for, and the inputs that they can have."""
    return [
        (name, [PLAIN.encode_value(name, each) for each in possible_values(hint)])
        for name, hint in signals(workflow).items()
    ]


def _signals(workflow: type[Workflow]) -> st.SearchStrategy[list[InjectedFault]]:
    """Generate the signals that arrive: each one that the workflow waits for at least once."""
    each = [
        st.builds(
            Signal,
            name=st.just(name),
            input=st.sampled_from(values),
            most=st.integers(1, 3),
        )
        for name, values in values_of_signals(workflow)
    ]
    return st.tuples(*each).map(list)


def histories(
    workflow: type[Workflow] | None = None,
    *,
    faults: Sequence[InjectedFault] = EVERYDAY,
    to_decide: bool = False,
    end: End | None = None,
) -> st.SearchStrategy[list[Event]]:
    """Generate histories of a workflow with random inputs, in random orders and under faults.

    Its activities are stubbed, as by ``flowy-sim explore``. It receives the signals that its code
    waits for, with values of the types that it gives them. A history shrinks to one with few
    faults, in the simplest order.

    Args:
        workflow: the class of the workflow; by default, a new random workflow for each history.
        faults: the faults that may strike; none does in the simplest histories.
        to_decide: whether the history ends with a DecisionTaskStarted that a decider has to answer;
            otherwise it ends where the execution ends.
        end: called with the runner and the execution if the workflow waits for something that
            never happens, to make it end, for example by a signal. If `end` is None or does not
            help, cancellation of the execution is requested; at last, it is terminated.

    Example:
        ::

            @given(histories(Order, to_decide=True))
            def test_it_always_knows_what_to_decide(events):
                flowy.decide(Order, events)

    Raises:
        ConfigurationError: `workflow` isn't a workflow, or `faults` holds something else.
    """
    __tracebackhide__ = True
    if workflow is not None and not is_workflow(workflow):
        raise ConfigurationError(f"{workflow!r} isn't a class decorated with @workflow")
    return _histories(workflow, checked_faults(faults), to_decide, end)


@st.composite
def _histories(
    draw: st.DrawFn,
    workflow: type[Workflow] | None,
    faults: tuple[InjectedFault, ...],
    to_decide: bool,
    end: End | None,
) -> list[Event]:
    # A list of few deviations instead of all choices, so that it shrinks to the simplest run.
    drawn = draw(st.lists(st.tuples(st.integers(0, _CHOICES), st.integers(1, 3)), max_size=6))
    simulation = Simulation(schedule=DrawnSchedule(dict(drawn)))
    arriving = [] if workflow is None else draw(_signals(workflow))
    story = RunStory()
    runner: Runner = Runner(
        simulation,
        faults=(*faults, *arriving),
        on_fault=lambda words: story.add_accident(runner, words),
    )
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
        try:
            execution = runner.start(workflow, *given, **named)
            events = list(finish(runner, execution, end).history)
        finally:
            # Also if the run fails, because that is when the story is wanted.
            tell(story, runner)
    if not to_decide:
        return events
    answered = [
        event["decisionTaskCompletedEventAttributes"]["startedEventId"]
        for event in events
        if event["eventType"] == "DecisionTaskCompleted"
    ]
    length = draw(st.sampled_from(answered))
    note(f"The decider knows the first {length} of {len(events)} events.")
    return events[:length]


class _ToldStory:
    """A story that is written down only if Hypothesis shows it."""

    def __init__(self, story: RunStory) -> None:
        self._story = story

    def __repr__(self) -> str:
        lines = self._story.lines(AssertionError(), full=True)
        return "\n".join(["What happened:", *lines])


def tell(story: RunStory, runner: Runner) -> None:
    """Let Hypothesis show a story, up to now, if the test fails.

    Args:
        story: the story.
        runner: the runner of the run that it is about.
    """
    story.update(runner)
    note(_ToldStory(story))


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

"""Histories, as the service writes them."""

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

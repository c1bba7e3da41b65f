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
from flowy_sim._simulation.schedule import RandomChoice
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.faults import EVERYDAY, InjectedFault
from flowy_sim.faults._fault import checked_faults
from flowy_sim.strategies._workflows import inputs, is_workflow, workflows
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import PlainStubs
from flowy_sim.testing._registry import activities_in, families, module_of
from flowy_sim.testing._run import Event


def histories(
    workflow: type[Workflow] | None = None,
    *,
    faults: Sequence[InjectedFault] = EVERYDAY,
    to_decide: bool = False,
) -> st.SearchStrategy[list[Event]]:
    """Draw histories: of a workflow that is run with drawn inputs, in drawn orders, with faults.

    Its activities are stood in for, as `flowy-sim explore` does.

    Args:
        workflow: its class; any workflow, a new one each time, by default.
        faults: what may go wrong; it goes wrong in about half of them.
        to_decide: whether it ends with a DecisionTaskStarted that is to be answered, as the
            history that a decider is given, and not with the execution's end.

    Example:
        ::

            @given(histories(Order, to_decide=True))
            def test_it_always_knows_what_to_decide(events):
                flowy._decider.decider.decide(Order, events)

    Raises:
        ConfigurationError: that is no workflow, or these are no faults.
    """
    __tracebackhide__ = True
    if workflow is not None and not is_workflow(workflow):
        raise ConfigurationError(f"{workflow!r} is no class decorated with @workflow")
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
        PlainStubs(families([workflow]), known).add_to(runner.stubs)
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
    """Let workers not log the accidents that they meet, nor draw from the chance of others."""
    logger = logging.getLogger("flowy")
    level, state = logger.level, getstate()
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
        setstate(state)  # workers that wait before they try again have drawn from it

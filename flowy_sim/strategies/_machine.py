"""A state machine of Hypothesis around one workflow.

Hypothesis starts executions, lets deciders and workers take turns, lets time pass and things go
wrong, in whatever order; and shrinks what breaks the workflow to a few steps. Subclasses say which
workflow it is and what has to hold, and add rules of their own.

Example:
    ::

        class Orders(WorkflowMachine):
            workflow = Order

            def set_up(self):
                self.charged = []
                self.runner.stubs(Charge, function=self.charged.append)

            @rule(name=st.sampled_from(["approve", "refuse"]))
            def somebody_signals(self, name):
                self.signal(name)

            @invariant()
            def nobody_is_charged_twice(self):
                assert len(self.charged) == len(set(self.charged))

            def ended(self, run):
                assert run.status == "COMPLETED"

        TestOrders = Orders.TestCase
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from flowy._client import Execution
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._events.invariants import check
from flowy_sim._simulation.clock import parse_instant
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.explore._stand_ins import PlainStubs
from flowy_sim.faults import EVERYDAY, Fault
from flowy_sim.strategies._inputs import inputs, is_workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._registry import Sources, activities_in, families, module_of
from flowy_sim.testing._run import Run, fetch
from flowy_sim.testing._waiting import times_out_at


class Told:
    """A schedule that chooses what it is told next; no fault strikes unless it is named.

    Attributes:
        pick: which of several is chosen, or the last one.
        strikes: the faults that strike as soon as they can.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Be told nothing yet."""
        self.pick = 0
        self.strikes: set[str] = set()
        self._faults = {fault.describe() for fault in faults}

    def choose(self, kind: str, count: int) -> int:
        """Choose what was told."""
        if kind not in self._faults:
            return min(self.pick, count - 1)
        if kind not in self.strikes:
            return 0
        self.strikes.discard(kind)
        return 1


class WorkflowMachine(RuleBasedStateMachine):
    """Runs executions of a workflow as Hypothesis likes; to be subclassed.

    Attributes:
        workflow: the workflow's class; to be given.
        faults: what may go wrong.
        most_faults: how often in a run of the machine.
        most_executions: how many executions it starts at most.
        simulation_options: what `Simulation` is given.
        activities: where activities are found; the workflow's module by default.
        runner: what runs them; made anew for each run of the machine.
    """

    workflow: ClassVar[type[Workflow]]
    faults: ClassVar[Sequence[Fault]] = EVERYDAY
    most_faults: ClassVar[int] = 3
    most_executions: ClassVar[int] = 2
    simulation_options: ClassVar[dict[str, Any]] = {}
    activities: ClassVar[Sources | None] = None

    def __init__(self) -> None:
        """Start with no execution."""
        super().__init__()
        if not is_workflow(getattr(self, "workflow", None)):
            raise ConfigurationError(
                f"{type(self).__name__} does not say of which workflow it is; give it the class, "
                "decorated with @workflow: workflow = Order"
            )
        self._told = Told(self.faults)
        self.runner = Runner(
            Simulation(schedule=self._told, **self.simulation_options),
            activities=self.activities,
            faults=self.faults,
            most_faults=self.most_faults,
        )
        self._executions: list[Execution] = []
        self.set_up()
        there = self.activities or module_of(self.workflow)
        family = families([self.workflow])
        PlainStubs(family, activities_in(there)).add_to(self.runner.stubs)
        self._logs = logging.getLogger("flowy").level
        logging.getLogger("flowy").setLevel(logging.CRITICAL + 1)

    # What subclasses say and use

    def set_up(self) -> None:
        """Stub activities; those that are not are stood in for, as `flowy-sim explore` does."""

    def ended(self, run: Run) -> None:
        """Assert what has to hold of an execution that has ended."""

    def signal(self, name: str, input: str | None = None) -> None:
        """Send a signal to the execution that was started last and is open, if there is one."""
        request = {"signalName": name} if input is None else {"signalName": name, "input": input}
        for execution in self._open()[-1:]:
            self.runner.stage.client.signal_workflow_execution(
                domain=self.runner.domain, workflowId=execution.workflow_id, **request
            )

    # Rules

    @precondition(lambda self: len(self._executions) < self.most_executions)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """Start an execution."""
        given = data.draw(inputs(self.workflow), label="input")
        started = self.runner.start(self.workflow, *given.args, **given.kwargs)
        self._executions.append(started)

    @precondition(lambda self: self._executions)
    @rule(pick=st.integers(0, 3))
    def somebody_works(self, pick: int) -> None:
        """Let a decider or a worker take a turn, where there are several the one picked."""
        self._told.pick = pick
        self.runner.course.take_turn()
        self._told.pick = 0

    @precondition(lambda self: self._open())
    @rule()
    def time_passes(self) -> None:
        """Let time pass until something happens, if anything will before an execution ends."""
        instant = self.runner.course.next_instant()
        if instant is not None and instant < min(map(self._times_out, self._open())):
            self.runner.course.let_time_pass(instant)

    @precondition(lambda self: self._executions and self.faults)
    @rule(data=st.data())
    def something_goes_wrong(self, data: st.DataObject) -> None:
        """Let a fault strike as soon as it can."""
        names = [fault.describe() for fault in self.faults]
        self._told.strikes.add(data.draw(st.sampled_from(names), label="fault"))

    def teardown(self) -> None:
        """Run what is open to its end, look at how it ended, and hold the service to its rules."""
        try:
            self._told.strikes.clear()
            if sys.exc_info()[0] is None:
                for execution in self._executions:
                    self.ended(self._finished(execution))
                check(self.runner.simulation.engine())
        finally:
            logging.getLogger("flowy").setLevel(self._logs)

    def _finished(self, execution: Execution) -> Run:
        return self.runner.finish(execution) if execution in self._open() else self._run(execution)

    def _times_out(self, execution: Execution) -> int:
        return parse_instant(times_out_at(self._run(execution).history))

    def _run(self, execution: Execution) -> Run:
        stage = self.runner.stage
        return fetch(stage.client, stage.domain, execution, self.runner.payloads)

    def _open(self) -> list[Execution]:
        executions = self.runner.simulation.engine().executions
        return [each for each in self._executions if executions[each.run_id].is_open]

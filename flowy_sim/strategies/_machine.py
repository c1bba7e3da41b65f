"""A Hypothesis state machine that runs one workflow.

Hypothesis starts executions, lets deciders and workers take turns, advances time and injects
faults, in any order, and shrinks a failure to a few steps. A subclass names the workflow, asserts
what must hold, and may add rules.

Example:
    ::

        class Orders(WorkflowMachine):
            workflow = Order

            def set_up(self):
                self.charged = []
                self.runner.stubs(Charge, function=self.charged.append)

            @rule(name=st.sampled_from(["approve", "refuse"]))
            def send_signal(self, name):
                self.signal(name)

            @invariant()
            def no_order_is_charged_twice(self):
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
from flowy_sim._clients.simulation import Simulation
from flowy_sim._events.invariants import check
from flowy_sim._events.waits import times_out_at
from flowy_sim._simulation.clock import parse_instant
from flowy_sim.explore._story import RunStory
from flowy_sim.faults import EVERYDAY, InjectedFault
from flowy_sim.strategies._histories import finish, tell, values_of_signals
from flowy_sim.strategies._workflows import inputs, is_workflow
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import DefaultStubs
from flowy_sim.testing._registry import Sources, activities_in, families, module_of
from flowy_sim.testing._run import Run, fetch


class SteeredSchedule:
    """A schedule whose choices the rules of the machine set in advance.

    Args:
        faults: the faults that may strike.

    Attributes:
        pick: the index of the possibility that is taken, or of the last one if there are fewer.
        strikes: descriptions of the faults that strike as soon as they can; no other fault does.
    """

    def __init__(self, faults: Sequence[InjectedFault]) -> None:
        self.pick = 0
        self.strikes: set[str] = set()
        self._faults = {fault.describe() for fault in faults}

    def choose(self, kind: str, count: int) -> int:
        """Return the index that the rules have set."""
        if kind not in self._faults:
            return min(self.pick, count - 1)
        if kind not in self.strikes:
            return 0
        self.strikes.discard(kind)
        return 1


class WorkflowMachine(RuleBasedStateMachine):
    """Runs executions of a workflow with steps that Hypothesis chooses; to be subclassed.

    A subclass sets `workflow`, and may set the other class attributes and override `set_up`, `end`
    and `ended`. The module's docstring has an example.

    Attributes:
        workflow: the workflow's class; required.
        faults: the faults that may strike.
        most_faults: the maximum number of faults that strike in one run of the machine.
        most_executions: the maximum number of executions that the machine starts.
        simulation_options: arguments of `Simulation`.
        activities: where to look up the workflow's activities; by default, in its module.
        runner: the `flowy_sim.testing.Runner` that runs the executions; a new one for each run of
            the machine.

    Raises:
        ConfigurationError: `workflow` is not set to a workflow.
    """

    workflow: ClassVar[type[Workflow]]
    faults: ClassVar[Sequence[InjectedFault]] = EVERYDAY
    most_faults: ClassVar[int] = 3
    most_executions: ClassVar[int] = 2
    simulation_options: ClassVar[dict[str, Any]] = {}
    activities: ClassVar[Sources | None] = None

    def __init__(self) -> None:
        super().__init__()
        if not is_workflow(getattr(self, "workflow", None)):
            raise ConfigurationError(
                f"{type(self).__name__} names no workflow; set its class attribute to a class "
                "decorated with @workflow: workflow = Order"
            )
        self._schedule = SteeredSchedule(self.faults)
        self._story = RunStory()
        self.runner: Runner = Runner(
            Simulation(schedule=self._schedule, **self.simulation_options),
            activities=self.activities,
            faults=self.faults,
            most_faults=self.most_faults,
            on_turn=lambda: self._story.update(self.runner),
            on_fault=lambda words: self._story.add_accident(self.runner, words),
        )
        self._executions: list[Execution] = []
        self._inputs = values_of_signals(self.workflow)
        self.set_up()
        activities = activities_in(self.activities or module_of(self.workflow))
        DefaultStubs(families([self.workflow]), activities).add_to(self.runner.stubs)
        self._logs = logging.getLogger("flowy").level
        logging.getLogger("flowy").setLevel(logging.CRITICAL + 1)

    # For subclasses

    def set_up(self) -> None:
        """Stub activities and prepare whatever else the test needs; called before the first step.

        Activities without a stub return the simplest value of their type, as in
        ``flowy-sim explore``.
        """

    def ended(self, run: Run) -> None:
        """Assert what must hold for an execution that has ended."""

    def end(self, execution: Execution) -> None:
        """Make an execution end that waits for something that never happens.

        Called after the last step. It may send a signal, for example. By default, or if that does
        not help, cancellation of the execution is requested; at last, it is terminated.
        """

    def signal(self, name: str, input: str | None = None) -> None:
        """Send a signal to the open execution that was started last, if there is one.

        Args:
            name: the signal's name.
            input: the signal's input, as text; None for no input.
        """
        request = {"signalName": name} if input is None else {"signalName": name, "input": input}
        for execution in self._open()[-1:]:
            self.runner.scheduler.client.signal_workflow_execution(
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
    def take_turn(self, pick: int) -> None:
        """Let a decider or a worker that has a task take a turn; `pick` chooses among them."""
        self._schedule.pick = pick
        self.runner.turn_loop.take_turn()
        self._schedule.pick = 0

    @precondition(lambda self: self._open())
    @rule()
    def advance_time(self) -> None:
        """Advance time to the next event, unless an execution would time out first."""
        instant = self.runner.turn_loop.next_instant()
        if instant is not None and instant < min(map(self._times_out, self._open())):
            self.runner.turn_loop.skip_time()

    @precondition(lambda self: self._inputs and self._open())
    @rule(data=st.data())
    def send_awaited_signal(self, data: st.DataObject) -> None:
        """Send a signal that the workflow's code waits for."""
        name, inputs_ = data.draw(st.sampled_from(self._inputs), label="signal")
        self.signal(name, data.draw(st.sampled_from(inputs_), label="its input"))

    @precondition(lambda self: self._executions and self.faults)
    @rule(data=st.data())
    def inject_fault(self, data: st.DataObject) -> None:
        """Let a fault strike as soon as it can."""
        names = [fault.describe() for fault in self.faults]
        self._schedule.strikes.add(data.draw(st.sampled_from(names), label="fault"))

    def teardown(self) -> None:
        """Run open executions to their end, call `ended`, and check the service's invariants."""
        try:
            self._schedule.strikes.clear()
            if sys.exc_info()[0] is None:
                for execution in self._executions:
                    self.ended(self._finished(execution))
                check(self.runner.simulation.engine())
        finally:
            tell(self._story, self.runner)
            logging.getLogger("flowy").setLevel(self._logs)

    def _finished(self, execution: Execution) -> Run:
        if execution not in self._open():
            return self._run(execution)
        return finish(self.runner, execution, lambda runner, each: self.end(each))

    def _times_out(self, execution: Execution) -> int:
        return parse_instant(times_out_at(self._run(execution).history))

    def _run(self, execution: Execution) -> Run:
        stage = self.runner.scheduler
        return fetch(stage.client, stage.domain, execution, self.runner.payloads)

    def _open(self) -> list[Execution]:
        executions = self.runner.simulation.engine().executions
        return [each for each in self._executions if executions[each.run_id].is_open]

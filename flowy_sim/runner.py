"""Runs workflows on a simulation: deciders and workers in one thread, until nothing moves.

Time passes only when nobody has anything to do, and then jumps; the same seed gives the same
history, byte for byte.

Example:
    >>> from flowy.tutorial.workflows import ImageCategorization
    >>> from flowy_sim import Simulation
    >>> stubs = Stubs()
    >>> stub = stubs("resize", 1, result="small.jpg", takes=40)
    >>> stub = stubs("predominantcolor", 1, result="blue", takes=15)
    >>> stub = stubs("renameimage", 1, function=lambda path, color: f"{color}/{path}")
    >>> run = Runner(Simulation(), stubs=stubs).run(ImageCategorization, "photo.jpg")
    >>> run.status, run.result, run.simulated_seconds
    ('COMPLETED', 'blue/small.jpg', 40.0)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from flowy.client import fault_code
from flowy.decider import decide
from flowy.errors import ConfigurationError
from flowy.options import whole_number
from flowy.starter import Execution, start
from flowy.worker import ActivityWorker, WorkflowWorker
from flowy.workflow import Workflow, WorkflowType
from flowy_sim.agenda import Agenda
from flowy_sim.clock import parse_instant
from flowy_sim.crews import Crew, Desk
from flowy_sim.freezing import freezegun, frozen_to
from flowy_sim.repertoire import Repertoire, Sources, activities_in, module_of, workflows_in
from flowy_sim.run import Event, Run, fetch, history, open_executions
from flowy_sim.simulation import Simulation
from flowy_sim.stubs import Stubs
from flowy_sim.waiting import StuckError, Workers, explain, times_out_at, waits

DOMAIN = "simulated"
"""The domain that workflows run in if none is named."""

_OTHERS = 5


def run(simulation: Simulation, workflow: type[Workflow], *args: Any, **kwargs: Any) -> Run:
    """Run a workflow to its end.

    Args:
        simulation: where.
        workflow: its class. The activities are looked for in its module; give others to a
            `Runner`.
        *args: the arguments of the workflow's ``run``.
        **kwargs: its keyword arguments, and the options of `flowy.start`.

    Returns:
        What became of it; a workflow that failed is no error here.

    Raises:
        StuckError: nothing moves any more and it is still open.

    Example:
        ``run(Simulation(), ImageCategorization, "photo.jpg", 150).result``
    """
    return Runner(simulation).run(workflow, *args, **kwargs)


class Runner:
    """Deciders and workers over a simulation, taking turns in one thread.

    A worker has a task in hand until it has answered, in simulated time, too: a stub says how
    long that takes (see `flowy_sim.stubs`), anything else takes no time at all. On a clock that
    runs by itself the runner really waits.

    Calling a runner is the same as calling its method ``run``.

    Args:
        simulation: where workflows run.
        activities: the activities that can be worked on: classes, modules or packages, or names
            of these; by default those that the workflow's module has.
        workflows: other workflows that can be decided on, such as children, given likewise.
        stubs: what stands in for activities.
        domain: the domain, registered if need be.
        workers: how many workers wait on each task list, and how many deciders; None for as many
            as there are tasks.
        freeze: whether user code sees the simulated time in `time` and `datetime`, by freezegun.
        on_event: called with the workflow id and the event for each event that is written to the
            history of an execution that was started here, as soon as it is.

    Attributes:
        simulation, domain: as given.
        runs: the executions that were run, in order, those that got stuck among them.

    Raises:
        ConfigurationError: an argument is wrong.
        ImportError: freezegun is wanted and not installed.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        activities: Sources | None = None,
        workflows: Sources = (),
        stubs: Stubs | None = None,
        domain: str = DOMAIN,
        workers: int | None = None,
        freeze: bool = False,
        on_event: Callable[[str, Event], None] | None = None,
    ) -> None:
        """Check the arguments; nothing is asked of the simulation yet."""
        self.runs: list[Run] = []
        self.simulation = simulation
        self.domain = domain
        self._clock = simulation.clock
        self._size = None if workers is None else whole_number("workers", workers, least=1)
        self._freeze = freeze
        if freeze:
            freezegun()
        self._on_event = on_event
        self._told: dict[Execution, int] = {}
        self._activities = None if activities is None else activities_in(activities)
        self._workflows = dict.fromkeys(workflows_in(workflows))
        self._stubs = Stubs() if stubs is None else stubs
        self._client = simulation.client(poll_seconds=0)
        self._desk = Desk(simulation, self._task_taken, self._tell)
        self._agenda = Agenda(self._clock, self._desk, simulation.schedule.choose)
        self._crews: list[Crew] = []
        self._follow: Callable[[], None] = _stand_still
        self._started = 0

    def run(self, workflow: type[Workflow], *args: Any, **kwargs: Any) -> Run:
        """Start a workflow and run it to its end.

        Args:
            workflow: its class.
            *args: the arguments of the workflow's ``run``.
            **kwargs: its keyword arguments, and the options of `flowy.start`.

        Returns:
            What became of it; a workflow that failed is no error here.

        Raises:
            StuckError: nothing moves any more and it is still open.
            FlowyError: the workflow cannot be started, or its decider cannot decide, as
                `NonDeterminismError`.
        """
        __tracebackhide__ = True
        return self.finish(self.start(workflow, *args, **kwargs))

    __call__ = run

    def start(self, workflow: type[Workflow], *args: Any, **kwargs: Any) -> Execution:
        """Start a workflow; nothing is done for it yet.

        Args:
            workflow: its class.
            *args: the arguments of the workflow's ``run``.
            **kwargs: its keyword arguments, and the options of `flowy.start`.

        Returns:
            The ids of the execution. The workflow id is the type's name and a number, unless one
            is given.

        Raises:
            FlowyError: the workflow cannot be started.
        """
        declared = getattr(workflow, "flowy_type", None)
        if not isinstance(declared, WorkflowType):
            raise ConfigurationError(f"{workflow!r} is no class decorated with @workflow")
        self._workflows[workflow] = None
        self._staff()
        self._started += 1
        kwargs.setdefault("workflow_id", f"{declared.name}-{self._started}")
        execution = start(self._client, self.domain, workflow, *args, **kwargs)
        self._told[execution] = 0
        self._tell()
        return execution

    def finish(self, execution: Execution) -> Run:
        """Work on tasks and let time pass until an execution is closed.

        Args:
            execution: what `start` has returned, or one that somebody else has started.

        Returns:
            What became of it.

        Raises:
            StuckError: nothing moves any more and it is still open.
            FlowyError: a decider cannot decide.
        """
        __tracebackhide__ = True
        if not self._crews:
            self._staff()
        times_out = parse_instant(times_out_at(history(self._client, self.domain, execution)))
        with self._seen_time():
            while self._is_open(execution):
                if not self._work():
                    self._pass_time(execution, times_out)
        ended = fetch(self._client, self.domain, execution)
        self.runs.append(ended)
        self._told.pop(execution, None)
        return ended

    # Work

    def _staff(self) -> None:
        """Register everything that can be done, and put workers on all task lists."""
        self._register_domain()
        activities = self._activities
        if activities is None:
            modules = dict.fromkeys(module_of(workflow) for workflow in self._workflows)
            activities = list(dict.fromkeys(activities_in(modules)))
        self._repertoire = can = Repertoire(
            self._client, self.domain, self._workflows, activities, self._stubs, self._desk.hold
        )
        can.register()
        self._crews = [
            *(self._deciders(task_list) for task_list in can.decision_lists),
            *(self._workers(task_list) for task_list in can.activity_lists),
        ]

    def _register_domain(self) -> None:
        try:
            self._client.register_domain(
                name=self.domain, workflowExecutionRetentionPeriodInDays="90"
            )
        except Exception as error:
            if fault_code(error) != "DomainAlreadyExistsFault":
                raise

    def _deciders(self, task_list: str) -> Crew:
        workflows = self._repertoire.workflows.values()
        return Crew(
            lambda number: WorkflowWorker(
                self._desk, self.domain, task_list, workflows, identity=f"decider {number}"
            ),
            self._size,
        )

    def _workers(self, task_list: str) -> Crew:
        activities = self._repertoire.activities.values()
        return Crew(
            lambda number: ActivityWorker(
                self._desk, self.domain, task_list, activities, identity=f"worker {number}"
            ),
            self._size,
        )

    def _work(self) -> bool:
        """Let a worker of each crew poll; return whether any got a task."""
        got_task = False
        for crew in self._crews:
            got_task |= self._turn(crew)
        return got_task

    def _turn(self, crew: Crew) -> bool:
        worker = crew.leave()
        if worker is None:
            return False
        desk = self._desk
        desk.clear()
        got_task = worker.run_once()
        if desk.held is None:
            crew.come_back(worker)
        else:
            self._agenda.hold(desk.held, lambda: crew.come_back(worker))
        if desk.refusal is not None:
            raise desk.refusal
        if desk.task is not None:
            self._decide_again(desk.task)
        return got_task

    def _decide_again(self, task: dict[str, Any]) -> None:
        """Raise the error for which a decider did not answer.

        A worker logs it and leaves the task to others. Here are no others: the task would time
        out again and again.
        """
        named = task["workflowType"]
        workflow = self._repertoire.workflows[named["name"], named["version"]]
        ids = task["workflowExecution"]
        execution = Execution(ids["workflowId"], ids["runId"])
        decide(workflow, history(self._client, self.domain, execution)[: task["startedEventId"]])

    # Time

    def _pass_time(self, execution: Execution, times_out: int) -> None:
        """Let time pass until something happens.

        Raises:
            StuckError: nothing will, other than that the execution as a whole times out.
        """
        __tracebackhide__ = True
        own, happens = self._agenda.next_instant(), self.simulation.next_instant()
        if own is None and (happens is None or happens >= times_out):
            self._check_that_something_ends(execution)
        instant = min(instant for instant in (own, happens) if instant is not None)
        if self._clock.runs:
            time.sleep(self._clock.seconds_until(instant))
        else:
            self._clock.advance(max(0, instant - self._clock.milliseconds) / 1000)
        self._tell()
        self._agenda.catch_up()

    def _check_that_something_ends(self, execution: Execution) -> None:
        """Raise an error unless an open execution waits for something that ends by itself."""
        __tracebackhide__ = True
        stuck = fetch(self._client, self.domain, execution)
        others = [
            fetch(self._client, self.domain, other)
            for other in open_executions(self._client, self.domain, _OTHERS)
            if other != execution
        ]
        can = self._repertoire
        workers = Workers(can.decision_lists, can.activity_lists, list(can.activities))
        open_waits = [wait for each in (stuck, *others) for wait in waits(each.history, workers)]
        if not any(wait.ends for wait in open_waits):
            self.runs.append(stuck)
            self._told.pop(execution, None)
            raise StuckError(explain(stuck, others, workers, self._clock.now), stuck)

    def _is_open(self, execution: Execution) -> bool:
        reply = self._client.describe_workflow_execution(
            domain=self.domain,
            execution={"workflowId": execution.workflow_id, "runId": execution.run_id},
        )
        return bool(reply["executionInfo"]["executionStatus"] == "OPEN")

    @contextmanager
    def _seen_time(self) -> Iterator[None]:
        with frozen_to(self._clock) if self._freeze else nullcontext(_stand_still) as follow:
            self._follow = follow
            yield

    # Telling

    def _task_taken(self) -> None:
        self._follow()
        self._tell()

    def _tell(self) -> None:
        """Tell of the events that are new."""
        if self._on_event is None:
            return
        for execution, told in self._told.items():
            for event in history(self._client, self.domain, execution, after=told):
                self._told[execution] = event["eventId"]
                self._on_event(execution.workflow_id, event)


def _stand_still() -> None:
    """Follow no clock."""

"""Random programs for workflows, of everything that an author can write, and their environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

import flowy
from flowy import (
    Activity,
    ActivityProxy,
    ActivityWorker,
    Execution,
    ExecutionCanceled,
    Result,
    Retry,
    Workflow,
    WorkflowProxy,
    WorkflowWorker,
    activity,
    start,
    workflow,
)
from flowy._client import fault_code
from flowy._decider.suspended import SuspendedExecutions
from flowy.executions import history
from flowy_sim import RandomChoice, Simulation
from flowy_sim._engine.limits import Limits
from tests.support.worker_loops import DOMAIN

STEPS = (
    "activity",
    "activity",
    "flaky",
    "unhandled",
    "missing",
    "slow",
    "timer",
    "child",
    "signal",
    "send",
    "tell child",
    "wait",
    "first",
    "gather",
    "finish order",
    "reduce",
    "cancel",
    "side effect",
    "patched",
    "chance",
    "marker",
    "restart",
)


class Step(NamedTuple):
    """A step of a program."""

    kind: str
    chosen: tuple[int, ...]
    """Results of earlier steps that it is about, by number, counted round."""
    number: int
    """Chooses among what the kind of step leaves open."""


class Program(NamedTuple):
    """What a workflow does, and what is done to it."""

    steps: tuple[Step, ...]
    heeds: bool
    """Whether it closes as canceled when it is asked to, rather than continue."""
    outside: tuple[tuple[int, str], ...]
    """What comes from outside when: a request to ``cancel``, or a signal of that name."""


steps = st.builds(
    Step,
    st.sampled_from(STEPS),
    st.lists(st.integers(0, 20), min_size=1, max_size=4).map(tuple),
    st.integers(0, 8),
)
programs = st.builds(
    Program,
    st.lists(steps, min_size=1, max_size=14).map(tuple),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["cancel", "a", "b"])), max_size=3).map(
        tuple
    ),
)

# Activities and children.


@activity("steady", 1, "numbers", error_handling=True)
class Steady(Activity):
    def run(self, number: int, *needs: Any) -> int:
        return number


@activity("flaky", 1, "numbers", retry=Retry(3, delay=7, backoff=2, jitter=0.5))
class Flaky(Activity):
    def run(self, number: int, *needs: Any) -> int:
        if number % 3 and self.context.activity_id.count(".") < number % 4:
            raise ValueError(f"failure of {self.context.activity_id}")
        return number


@workflow("part", 1, "decisions", error_handling=True)
class Part(Workflow):
    steady = ActivityProxy(Steady)

    def run(self, number: int, restarts: int = 0) -> Any:
        match number % 5:
            case 0:
                return self.steady(number)
            case 1:
                raise ValueError("no")
            case 2:
                said, deadline = self.signal("say"), self.timer(20)
                return flowy.first(said, deadline) is said
            case 3 if restarts < 2:
                self.restart(self.steady(number), restarts + 1)
        try:
            self.sleep(12)
        except ExecutionCanceled:
            self.steady(number).result()
            raise
        return number


class Proxies(Workflow):
    steady = ActivityProxy(Steady)
    flaky = ActivityProxy(Flaky, error_handling=True)
    unhandled = ActivityProxy(Flaky, retry=4)
    missing = ActivityProxy("missing", 1, error_handling=True)
    part = WorkflowProxy(Part, retry=Retry(2, delay=3))


class Playing:
    """One run of a program."""

    def __init__(self, workflow: Any, program: Program, run: int) -> None:
        self.workflow = workflow
        self.program = program
        self.run = run
        self.results: list[Result[Any]] = []
        self.signals: list[Result[Any]] = []
        self.told: list[Any] = []

    def play(self) -> Any:
        for index, step in enumerate(self.program.steps):
            self.told.append(self.take(step, index))
        for wait in self.signals:
            if not wait.done:
                for name in "ab":
                    self.workflow.send_signal(self.workflow.workflow_id, name)
        return [self.told, [self.outcome(each) for each in self.results]]

    def take(self, step: Step, index: int) -> Any:
        workflow, number = self.workflow, step.number
        match step.kind:
            case "activity":
                self.results.append(workflow.steady(index, *self.chosen(step)))
            case "flaky":
                self.results.append(workflow.flaky(index, self.chosen(step)))
            case "unhandled":
                with workflow.options(priority=number):
                    self.results.append(workflow.unhandled(3 * number))
            case "missing":
                self.results.append(workflow.missing(number))
            case "slow":
                options = {"task_list": "nobody", "schedule_to_start": 5 + number}
                self.results.append(workflow.flaky.options(**options, delay=1)(index))
            case "timer":
                self.results.append(workflow.timer(3 * number))
            case "child":
                self.results.append(workflow.part(number, *([0] if number % 2 else [])))
            case "signal":
                wait = workflow.signal("ab"[number % 2])
                self.signals.append(wait)
                self.results.append(wait)
            case "send":
                carried = {"carried": list(self.chosen(step))}
                workflow.send_signal(workflow.workflow_id, "ab"[number % 2], carried)
            case "tell child":
                for child in self.children()[:2]:
                    child.signal("say", number, error_handling=True)
            case "cancel":
                for result in self.chosen(step, signals=True)[:2]:
                    result.cancel()
            case "side effect":
                return workflow.side_effect(lambda: 1 // (number % 3)) if number % 3 else None
            case "patched":
                return workflow.patched(f"patch {number % 3}")
            case "chance":
                return [workflow.random.randrange(100), str(workflow.uuid()), str(workflow.now())]
            case "marker":
                workflow.marker("random", str(number))
            case "restart" if self.run < 2:
                workflow.restart(self.run + 1, [self.chosen(step)] if number % 2 else [])
            case _:
                return self.wait(step)
        return None

    def wait(self, step: Step) -> Any:
        chosen = self.chosen(step)
        if not chosen:
            return None
        match step.kind:
            case "wait":
                flowy.wait(*chosen[:2])
                return [self.outcome(each) for each in chosen[:2]]
            case "first":
                both = (*self.chosen(step, signals=True), self.workflow.timer(15))
                return both.index(flowy.first(*both))
            case "gather":
                flowy.wait(*chosen)
                if all(each.error is None for each in chosen):
                    return flowy.gather(*chosen)
            case "finish order":
                return [chosen.index(each) for each in flowy.finish_order(*chosen)]
            case "reduce":
                flowy.wait(*chosen)
                fine = [each for each in chosen if each.error is None]
                if fine:
                    return flowy.parallel_reduce(lambda one, other: [one, other], fine)
        return None

    def chosen(self, step: Step, signals: bool = False) -> tuple[Result[Any], ...]:
        choice = [each for each in self.results if signals or each not in self.signals]
        if not choice:
            return ()
        return tuple(dict.fromkeys(choice[index % len(choice)] for index in step.chosen))

    def children(self) -> list[Any]:
        return [each for each in self.results if isinstance(each, flowy.ChildResult)]

    def outcome(self, result: Result[Any]) -> Any:
        if result in self.signals and not result.done:
            return "still waiting"
        try:
            return result.result()
        except flowy.FlowyError as error:
            if isinstance(error, ExecutionCanceled):
                raise
            return str(error)


def written(program: Program) -> type[Workflow]:
    """The workflow that runs a program."""

    def run(self: Any, run: int = 0, handed: Any = None) -> Any:
        playing = Playing(self, program, run)
        try:
            return playing.play()
        except ExecutionCanceled:
            if program.heeds:
                self.flaky(1).result()
                raise
            return [playing.told, "went on"]

    return workflow("random", 1, "decisions")(type("Random", (Proxies,), {"run": run}))


# Their environment.


class Careless:
    """A client that silently loses some answers to decision tasks.

    Before others, it lets something happen that the decisions could not take into account.
    """

    def __init__(
        self, client: Any, lost: Callable[[], bool], happens: Callable[[], object]
    ) -> None:
        self._client = client
        self._lost = lost
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def respond_decision_task_completed(self, **answer: Any) -> Any:
        if self._lost():
            return {}
        self._happens()
        return self._client.respond_decision_task_completed(**answer)


Suspending = Callable[[], int | SuspendedExecutions]


def lived(
    program: Program, seed: int, suspending: Iterable[Suspending], limits: Limits | None = None
) -> tuple[Simulation, type[Workflow]]:
    """Run a program.

    Args:
        program: the program.
        seed: of the simulation and of all random choices.
        suspending: for each of several deciders, what it keeps suspended.
        limits: of the simulation.
    """
    simulation = Simulation(seed, schedule=RandomChoice(seed), limits=limits)
    # Exact: a decider that replays reads more pages, which must not take simulated time.
    client = simulation.client(poll_seconds=1, exact=True)
    client.register_domain(name=DOMAIN, workflowExecutionRetentionPeriodInDays="1")
    chance = Random(seed)
    cls = written(program)
    outside = sorted(program.outside)

    def happens() -> None:
        if outside and chance.random() < 0.3:
            interfere(client, outside.pop(0)[1])

    deciders = [
        WorkflowWorker(
            Careless(client, lambda: chance.random() < 0.05, happens),
            DOMAIN,
            "decisions",
            [cls, Part],
            suspended=each(),
        )
        for each in suspending
    ]
    actor = ActivityWorker(client, DOMAIN, "numbers", [Steady, Flaky])
    for worker in (*deciders, actor):
        worker.register()
    # No client is waited for, however slow the machine is.
    client.poll_for_activity_task(domain=DOMAIN, taskList={"name": "nobody"})
    start(client, DOMAIN, cls, workflow_id="random", execution_start_to_close=3_600)
    began = simulation.clock.now
    while any(past.is_open for past in simulation.engine().executions.values()):
        while outside and (simulation.clock.now - began).total_seconds() >= outside[0][0]:
            interfere(client, outside.pop(0)[1])
        chance.choice(deciders).run_once()
        actor.run_once()
    return simulation, cls


def interfere(client: Any, what: str) -> None:
    """Ask the execution to cancel itself, or send it a signal, if it is open."""
    request = {"domain": DOMAIN, "workflowId": "random"}
    try:
        if what == "cancel":
            client.request_cancel_workflow_execution(**request)
        else:
            client.signal_workflow_execution(**request, signalName=what)
    except Exception as error:
        if fault_code(error) != "UnknownResourceFault":
            raise


def pasts(simulation: Simulation) -> list[list[dict[str, Any]]]:
    """The histories of all executions, in the order in which they were started."""
    client = simulation.client()
    return [
        history(client, DOMAIN, Execution(past.workflow_id, run_id))
        for run_id, past in list(simulation.engine().executions.items())
    ]


def histories(simulation: Simulation) -> str:
    """All that happened, as text."""
    return json.dumps(pasts(simulation), default=str)

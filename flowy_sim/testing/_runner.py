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

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from flowy._checks import function, names, number, whole_number
from flowy._client import Execution, fault_code
from flowy._start import start
from flowy.errors import ConfigurationError, FlowyError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.faults._fault import InjectedFault, checked_faults
from flowy_sim.testing._invariants import Invariants
from flowy_sim.testing._registry import (
    Registry,
    Sources,
    activities_in,
    families,
    implementations,
    module_of,
    workflows_in,
)
from flowy_sim.testing._run import Event, EventFeed, Run, fetch
from flowy_sim.testing._scheduler import Code, Scheduler
from flowy_sim.testing._stub_dispatch import StubDispatch
from flowy_sim.testing._stubs import Stubs, UnexpectedCallError
from flowy_sim.testing._time import TurnLoop
from flowy_sim.testing._waiting import StuckError, called_in_vain, timed_out_in_vain

DOMAIN = "simulated"
"""The domain that workflows run in if none is named."""

MOST_RESTARTS = 100
"""How many restarts of a workflow are followed at most, if nothing else is said."""

MOST_FAULTS = 2
"""How many faults strike in one run at most, if nothing else is said."""

C = TypeVar("C", bound=Callable[..., object])


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
    long that takes (see `Stubs`), anything else takes no time at all. On a clock that
    runs by itself the runner really waits.

    Calling a runner is the same as calling its method ``run``.

    Args:
        simulation: where workflows run.
        activities: the activities that can be worked on: classes, functions, modules or packages,
            or names of the latter two; by default those that the workflows' proxies were given,
            and that their modules have.
        workflows: other workflows that can be decided on, given likewise, beside those that
            proxies of children were given.
        stubs: what stands in for activities.
        domain: the domain, registered if need be.
        workers: how many workers wait on each task list, and how many deciders; None for as many
            as there are tasks.
        task_lists: lists to wait on beside those that types and proxies name: those that workflows
            choose on the way, and that executions are started on.
        most_restarts: how many runs of an execution that continues as new are followed at most.
        freeze: whether user code sees the simulated time in `time` and `datetime`, by freezegun.
        payloads: how arguments and results travel; as JSON, and no longer than the service takes,
            by default.
        on_event: called with the workflow id and the event for each event that is written to the
            history of an execution that was started here, as soon as it is.
        faults: what may go wrong, if the simulation's schedule says so.
        most_faults: how many faults strike in a run at most.
        on_turn: called between two turns.
        on_accident: told when a fault strikes, in a few words.

    Attributes:
        simulation, domain, stubs, payloads: as given.
        scheduler: who takes turns.
        course: lets turns be taken, and time pass.
        stub_dispatch: gives the answers of stubs.
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
        task_lists: Iterable[str] = (),
        most_restarts: int = MOST_RESTARTS,
        freeze: bool = False,
        payloads: Payloads = PLAIN,
        on_event: Callable[[str, Event], None] | None = None,
        faults: Iterable[InjectedFault] = (),
        most_faults: int = MOST_FAULTS,
        on_turn: Callable[[], None] | None = None,
        on_accident: Callable[[str], None] | None = None,
    ) -> None:
        """Check the arguments; nothing is asked of the simulation yet."""
        if not isinstance(simulation, Simulation):
            raise ConfigurationError(f"a Runner runs workflows in a Simulation, not {simulation!r}")
        if not isinstance(payloads, Payloads):
            raise ConfigurationError(
                f"payloads must be a Payloads, such as Payloads(store=…), not {payloads!r}"
            )
        self.runs: list[Run] = []
        self.simulation = simulation
        self.domain = domain
        self.stubs = Stubs() if stubs is None else stubs
        self._client = simulation.client(poll_seconds=0)
        self._event_feed = EventFeed(self._client, domain, on_event)
        self.scheduler = Scheduler(
            simulation,
            domain,
            None if workers is None else whole_number("workers", workers, least=1),
            checked_faults(faults),
            whole_number("most_faults", most_faults),
            self._task_taken,
            self._event_feed.tell,
            on_accident or _say_nothing,
        )
        self.stub_dispatch = StubDispatch(
            simulation, domain, self.stubs, payloads, self.scheduler.worker_client.hold
        )
        self.scheduler.worker_client.arrange = self.stub_dispatch.arrange
        self.payloads = payloads
        self._task_lists = names("task_lists", task_lists)
        self._most_restarts = whole_number("most_restarts", most_restarts)
        self._activities = None if activities is None else activities_in(activities)
        self._workflows = dict.fromkeys(workflows_in(workflows))
        self._invariants = Invariants(simulation, self._client, domain, payloads)
        self.turn_loop = TurnLoop(
            self.scheduler, self.stub_dispatch, self._event_feed, self._invariants, freeze, on_turn
        )
        self._looks: list[Callable[[], object]] = []
        self._started = 0

    def invariant(self, check: C) -> C:
        """Hold something to be true after every turn; a decorator.

        Args:
            check: called without arguments; it asserts. Its name says what holds. If it has a
                parameter, it is called with each execution whose history has grown, as a `Run`.

        Example:
            ::

                filed = []
                swf_stub(RenameImage, function=lambda path, color: filed.append(path))

                @swf_run.invariant
                def no_image_is_filed_twice():
                    assert len(filed) == len(set(filed))
        """
        __tracebackhide__ = True
        self._invariants.add(check)
        return check

    def watch(self, look: Callable[[], object]) -> None:
        """Say what the world outside looks like, as far as it matters to what follows.

        Exploring takes states for the same only if the world looks the same. If nobody says how
        it looks, that is which work was done so far, in which order.

        Args:
            look: returns it, with a ``repr`` that tells it all: ``lambda: sorted(filed)``.
        """
        __tracebackhide__ = True
        self._looks.append(function("what watches the world", look))

    def world(self) -> object:
        """Return what the world outside looks like, to be compared."""
        if self._looks:
            return tuple(repr(look()) for look in self._looks)
        return tuple(self.scheduler.log)

    @property
    def progress(self) -> tuple[int, int]:
        """How many executions were started here and how many have been run to their end."""
        return self._started, len(self.runs)

    def loop(self, code: Code | type[Code], name: str | None = None) -> None:
        """Let code take part that polls by itself: a decider or worker that does not use flowy.

        The runner's domain is registered then, for what else is to be registered by hand. The code
        has one turn after the other, between those of other workers. A turn ends when the code
        returns, or polls a list for the second time; so it may poll once, or be an endless loop.

        Args:
            code: called with an SWF client in each turn; or a class, of which an instance is
                made for each worker, so that what it keeps is lost when it dies.
            name: who it is; the name of the code by default.
        """
        __tracebackhide__ = True
        function("code that polls by itself", code)
        self._register_domain()
        self.scheduler.add(code, name or str(getattr(code, "__name__", type(code).__name__)))

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
        __tracebackhide__ = True
        declared = getattr(workflow, "flowy_type", None)
        if not isinstance(declared, WorkflowType):
            raise ConfigurationError(f"{workflow!r} is no class decorated with @workflow")
        self._workflows[workflow] = None
        self._staff()
        self._started += 1
        kwargs.setdefault("workflow_id", f"{declared.name}-{self._started}")
        kwargs.setdefault("payloads", self.payloads)
        try:
            execution = start(self._client, self.domain, workflow, *args, **kwargs)
        except FlowyError as error:
            # Its sentence says all; the code that found it is of no interest to a test's report.
            raise error.with_traceback(None) from None
        self._event_feed.add(execution)
        return execution

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something when so many simulated seconds have passed.

        Args:
            seconds: after how many, from now.
            action: what is done then, between two turns: a signal, an answer from elsewhere.

        Example:
            ``swf_run.after(3600, lambda: elsewhere.complete(client, tokens.pop(), "approved"))``
        """
        __tracebackhide__ = True
        number("the seconds after which something is done", seconds)
        self.scheduler.delayed_calls.let_others(seconds, function("what is done then", action))

    def advance(self, seconds: float = 0) -> None:
        """Do all that there is to do now, and let simulated time pass.

        For tests that look, or act, while an execution is open.

        Args:
            seconds: how much time passes; nobody waits for anything in it that comes later.

        Raises:
            FlowyError: a decider cannot decide.

        Example:
            ::

                execution = swf_run.start(Approval, "a text")
                swf_run.advance()
                elsewhere.complete(swf_run.simulation.client(), tokens.pop(), "approved")
                assert swf_run.finish(execution).result == "approved"
        """
        __tracebackhide__ = True
        reached: list[bool] = []
        self.after(seconds, lambda: reached.append(True))
        while True:
            while self.turn_loop.take_turn():
                pass
            instant = self.turn_loop.next_instant()
            if reached or instant is None:
                return
            self.turn_loop.let_time_pass(instant)

    def finish(self, execution: Execution) -> Run:
        """Work on tasks and let time pass until an execution is closed.

        One that continues as new is followed, as often as ``most_restarts`` says.

        Args:
            execution: what `start` has returned, or one that somebody else has started.

        Returns:
            What became of it, in its last run.

        Raises:
            StuckError: nothing moves any more and it is still open.
            FlowyError: a decider cannot decide.
        """
        __tracebackhide__ = True
        if not isinstance(execution, Execution):
            raise ConfigurationError(
                "finish takes an Execution(workflow_id, run_id), as start returns it, not "
                f"{execution!r}"
            )
        ended = self._finish_run(execution)
        while ended.successor is not None and len(ended.earlier) < self._most_restarts:
            later = self._finish_run(ended.successor)
            ended = replace(later, earlier=(*ended.earlier, replace(ended, earlier=())))
        return ended

    def _finish_run(self, execution: Execution) -> Run:
        __tracebackhide__ = True
        if self.scheduler.registry is None:
            self._staff()
        try:
            self.turn_loop.run_until_closed(execution)
        except StuckError as stuck:
            self.runs.append(stuck.run)
            raise
        except Exception:
            self.runs.append(self._fetch(execution))
            raise
        finally:
            self.scheduler.suspended.clear()
            self._event_feed.remove(execution)
        ended = self._fetch(execution)
        self.runs.append(ended)
        can = self.scheduler.registry
        in_vain = called_in_vain(ended.history, list(self.simulation.lambdas))
        if can is not None and can.missing:
            in_vain = in_vain or timed_out_in_vain(ended.history, can.missing, can.activities)
        if in_vain:
            raise UnexpectedCallError(in_vain)
        return ended

    def _fetch(self, execution: Execution) -> Run:
        names = self.scheduler.can_call
        return fetch(self._client, self.domain, execution, self.payloads, names)

    # Work

    def _staff(self) -> None:
        """Register everything that can be done, and put workers on all task lists."""
        is_new = self._register_domain()
        workflows = families(self._workflows)
        activities = self._activities
        if activities is None:
            modules = dict.fromkeys(map(module_of, workflows))
            asked = implementations(workflows)
            activities = list(dict.fromkeys([*activities_in(modules), *asked]))
        can = Registry(
            self._client,
            self.domain,
            workflows,
            activities,
            self.stub_dispatch,
            self.payloads,
        )
        can.register(is_new)
        self.scheduler.staff(can, self._task_lists)

    def _register_domain(self) -> bool:
        """Register the domain; return whether it was not yet."""
        try:
            self._client.register_domain(
                name=self.domain, workflowExecutionRetentionPeriodInDays="90"
            )
        except Exception as error:
            if fault_code(error) != "DomainAlreadyExistsFault":
                raise
            return False
        return True

    def _task_taken(self) -> None:
        task = self.scheduler.worker_client.task
        if task is not None and "workflowType" in task:
            self.stub_dispatch.begin(task)
        self.turn_loop.follow()
        self._event_feed.tell()


def _say_nothing(accident: str) -> None:
    """Keep what goes wrong to oneself."""

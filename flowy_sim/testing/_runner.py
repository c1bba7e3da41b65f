"""The runner, which runs workflows on a simulation, with deciders and workers in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from flowy import executions
from flowy._checks import function, names, number, text, whole_number
from flowy._client import Execution
from flowy._start import NameAndVersion
from flowy.errors import ConfigurationError
from flowy.payloads import PLAIN, Payloads
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._simulation.clock import in_seconds
from flowy_sim._simulation.stub_answers import stub_payloads
from flowy_sim._simulation.stubs import Stubs
from flowy_sim.faults._fault import InjectedFault
from flowy_sim.faults._injector import checked_faults
from flowy_sim.testing._finisher import Finisher
from flowy_sim.testing._invariants import Invariants
from flowy_sim.testing._loop_pools import check_greenlet
from flowy_sim.testing._polling_code import PollingCode, takes_client
from flowy_sim.testing._registry import Sources, activities_in, workflows_in
from flowy_sim.testing._run import EventFeed, EventListener, Run
from flowy_sim.testing._scheduler import Scheduler
from flowy_sim.testing._starter import Starter, WorkerSetup, checked_starts, number_of_workers
from flowy_sim.testing._stub_dispatch import StubDispatch
from flowy_sim.testing._turn_loop import TurnLoop

DOMAIN = "simulated"
"""The domain in which workflows run by default."""

MOST_RESTARTS = 100
"""The default limit on how many times an execution may continue as new."""

MOST_FAULTS = 2
"""The default limit on how many faults strike in one run."""

C = TypeVar("C", bound=Callable[..., object])
T = TypeVar("T")


def run(simulation: Simulation, workflow: type[Workflow], *args: Any, **kwargs: Any) -> Run:
    """Run a workflow to its end.

    Args:
        simulation: the simulation to run the workflow on.
        workflow: the class of the workflow. Workers implement the activities that its proxies
            name and those in its module; for other activities, use a `Runner`.
        *args: the positional arguments of the workflow's ``run``.
        **kwargs: the keyword arguments of ``run``, and the options of `flowy.start`.

    Returns:
        The run. If the workflow fails, the run's status says so; no exception is raised.

    Raises:
        StuckError: nothing more will happen, and the execution is still open.
        UnexpectedCallError: the workflow called something that is not implemented.
        FlowyError: the workflow cannot be started, or its decider fails.

    Example:
        ``run(Simulation(), ImageCategorization, "photo.jpg", 150).result``
    """
    return Runner(simulation).run(workflow, *args, **kwargs)


class Runner:
    """Runs workflows on a simulation, with deciders and workers that take turns in one thread.

    Time stands still while a worker can take a turn; otherwise it skips to the next event. A task
    takes the simulated time that its stub specifies (see `Stubs`), or none. On a clock that runs
    on its own, the runner really waits. The same seed gives the same history, byte for byte.

    Calling a runner is the same as calling its method `run`.

    Args:
        simulation: the simulation to run workflows on.
        activities: the activities that workers implement: classes, functions, modules, packages,
            or names of modules or packages. By default, those that the workflows' proxies name,
            and those in the workflows' modules.
        workflows: workflows that deciders implement in addition to those that are started here and
            their children, in the same forms.
        stubs: the stubs of activities, child workflows and Lambda functions.
        domain: the name of the domain, which is registered if necessary.
        workers: the number of workers, and of deciders, on each task list; None for as many as
            there are tasks. From a tuple, such as ``(None, 1)``, the schedule chooses one number,
            so that exploring finds tasks that starve when there are few workers.
        task_lists: task lists to poll in addition to those that types and proxies name: those that
            workflows choose while they run, and those that executions are started on.
        most_restarts: the number of times that an execution may continue as new while the runner
            follows it.
        times_out: whether an execution may end by its own time-out. If not, an execution that
            only its time-out can end counts as stuck.
        ends_within: the number of seconds within which an execution must end after the last fault
            has struck and the last action of `after` was called; None for no such limit. For an
            explored test, True derives the limit from the timers and time-outs of the execution.
        arguments: alternatives to the arguments that the test gives: True for values that match
            the type hints of ``run``, or a Hypothesis strategy or a list of tuples. The schedule
            chooses which arguments a workflow is started with.
        starts: delays before workflows are started, in seconds; the schedule chooses one.
        freeze: whether user code sees the simulated time in `time` and `datetime`; this uses
            freezegun.
        virtual_sleep: whether code that polls with its own loop, and the threads that it starts,
            sleep in simulated time. Event loops of asyncio always do in such code.
        payloads: encodes and decodes arguments and results. The default is JSON that is no longer
            than the service allows.
        on_event: called with the workflow ID and the event for each event in the history of an
            execution that was started here, as soon as it is written.
        faults: the faults that may strike; the simulation's schedule chooses whether they do.
        most_faults: the maximum number of faults that strike in one run.
        on_turn: called without arguments between two turns.
        on_fault: called with a description when a fault strikes.

    Attributes:
        simulation, stubs, payloads: as given.
        runs: the runs so far, in order, including those that got stuck.
        conditions: by name, whether each condition of `sometimes` was true at least once.

    Raises:
        ConfigurationError: an argument is wrong.
        ImportError: `freeze` is set and freezegun is not installed.
    """

    def __init__(
        self,
        simulation: Simulation,
        *,
        activities: Sources | None = None,
        workflows: Sources = (),
        stubs: Stubs | None = None,
        domain: str = DOMAIN,
        workers: int | tuple[int | None, ...] | None = None,
        task_lists: Iterable[str] = (),
        most_restarts: int = MOST_RESTARTS,
        times_out: bool = False,
        ends_within: float | None = None,
        arguments: object = None,
        starts: Iterable[float] = (),
        freeze: bool = False,
        virtual_sleep: bool = True,
        payloads: Payloads = PLAIN,
        on_event: EventListener | None = None,
        faults: Iterable[InjectedFault] = (),
        most_faults: int = MOST_FAULTS,
        on_turn: Callable[[], None] | None = None,
        on_fault: Callable[[str], None] | None = None,
    ) -> None:
        _check_types(simulation, payloads)
        self.conditions: dict[str, bool] = {}
        # Values that were chosen in place of the first ones, with the times; for stories.
        self.chosen: list[tuple[int, str]] = []
        self.simulation = simulation
        self._domain = domain
        self.stubs = Stubs() if stubs is None else stubs
        self.payloads = payloads
        self._client = simulation.client(poll_seconds=0)
        self._event_feed = EventFeed(self._client, domain, on_event)
        # The next three are not part of the public API; explore, strategies and the pytest plugin
        # use them.
        size = number_of_workers(simulation, workers)
        if isinstance(workers, tuple) and size != workers[0]:
            self._note_chosen(f"workers on each task list: {size or 'as many as there are tasks'}")
        self.scheduler = Scheduler(
            simulation,
            domain,
            size,
            checked_faults(faults),
            whole_number("most_faults", most_faults),
            self._task_received,
            self._event_feed.publish,
            on_fault or _ignore,
        )
        worker_client = self.scheduler.worker_client
        worker_client.virtual_sleep = virtual_sleep
        self.stub_dispatch = StubDispatch(
            simulation, domain, self.stubs, payloads, worker_client.use_answer
        )
        self.stub_dispatch.answered.append(("workers", str(size)))
        worker_client.assign_answers = self.stub_dispatch.assign_answers
        task_lists = names("task_lists", task_lists)
        most_restarts = whole_number("most_restarts", most_restarts)
        self._worker_setup = WorkerSetup(
            self.scheduler,
            self.stub_dispatch,
            stub_payloads(payloads, self.stub_dispatch.is_plain),
            None if activities is None else activities_in(activities),
            workflows_in(workflows),
            task_lists,
        )
        self._invariants = Invariants(simulation, self._client, domain, payloads)
        self.turn_loop = TurnLoop(
            self.scheduler,
            self.stub_dispatch,
            self._event_feed,
            self._invariants,
            freeze,
            on_turn,
            most_restarts,
            times_out,
        )
        self._watched: list[Callable[[], object]] = []
        self._goals: list[Callable[[], object]] = []
        self.ends_within = None if ends_within is None else number("ends_within", ends_within)
        setup, loop = self._worker_setup, self.turn_loop
        self._starter = Starter(
            setup, loop, payloads, self.choose, arguments, checked_starts(starts)
        )
        self._finisher = Finisher(setup, loop, payloads, most_restarts, self.ends_within)
        self.runs = self._finisher.runs
        self.loops: list[Any] = []

    @property
    def domain(self) -> str:
        """The name of the domain, which is registered when it is first read or used in a call."""
        self._worker_setup.register_domain()
        return self._domain

    def invariant(self, check: C) -> C:
        """Check a condition after every turn; a decorator.

        Args:
            check: a function that asserts the condition and is named after it. A function without
                parameters is called once after each turn. A function with one parameter is called
                with each execution whose history has grown, as a `Run`.

        Raises:
            ConfigurationError: `check` is not such a function.

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

    def sometimes(self, condition: object, name: str) -> None:
        """Note whether something interesting has happened; for explored tests.

        Exploring reports the conditions that were true in no run, because a test that never
        reaches an interesting state proves little. With ``must_happen=True``, such a condition
        fails the test.

        Args:
            condition: whether it has happened at this point of the run.
            name: a description of what has happened, such as ``"a compensation ran"``.

        Example:
            ``swf_run.sometimes(run.calls(Refund), "a refund was made")``
        """
        name = text("the name of a condition", name)
        self.conditions[name] = self.conditions.get(name, False) or bool(condition)

    def eventually(self, check: C) -> C:
        """State a goal, which must hold when the test has ended, whatever went wrong; a decorator.

        Args:
            check: a function that asserts the goal and is named after it. It is called without
                arguments at the end of an explored test, or of a test that uses the fixture
                ``swf_run``.

        Example:
            ::

                @swf_run.eventually
                def everything_is_refunded():
                    assert balance == 0
        """
        __tracebackhide__ = True
        self._goals.append(function("a goal", check))
        return check

    def check_goals(self) -> None:
        """Check the goals that were stated by `eventually`.

        Raises:
            AssertionError: a goal does not hold.
        """
        __tracebackhide__ = True
        for check in self._goals:
            check()

    def choose(self, name: str, values: Sequence[T]) -> T:
        """Choose a value: the first one, or any of them if the test is explored.

        Args:
            name: what is chosen, in a few words; reports show it.
            values: the values, the simplest first.

        Raises:
            ConfigurationError: `values` is empty.

        Example:
            ``amount = swf_run.choose("the amount", [7, 0, -1])``
        """
        __tracebackhide__ = True
        if not values:
            raise ConfigurationError(
                f"there are no values to choose {name} from; give at least one"
            )
        index = self.scheduler.choose(text("what is chosen", name), len(values))
        # What was chosen makes a difference later, so two such states are not the same.
        self.stub_dispatch.answered.append(("chosen", name, str(index)))
        if index and not name.startswith("the argument"):  # They are shown where it starts.
            self._note_chosen(f"{name}: {values[index]!r}")
        return values[index]

    def _note_chosen(self, words: str) -> None:
        self.chosen.append((self.simulation.clock.milliseconds, words))

    def watch(self, look: Callable[[], object]) -> None:
        """Let exploration watch state outside the simulation.

        Exploration skips a state that equals one that it has already explored. Two states are
        equal only if the state outside the simulation is equal, too. By default, the state outside
        is the work that has been done so far, in order.

        Args:
            look: a function that returns the state that affects what happens next, such as
                ``lambda: sorted(filed)``. Exploration compares the ``repr`` of that state.
        """
        __tracebackhide__ = True
        self._watched.append(function("the function that returns the watched state", look))

    def outside_state(self) -> object:
        """Return the state outside the simulation, for comparison."""
        if self._watched:
            return tuple(repr(look()) for look in self._watched)
        return tuple(self.scheduler.worker_pools.log)

    @property
    def progress(self) -> tuple[int, int]:
        """The number of executions that this runner has started, and the number of its runs."""
        return self._starter.started, len(self.runs)

    def loop(self, code: PollingCode, name: str | None = None) -> None:
        """Add code that polls with its own loop: a decider or worker that does not use flowy.

        The code takes turns with the other workers. It may poll once or in an endless loop: it is
        suspended where it polls, and resumes when there is a task. This works with any boto3
        client: the one that the code is called with, and those that it makes. `time.sleep` takes
        simulated time and no real time. This method registers the runner's domain, so that the
        code can register its types.

        All ``async def`` functions share one event loop, whose time is simulated. They are called
        with a client whose methods are coroutines, like those of aiobotocore.

        A loop that a fault kills runs no more of its code, not even a ``finally`` block.

        Args:
            code: a function, which is called with an SWF client if it has a parameter without a
                default, and called again when it returns. To lose the code's state when its worker
                dies, give a class, which is instantiated for each worker, or a function without
                such a parameter that returns the code.
            name: the name of the worker; by default the name of the code.

        Raises:
            ConfigurationError: the code can be called neither with a client nor without arguments.
            ImportError: greenlet is not installed; the extra ``pytest`` installs it.
        """
        __tracebackhide__ = True
        if not callable(code):
            raise ConfigurationError(
                f"code that polls with its own loop is a function, not {code!r}"
            )
        takes_client(code)
        check_greenlet()
        self._worker_setup.register_domain()
        self.stub_dispatch.has_loops = True
        self.loops.append(code)
        self.scheduler.worker_pools.add_loop(
            code, name or str(getattr(code, "__name__", type(code).__name__))
        )

    def run(self, workflow: type[Workflow] | NameAndVersion, *args: Any, **kwargs: Any) -> Run:
        """Start a workflow and run it to its end.

        Args:
            workflow: the workflow's class; or the name and version of its type, for a decider
                that does not use flowy.
            *args: the positional arguments of the workflow's ``run``.
            **kwargs: the keyword arguments of ``run``, and the options of `flowy.start`. With a
                name and version, ``input`` is the input as text.

        Returns:
            The run. If the workflow fails, the run's status says so; no exception is raised.

        Example:
            ``swf_run(("order", "1"), input="42", task_list="deciders").result``

        Raises:
            StuckError: nothing more will happen, and the execution is still open.
            UnexpectedCallError: a stub has no answer to a call, or a type has no implementation.
            AssertionError: an invariant does not hold, the execution ended later than
                `ends_within` allows, or it restarts itself forever (`EndlessRestartsError`).
            FlowyError: the workflow cannot be started, or its decider fails, for example with
                `NonDeterminismError`.
        """
        __tracebackhide__ = True
        return self.finish(self.start(workflow, *args, **kwargs))

    __call__ = run

    def start(
        self, workflow: type[Workflow] | NameAndVersion, *args: Any, **kwargs: Any
    ) -> Execution:
        """Start a workflow, but do not run it yet.

        If the workflow is given by name and version, and its type is not registered, the code
        that polls with its own loop takes turns first, because it may register the type.

        Args:
            workflow: the workflow's class; or the name and version of its type, for a decider
                that does not use flowy.
            *args: the positional arguments of the workflow's ``run``.
            **kwargs: the keyword arguments of ``run``, and the options of `flowy.start`. With a
                name and version, ``input`` is the input as text.

        Returns:
            The IDs of the execution. The default workflow ID is the name of the type and a number.

        Raises:
            FlowyError: the workflow cannot be started.
        """
        __tracebackhide__ = True
        return self._starter.start(workflow, args, kwargs)

    def signal(self, execution: Execution, name: str, value: object = None) -> None:
        """Send a signal to an open execution, which receives it when it runs on.

        Args:
            execution: the IDs of the execution, as returned by `start`.
            name: the signal's name.
            value: the value that the signal carries; None for no value. A decider that uses flowy
                receives the value itself. Any other decider receives text unchanged, and other
                values as JSON.

        Raises:
            ConfigurationError: `execution` is not an `Execution`.
            SerializationError: the value cannot be serialized, or is too long.
            UnknownExecutionError: the execution is not open.

        Example:
            ``swf_run.signal(execution, "approve", "yes")``
        """
        __tracebackhide__ = True
        _check_execution("signal", execution)
        payloads = self.payloads
        if isinstance(value, str) and not self.stub_dispatch.is_flowys(execution.run_id):
            payloads = Payloads(_PlainText())
        executions.signal(
            self._client,
            self._domain,
            execution.workflow_id,
            name,
            value,
            run_id=execution.run_id,
            payloads=payloads,
        )
        self._event_feed.publish()

    def cancel(self, execution: Execution) -> None:
        """Request the cancellation of an open execution.

        The decider receives the request when the execution runs on.

        Args:
            execution: the IDs of the execution, as returned by `start`.

        Raises:
            ConfigurationError: `execution` is not an `Execution`.
            UnknownExecutionError: the execution is not open.
        """
        __tracebackhide__ = True
        _check_execution("cancel", execution)
        executions.request_cancel(
            self._client, self._domain, execution.workflow_id, run_id=execution.run_id
        )
        self._event_feed.publish()

    def after(self, seconds: float | timedelta, action: Callable[[], object]) -> None:
        """Call a function after some simulated time.

        Args:
            seconds: the number of simulated seconds from now, or a timedelta.
            action: a function that is called without arguments between two turns, for example to
                send a signal or to complete a task. If the workflow ends before it is called, a
                test that uses the fixture ``swf_run``, or an explored test, fails, as it does
                with an unused stub.

        Example:
            ``swf_run.after(3600, lambda: async_completion.complete(client, tokens.pop(), "yes"))``
        """
        __tracebackhide__ = True
        seconds = number("the seconds after which an action is called", in_seconds(seconds))
        self.scheduler.delayed_calls.add_action(seconds, function("an action", action))

    def advance(self, seconds: float | timedelta = 0) -> None:
        """Do all work that can be done now, and let simulated time pass.

        Use this in tests that check or do something while an execution is open.

        Args:
            seconds: the number of simulated seconds that pass, or a timedelta.

        Raises:
            FlowyError: a decider fails.

        Example:
            ::

                execution = swf_run.start(Approval, "a text")
                swf_run.advance()
                async_completion.complete(swf_run.simulation.client(), tokens.pop(), "approved")
                assert swf_run.finish(execution).result == "approved"
        """
        __tracebackhide__ = True
        reached: list[bool] = []
        seconds = number("the seconds to pass", in_seconds(seconds))
        self._worker_setup.prepare_once()
        self.scheduler.delayed_calls.add_pause(seconds, lambda: reached.append(True))
        with self.turn_loop.active():
            while True:
                while self.turn_loop.take_turn():
                    pass
                if reached or not self.turn_loop.skip_time():
                    return

    def finish(self, execution: Execution) -> Run:
        """Run an open execution to its end.

        An execution that continues as new is followed, up to `most_restarts` times.

        Args:
            execution: the IDs of the execution, as returned by `start` or `flowy.start`.

        Returns:
            The last run; the runs before it are in its `Run.earlier`.

        Raises:
            StuckError: nothing more will happen, and the execution is still open.
            UnexpectedCallError: a stub has no answer to a call, or a type has no implementation.
            AssertionError: an invariant does not hold, the execution ended later than
                `ends_within` allows, or it restarts itself forever (`EndlessRestartsError`).
            ConfigurationError: `execution` is not an `Execution`.
            FlowyError: a decider fails.
        """
        __tracebackhide__ = True
        _check_execution("finish", execution)
        return self._finisher.finish(execution)

    def _task_received(self) -> None:
        task = self.scheduler.worker_client.task
        if task is not None:
            self.stub_dispatch.begin_task(task)
        if task is not None and "workflowType" in task:
            self.stub_dispatch.choose_outcome(task)
        self.turn_loop.follow_clock()
        self._event_feed.publish()


def _check_types(simulation: object, payloads: object) -> None:
    __tracebackhide__ = True
    if not isinstance(simulation, Simulation):
        raise ConfigurationError(f"a Runner runs workflows on a Simulation, not {simulation!r}")
    if not isinstance(payloads, Payloads):
        raise ConfigurationError(
            f"payloads must be a Payloads, such as Payloads(store=…), not {payloads!r}"
        )


def _check_execution(method: str, execution: object) -> None:
    __tracebackhide__ = True
    if not isinstance(execution, Execution):
        raise ConfigurationError(
            f"{method} takes an Execution(workflow_id, run_id), as start returns it, not "
            f"{execution!r}"
        )


class _PlainText:
    """A serializer of text as it is."""

    def dumps(self, value: object) -> str:
        """Return the text."""
        return str(value)

    def loads(self, text: str) -> str:
        """Return the text."""
        return text


def _ignore(description: str) -> None:
    """Ignore that a fault has struck."""

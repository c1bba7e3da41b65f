"""What a runner starts: the workers that executions need, and the executions.

By default, workers implement the activities that the workflows' proxies name, and those in the
workflows' modules. So each workflow that is started may need more of them.

A workflow is started by its class, or by the name and version of its type. Such a type may not be
registered yet: code that polls with its own loop may register it when it takes a turn. The schedule
may choose the arguments, and when to start.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

from flowy._checks import number, text, whole_number
from flowy._client import Execution, fault_code
from flowy._start import NameAndVersion, RawInput, start
from flowy.activity import Activity
from flowy.errors import ConfigurationError, FlowyError, StartError
from flowy.payloads import Payloads
from flowy.workflow import Workflow, WorkflowType
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.domains import request_to_register
from flowy_sim._engine.faults import Fault
from flowy_sim._simulation.stub_answers import ACTIVITY, CHILD, FUNCTION
from flowy_sim.testing._other_places import advice_on_domain, advice_on_region
from flowy_sim.testing._possible import possible_values
from flowy_sim.testing._registry import (
    Registry,
    activities_in,
    families,
    implementations,
    module_of,
)
from flowy_sim.testing._scheduler import Scheduler
from flowy_sim.testing._stub_dispatch import StubDispatch
from flowy_sim.testing._turn_loop import TurnLoop


class WorkerSetup:
    """Registers the domain and the types of a runner, and starts workers on their task lists.

    Args:
        scheduler: gives turns to the workers.
        stub_dispatch: chooses the answers of stubs.
        payloads: those of the workers.
        activities: the activities that workers implement; None for those of the workflows.
        workflows: the workflows that deciders implement in addition to those that are added.
        task_lists: task lists to poll in addition to those that types and proxies name.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        stub_dispatch: StubDispatch,
        payloads: Payloads,
        activities: Sequence[type[Activity]] | None,
        workflows: Iterable[type[Workflow]],
        task_lists: Iterable[str],
    ) -> None:
        self._scheduler = scheduler
        self._client = scheduler.client
        self._domain = scheduler.domain
        self._stub_dispatch = stub_dispatch
        self._payloads = payloads
        self._activities = activities
        self._workflows = dict.fromkeys(workflows)
        self._task_lists = task_lists
        # Code may name the domain before it reads `Runner.domain`, or register it itself.
        scheduler.simulation.engine().expected_domains.add(self._domain)
        self._registered = False
        self._prepared: int | None = None

    def add(self, workflow: type[Workflow]) -> None:
        """Let deciders implement another workflow, once they are prepared again."""
        self._workflows[workflow] = None

    def prepare_once(self) -> None:
        """Prepare, unless that is done, and no stub was added since."""
        if self._prepared != self._count_stubs():
            self.prepare()

    def _count_stubs(self) -> int:
        stubs = self._stub_dispatch.stubs
        return sum(len(stubs.all(kind)) for kind in (ACTIVITY, CHILD, FUNCTION))

    def prepare(self) -> None:
        """Register all types, and start workers on their task lists."""
        self._prepared = self._count_stubs()
        is_new = self.register_domain()
        workflows = families(self._workflows)
        activities = self._activities
        if activities is None:
            modules = dict.fromkeys(map(module_of, workflows))
            named = implementations(workflows)
            activities = list(dict.fromkeys([*activities_in(modules), *named]))
        registry = Registry(
            self._client,
            self._domain,
            workflows,
            activities,
            self._stub_dispatch,
            self._payloads,
        )
        registry.register(is_new)
        self._scheduler.worker_pools.set_registry(registry, self._task_lists)

    def register_domain(self) -> bool:
        """Register the domain, if necessary; return whether it was."""
        if self._registered:
            return False
        self._registered = True
        request = request_to_register(self._domain)
        try:
            self._scheduler.simulation.call("RegisterDomain", request)
        except Fault as fault:
            # The test may have registered it.
            if fault.code != "DomainAlreadyExistsFault":
                self._client.register_domain(**request)  # It raises the error of a client.
            return False
        return True


def number_of_workers(simulation: Simulation, workers: object) -> int | None:
    """Return the number of workers, chosen by the schedule if there are several."""
    __tracebackhide__ = True
    if isinstance(workers, tuple):
        numbers = [number_of_workers(simulation, each) for each in workers]
        if not numbers:
            raise ConfigurationError(
                "workers must not be an empty tuple; give numbers of workers, or leave it out"
            )
        count = len(numbers)
        index = simulation.schedule.choose("the number of workers", count) if count > 1 else 0
        return numbers[index]
    return None if workers is None else whole_number("workers", workers, least=1)


_MOST_EXAMPLES = 20

Choose = Callable[[str, Sequence[Any]], Any]
"""Chooses a value, given what is chosen and the values."""


class StartArguments(NamedTuple):
    """The arguments of a workflow's ``run``."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def chosen_arguments(
    arguments: object, run: Callable[..., Any], given: StartArguments, choose: Choose
) -> StartArguments:
    """Choose the arguments of a workflow.

    Args:
        arguments: True to choose a value for each parameter, by its type hint; or the arguments
            among which to choose: a strategy of Hypothesis, or an iterable.
        run: the workflow's method ``run``.
        given: the arguments that the test gives, the first possibility.
        choose: makes the choices.
    """
    if arguments is not True:
        chosen: StartArguments = choose("the arguments", [given, *_examples_of(arguments)])
        return chosen
    # Without `self`.
    names = list(signature(run).parameters.values())[1:]
    try:
        hints = typing.get_type_hints(run)
    except (NameError, TypeError):
        hints = {}
    args, kwargs = list(given.args), dict(given.kwargs)
    for place, parameter in enumerate(names):
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        values = possible_values(hints[parameter.name]) if parameter.name in hints else []
        what = f"the argument {parameter.name}"
        if place < len(args):
            args[place] = choose(what, [args[place], *values])
        elif parameter.name in kwargs or parameter.default is not Parameter.empty:
            first = [kwargs[parameter.name]] if parameter.name in kwargs else [parameter.default]
            kwargs[parameter.name] = choose(what, [*first, *values])
        elif values:
            kwargs[parameter.name] = choose(what, values)
    return StartArguments(tuple(args), kwargs)


def checked_starts(given: object) -> tuple[float, ...]:
    """Return the option ``starts`` as a tuple of seconds.

    Raises:
        ConfigurationError: it holds something else.
    """
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    return tuple(number("each of starts", each) for each in found)


def _examples_of(arguments: Any) -> list[StartArguments]:
    if hasattr(arguments, "example") and hasattr(arguments, "map"):
        found = list(_examples(arguments))
    elif isinstance(arguments, Iterable) and not isinstance(arguments, str):
        found = list(arguments)
    else:
        raise ConfigurationError(
            "arguments must be True, a strategy of Hypothesis or a list of tuples of arguments, "
            f"not {arguments!r}"
        )
    return [_as_arguments(each) for each in found]


@cache
def _examples(strategy: Any) -> tuple[Any, ...]:
    """Return a few examples of a strategy, always the same."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    found: list[Any] = []
    quiet = settings(
        max_examples=_MOST_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    # Always the same ones, because the choices that repeat a run are numbers of examples.
    @seed(0)
    @quiet
    @given(strategy)
    def draw(each: Any) -> None:
        found.append(each)

    draw()
    return tuple(found)


def _as_arguments(each: Any) -> StartArguments:
    if hasattr(each, "args") and hasattr(each, "kwargs"):
        return StartArguments(tuple(each.args), dict(each.kwargs))
    if isinstance(each, dict):
        return StartArguments((), each)
    return StartArguments(each if isinstance(each, tuple) else (each,), {})


_START_OPTIONS = frozenset(
    name
    for name, each in signature(start).parameters.items()
    if each.kind is Parameter.KEYWORD_ONLY
)


class Starter:
    """Starts executions.

    Args:
        worker_setup: is prepared for each workflow before it is started.
        turn_loop: gives turns to code that may register types.
        payloads: encodes their input, unless an option says otherwise.
        choose: chooses their arguments, and when they are started.
        arguments: what workflows are also started with; see `flowy_sim.testing.Runner`.
        starts: the seconds after which they are started.

    Attributes:
        started: the number of executions that were started.
    """

    def __init__(
        self,
        worker_setup: WorkerSetup,
        turn_loop: TurnLoop,
        payloads: Payloads,
        choose: Choose,
        arguments: object,
        starts: tuple[float, ...],
    ) -> None:
        scheduler = turn_loop.scheduler
        self._simulation = scheduler.simulation
        self._client = scheduler.client
        self._domain = scheduler.domain
        self._event_feed = turn_loop.event_feed
        self._worker_setup = worker_setup
        self._turn_loop = turn_loop
        self._payloads = payloads
        self._choose = choose
        self._arguments = arguments
        self._starts = starts
        self.started = 0

    def start(
        self,
        workflow: type[Workflow] | NameAndVersion,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Execution:
        """Start an execution; see `flowy_sim.testing.Runner.start`."""
        __tracebackhide__ = True
        if isinstance(workflow, tuple):
            return self._start_by_name(workflow, args, kwargs)
        declared = getattr(workflow, "flowy_type", None)
        if not isinstance(declared, WorkflowType):
            raise ConfigurationError(
                f"{workflow!r} is not a class decorated with @workflow, and not a name and a "
                'version either, such as ("order", "1")'
            )
        self._worker_setup.add(workflow)
        self._worker_setup.prepare()
        if self._arguments is not None:
            own = {name: kwargs.pop(name) for name in [*kwargs] if name in _START_OPTIONS}
            given = StartArguments(args, kwargs)
            args, kwargs = chosen_arguments(self._arguments, workflow.run, given, self._choose)
            kwargs = {**kwargs, **own}
        return self._start(declared.name, workflow, *args, **kwargs)

    def _start_by_name(
        self, named: NameAndVersion, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Execution:
        __tracebackhide__ = True
        given = _raw_input(kwargs.pop("input", None))
        name = text("the name of a workflow", named[0])
        unknown = sorted(kwargs.keys() - _START_OPTIONS)
        if args or unknown:
            raise ConfigurationError(
                f"a workflow that is started by its name takes its input as input='…', and the "
                f"options {', '.join(sorted(_START_OPTIONS))}; not "
                f"{', '.join([*map(repr, args), *unknown])}"
            )
        self._worker_setup.prepare()
        try:
            return self._start(name, named, given, **kwargs)
        except StartError as error:
            cause = error.__cause__
            if not isinstance(cause, Exception) or fault_code(cause) != "UnknownResourceFault":
                raise
        # The deciders may register the type before they first poll.
        while self._turn_loop.take_turn():
            pass
        self._check_not_elsewhere(name, str(named[1]))
        return self._start(name, named, given, **kwargs)

    def _check_not_elsewhere(self, name: str, version: str) -> None:
        """Check that a type is not registered only in another domain or region.

        Raises:
            StartError: it is.
        """
        __tracebackhide__ = True
        own = self._simulation.engine()
        for engine in sorted(self._simulation.host.engines, key=lambda each: each is not own):
            for domain in engine.domains.values():
                if domain.workflow_types.get((name, version)) is None:
                    continue
                if engine is own and domain.name == self._domain:
                    return
                advice = (
                    advice_on_domain(self._domain, domain.name)
                    if engine is own
                    else advice_on_region(own.region, engine.region)
                )
                raise StartError(
                    f"{name} {version} is registered only in the domain {domain.name!r} of the "
                    f"region {engine.region!r}; {advice}"
                )

    def _start(self, name: str, workflow: Any, /, *args: Any, **kwargs: Any) -> Execution:
        __tracebackhide__ = True
        kwargs.setdefault("workflow_id", f"{name}-{self.started + 1}")
        kwargs.setdefault("payloads", self._payloads)
        if self._starts:
            self._simulation.clock.advance(self._choose("when it is started", self._starts))
        try:
            execution = start(self._client, self._domain, workflow, *args, **kwargs)
        except FlowyError as error:
            # The message says it all; a test's report should not show the code that raised it.
            if error.__cause__ is not None:
                error.__cause__.__traceback__ = None
            raise error.with_traceback(None) from error.__cause__
        self.started += 1
        self._event_feed.add(execution)
        return execution


def _raw_input(given: object) -> RawInput:
    __tracebackhide__ = True
    if given is not None and not isinstance(given, str):
        raise ConfigurationError(f"input must be text, not {given!r}; use json.dumps(…)")
    return RawInput(given)

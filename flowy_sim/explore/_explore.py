"""`explore` and `find`: their options, checked, and how they run the explorer."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import replace as dc_replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from flowy import _checks
from flowy._client import Execution
from flowy.activity import Activity
from flowy.errors import ConfigurationError
from flowy.workflow import Workflow
from flowy_sim._clients.simulation import Simulation
from flowy_sim._report.exploration import ReportedExploration, page
from flowy_sim._simulation.time_functions import really_perf_counter
from flowy_sim.explore._attempt import Attempt, Setup, Test, longest_execution
from flowy_sim.explore._choices import DeviatingSchedule, parse_choices
from flowy_sim.explore._corpus import Corpus
from flowy_sim.explore._distribution import (
    begin_shard,
    explore_with_executor,
    parse_shard,
    pickled,
)
from flowy_sim.explore._evidence import Evidence, reported_exploration
from flowy_sim.explore._explorer import Explorer, OnProgress, differs_elsewhere, undisturbed
from flowy_sim.explore._processes import explore_in_processes, usable_cores
from flowy_sim.explore._report import Exploration, FoundError, Observations
from flowy_sim.explore._user_output import silenced
from flowy_sim.faults._fault import InjectedFault
from flowy_sim.faults._injector import checked_faults
from flowy_sim.testing import Runner
from flowy_sim.testing._default_stubs import DefaultStubs, activities_of, functions_of
from flowy_sim.testing._registry import children, type_of
from flowy_sim.testing._run import COMPLETED
from flowy_sim.testing._runner import MOST_FAULTS

RUNS = 10_000
SECONDS = 10.0


def explore(test: Test, *, strict: bool = True, **options: Any) -> Exploration:
    """Run a test in many orders and under many faults, and fail if it fails in one of them.

    Args:
        test: a function that receives a `Runner`, runs workflows with it, and asserts what must
            hold. It must do the same each time that it is called, and leave no state behind.
        strict: whether to fail also if no run has used one of the test's stubs.
        **options: the options of `find`.

    Returns:
        The report of the exploration.

    Raises:
        FoundError: the test fails in one of the runs.
        AssertionError: a stub was never used, and the message names it; or, with `must_happen`, a
            condition was true in no run.
        ConfigurationError: an option does not exist or is wrong.

    Example:
        ::

            def no_order_is_lost(runner):
                runner.stubs("ship", 1, result="shipped")
                assert runner(Order, 7).result == "shipped"

            explore(no_order_is_lost, faults=[WorkerDies(), AnswerLost()])
    """
    __tracebackhide__ = True
    observations = options.setdefault("observations", Observations())
    found = find(test, **options)
    if found.failure is not None:
        raise FoundError(found) from found.failure.error
    unused = observations.uses.unused()
    if strict and unused and options.get("choices") is None:
        raise AssertionError("\n".join(unused))
    return found


def find(
    test: Test,
    *,
    faults: Iterable[InjectedFault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    runs: int = RUNS,
    seconds: float = SECONDS,
    processes: int | None = 1,
    executor: Executor | None = None,
    shard: str | None = None,
    corpus: str | PathLike[str] | None = None,
    simulation: Simulation | None = None,
    seed: int | None = None,
    choices: str | None = None,
    repeat: Callable[[str], str] | None = None,
    observations: Observations | None = None,
    on_progress: OnProgress | None = None,
    must_happen: bool = False,
    full_story: bool = False,
    other_processes: bool = True,
    quiet: bool = True,
    report: str | PathLike[str] | Callable[[ReportedExploration], object] | None = None,
    **others: Any,
) -> Exploration:
    """Run a test in many orders and under many faults, and report how it fails.

    Args:
        test: as for `explore`.
        faults: the faults that may strike.
        most_faults: the maximum number of faults that strike in one run.
        invariants: functions that assert what must hold after every turn; see
            `flowy_sim.explore.invariant`.
        runs: the maximum number of runs.
        seconds: the maximum number of seconds.
        processes: the number of processes; None for one per core. Only one is used where
            processes cannot be forked, or where other threads run.
        executor: a `concurrent.futures.Executor` whose workers explore, on this machine or on
            others; `processes` is then the number of workers to keep busy. The workers must be
            able to import the test and the options.
        shard: which part of the space to explore, such as ``3/16`` for the third of sixteen, so
            that several jobs can share the work. Together, the shards explore the whole space if
            none of them reaches a limit.
        corpus: a folder in which explorations of this test store the choices that are worth trying
            first and those not tried yet, so that the next one continues where this one stopped.
        simulation: a simulation that serves as a template for the simulations of all runs: they
            have its seed, region, account, limits, latency, patience and empty token, and start at
            its current time.
        seed: the seed of all simulations and of the random samples of a large space; by default
            that of `simulation`, or 0.
        choices: make only the run with these choices, as printed for a failure.
        repeat: a function that receives the choices of a failure and returns the command that
            repeats it, which is printed with the failure.
        observations: records what all runs have used and met.
        on_progress: called a few times a second with the number of runs, the number of states, and
            the share of the space so far.
        must_happen: whether to fail if a condition of `Runner.sometimes` was true in no run.
        full_story: whether to print the story of a failure in full.
        other_processes: whether to replay some histories in a child process with another hash
            seed, time zone, locale, environment and working directory, if the workflows can be
            imported there. Each workflow is replayed there once.
        quiet: whether to suppress what is logged and printed in all runs but the one that fails,
            whose output the failure shows. With `choices`, nothing is suppressed.
        report: a file for a page that shows what was found, tried and covered, and when a failing
            run was lost: when most of its continuations began to fail. That takes a few hundred
            more runs. Instead of a file, give a function that receives what the page shows.
        **others: ``most_turns``, the turns after which a run counts as endless (1,000), and the
            arguments of `Simulation` (start, latency, limits, …) and of `Runner` (domain,
            activities, workflows, workers, freeze, …).

    Returns:
        The report of the exploration, with the failure if the test fails.

    Raises:
        AssertionError: with `must_happen`, a condition was true in no run.
        ConfigurationError: an option does not exist or is wrong.
    """
    __tracebackhide__ = True
    _checks.function("what is explored", test)
    _check_each({"runs": runs, "seconds": seconds, "processes": processes, "executor": executor})
    part = None if shard is None else parse_shard(shard)
    if simulation is not None:
        others = {**_like(simulation), **others}
    others["seed"] = others.get("seed", 0) if seed is None else seed
    setup = make_setup(faults=faults, most_faults=most_faults, invariants=invariants, **others)
    if setup.undisturbed is not None:
        with undisturbed():
            first = Attempt(setup, DeviatingSchedule(())).run(test)
        setup = dc_replace(setup, undisturbed=longest_execution(first.runner))
    repeat = repeat or partial(_call, test)
    if report is not None:
        observations = observations or Observations()
        observations.record_outcomes()
    publish = partial(_publish, test, setup, others["seed"], observations, report)
    explorer = Explorer(test, setup, others["seed"], repeat, observations, on_progress, full_story)
    is_quiet = quiet and choices is None
    with undisturbed(), explorer.code, silenced() if is_quiet else nullcontext():
        if choices is not None:
            found = explorer.repeat(parse_choices(choices))
            publish(found)
            return found
        kept = None if corpus is None else Corpus(Path(corpus), test, setup, shard)
        began = really_perf_counter()
        failure = None if kept is None else kept.resume(explorer)
        begun = None
        if failure is None and part is not None and not (kept and kept.is_resumed):
            begun = begin_shard(explorer, part, runs, seconds)
            failure = begun.failure
        if failure is not None:
            found = explorer.report(began, failure)
        elif executor is not None:
            subject = pickled(test, setup, observations)
            found = explore_with_executor(
                explorer, subject, others["seed"], executor, processes, runs, seconds
            )
        elif processes != 1 and (cores := usable_cores()) > 1:
            found = explore_in_processes(explorer, processes or cores, runs, seconds)
        else:
            explorer.replays_meanwhile = other_processes
            found = explorer.explore(runs, seconds)
    if kept is not None:
        kept.keep(explorer, found.failure)
    if begun is not None and part is not None and part.number > 1:
        found = found.since(begun)  # What all shards begin with is counted by the first one.
    if other_processes:
        found = _replayed_elsewhere(explorer, found)
    publish(found)
    if must_happen and found.failure is None and part is None and found.never_met:
        raise AssertionError(
            f"this was true in none of {found.runs:,} runs: {'; '.join(found.never_met)}"
        )
    return found


def _replayed_elsewhere(explorer: Explorer, found: Exploration) -> Exploration:
    """Return the report, with what was found by replaying histories in another process."""
    if found.failure is None and (error := explorer.other_process.replay()):
        found = dc_replace(found, failure=differs_elsewhere(error), complete=False)
    explorer.other_process.stop()
    return found


def _publish(
    test: Test,
    setup: Setup,
    seed: int,
    observations: Observations | None,
    report: str | PathLike[str] | Callable[[ReportedExploration], object] | None,
    found: Exploration,
) -> None:
    """Write a page about an exploration, or give it to a function."""
    if report is None:
        return
    evidence = None
    if found.failure is not None:
        with undisturbed(), silenced():
            evidence = Evidence(test, setup, seed, found.failure.choices)
    name = getattr(test, "__name__", "test")
    reported = reported_exploration(name, found, evidence, observations)
    if callable(report):
        report(reported)
    else:
        Path(report).write_text(page([reported], (), f"Exploring {name}"), encoding="utf-8")


def _call(test: Test, written: str) -> str:
    name = getattr(test, "__name__", "test")
    return f"explore({name}, …, choices={written!r})"


# Options

_SIMULATION = tuple(
    name for name in inspect.signature(Simulation).parameters if name not in ("clock", "schedule")
)
"""The arguments of a simulation that can be given; exploring chooses the others."""


def _like(simulation: Simulation) -> dict[str, Any]:
    """Return the arguments that make a simulation like another one."""
    __tracebackhide__ = True
    if not isinstance(simulation, Simulation):
        raise ConfigurationError(f"simulation must be a Simulation, not {simulation!r}")
    engine = simulation.engine()
    return {
        **simulation.settings,
        "start": simulation.clock.now,
        "limits": engine.limits,
        "latency": engine.latency,
    }


def make_setup(
    *,
    faults: Iterable[InjectedFault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    **others: Any,
) -> Setup:
    """Return how each run is set up, given options of `find` that are about runs.

    Raises:
        ConfigurationError: an option does not exist or is wrong.
    """
    __tracebackhide__ = True
    _check_each({"faults": faults, "most_faults": most_faults, "invariants": invariants, **others})
    simulation = {name: others.pop(name) for name in _SIMULATION if name in others}
    turns = {"most_turns": others.pop("most_turns")} if "most_turns" in others else {}
    if others.get("ends_within") is True:
        # It is measured when the test is first run; runs that differ in it are not the same.
        others["ends_within"] = math.inf
        turns["undisturbed"] = math.inf
    return Setup(
        checked_faults(faults),
        most_faults,
        simulation,
        others,
        _checked_invariants(invariants),
        **turns,
    )


def check_options(**options: Any) -> None:
    """Check options of `find` without running anything.

    Raises:
        ConfigurationError: an option does not exist or is wrong.
        ImportError, TypeError, ValueError: an argument of `Simulation` or `Runner` is wrong.
    """
    __tracebackhide__ = True
    _check_each(options)
    about_runs = {name: each for name, each in options.items() if name not in _LIMITS}
    Attempt(make_setup(**about_runs), DeviatingSchedule(()))


def _check_each(options: dict[str, Any]) -> None:
    __tracebackhide__ = True
    others = {*_SIMULATION, *inspect.signature(Runner).parameters}
    unknown = [name for name in options if name not in _CHECKS and name not in others]
    if unknown:
        raise ConfigurationError(
            f"exploring has no option {', '.join(unknown)}; it has {', '.join(_CHECKS)}, "
            "and those of Simulation and Runner"
        )
    for name, value in options.items():
        if name in _CHECKS:
            _CHECKS[name](value)


def _checked_invariants(given: object) -> tuple[Callable[..., object], ...]:
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(map(callable, found)):
        raise ConfigurationError(
            f"invariants must be a list of functions that assert what always holds, not {given!r}"
        )
    return found


def _check_processes(given: object) -> None:
    __tracebackhide__ = True
    if given is not None:
        _checks.whole_number("processes", given, least=1)


def _check_executor(given: object) -> None:
    __tracebackhide__ = True
    if given is not None and not callable(getattr(given, "submit", None)):
        raise ConfigurationError(
            f"executor must be a concurrent.futures.Executor, which has a method submit; {given!r} "
            "has none"
        )


_LIMITS = (
    "runs",
    "seconds",
    "processes",
    "executor",
    "shard",
    "corpus",
    "must_happen",
    "full_story",
    "other_processes",
    "quiet",
    "report",
)
"""The options that are about the exploration and not about each run."""


_CHECKS: dict[str, Callable[[Any], object]] = {
    "faults": checked_faults,
    "most_faults": partial(_checks.whole_number, "most_faults"),
    "invariants": _checked_invariants,
    "runs": partial(_checks.whole_number, "runs", least=1),
    "seconds": partial(_checks.number, "seconds"),
    "processes": _check_processes,
    "executor": _check_executor,
    "shard": parse_shard,
    "corpus": Path,
    "must_happen": partial(_checks.truth, "must_happen"),
    "full_story": partial(_checks.truth, "full_story"),
    "other_processes": partial(_checks.truth, "other_processes"),
    "report": lambda given: given if given is None or callable(given) else Path(given),
    "quiet": partial(_checks.truth, "quiet"),
    "most_turns": partial(_checks.whole_number, "most_turns", least=1),
}
"""The options of `find` itself, and what checks each of them."""


class WorkflowTest:
    """A test that runs a workflow to its end and asserts nothing else.

    Exploring it finds the failures that no workflow may have in any order or under any fault: it
    gets stuck, decides differently on replay, never ends, or breaks an invariant.

    Args:
        workflow: the class of the workflow.
        arguments: the arguments of its ``run``.
        workflows: the classes among which to look up its child workflows; other children are not
            run.
        activities: the classes among which to look up its activities.
        real: whether the activities found do their work; otherwise they are stubbed.
        completes: whether the workflow must also complete, whatever goes wrong.
        started: called with the runner and the execution after the execution has started, for
            example to send a signal later; see `Runner.after`.
        any_result: whether stubs also return other results of their types.

    Attributes:
        workflows: the workflow, its children, and theirs.
        activities: the activities that these call.
        stubbed: what is stubbed, such as ``resize 1`` and ``lambda thumbnail``.
    """

    def __init__(
        self,
        workflow: type[Workflow],
        arguments: Iterable[Any] = (),
        workflows: Iterable[type[Workflow]] = (),
        activities: Iterable[type[Activity]] = (),
        real: bool = False,
        completes: bool = False,
        started: Callable[[Runner, Execution], object] | None = None,
        any_result: bool = False,
    ) -> None:
        self.__name__ = workflow.__name__
        self._workflow = workflow
        self._arguments = list(arguments)
        self._completes = completes
        self._started = started
        self.workflows = _family(workflow, workflows)
        called = activities_of(self.workflows)
        known = {(each.flowy_type.name, each.flowy_type.version): each for each in activities}
        self.activities = [known[key] for key in called if key in known]
        self.stubbed = [" ".join(key) for key in called if not (real and key in known)]
        self.stubbed += [f"lambda {name}" for name in functions_of(self.workflows)]
        self._stubs = DefaultStubs(
            self.workflows, self.activities, real=real, any_result=any_result
        )

    def __call__(self, runner: Runner) -> None:
        """Run the workflow to its end."""
        self._stubs.add_to(runner.stubs)
        execution = runner.start(self._workflow, *self._arguments)
        if self._started is not None:
            self._started(runner, execution)
        run = runner.finish(execution)
        if self._completes:
            assert run.status == COMPLETED, run.describe()


def _family(workflow: type[Workflow], workflows: Iterable[type[Workflow]]) -> list[type[Workflow]]:
    """Return a workflow and all that it can start, directly or not.

    Children that a proxy names only by name and version are looked up in `workflows`.
    """
    known = {(each.flowy_type.name, each.flowy_type.version): each for each in workflows}
    family = [workflow]
    for member in family:  # The list grows meanwhile.
        for child in children(member):
            cls = child.workflow or known.get(type_of(child))
            if cls is not None and cls not in family:
                family.append(cls)
    return family

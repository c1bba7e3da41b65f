"""`explore` and `find`: their options, checked, and how they run the explorer."""

from __future__ import annotations

import gc
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from flowy import _checks
from flowy.errors import ConfigurationError
from flowy_sim._clients.simulation import Simulation
from flowy_sim.explore._attempt import Attempt, Setup, Test
from flowy_sim.explore._choices import DeviatingSchedule, parse_choices
from flowy_sim.explore._explorer import Explorer, OnProgress
from flowy_sim.explore._processes import explore_in_processes, usable_cores
from flowy_sim.explore._report import Exploration, FoundError, Observations
from flowy_sim.faults._fault import InjectedFault, checked_faults
from flowy_sim.testing import Runner
from flowy_sim.testing._runner import MOST_FAULTS

RUNS = 10_000
SECONDS = 10.0


def explore(test: Test, *, strict: bool = True, **options: Any) -> Exploration:
    """Run a test in many orders and under many faults, and fail if it fails in one of them.

    Args:
        test: a function that runs workflows with the `Runner` that it receives, and asserts. It
            must do the same each time that it is called, and leave nothing behind.
        strict: whether to fail also if the test has a stub that no run has used.
        **options: the options of `find`.

    Returns:
        The report of the exploration.

    Raises:
        FoundError: the test fails.
        AssertionError: a stub was never used; the message names it.
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
    simulation: Simulation | None = None,
    seed: int | None = None,
    choices: str | None = None,
    repeat: Callable[[str], str] | None = None,
    observations: Observations | None = None,
    on_progress: OnProgress | None = None,
    **others: Any,
) -> Exploration:
    """Run a test in many orders and under many faults, and report how it fails.

    Args:
        test: as for `explore`.
        faults: the faults that may strike.
        most_faults: how many faults may strike in one run.
        invariants: functions that assert what holds after every turn; see
            `flowy_sim.explore.invariant`.
        runs: the maximum number of runs.
        seconds: the maximum number of seconds.
        processes: the number of processes; None for one on each core. Only one is used where
            processes cannot be forked, or where other threads run.
        simulation: a simulation that the simulations of all runs are made like: with its seed,
            region, account, limits and latency, and starting at its current time.
        seed: the seed of all simulations and of the random samples of a large space; by default
            that of `simulation`, or 0.
        choices: make only the run with these choices, as printed for a failure.
        repeat: returns the command that repeats a failure, given its choices; it is printed with
            the failure.
        observations: where to record what all runs have used and met.
        on_progress: called a few times a second with the number of runs, the number of states, and
            the share of the space so far.
        **others: ``most_turns``, the turns after which a run counts as endless (1,000), and the
            arguments of `Simulation` (start, latency, limits, …) and of `Runner` (activities,
            workflows, workers, freeze, …).

    Returns:
        The report of the exploration, with the failure if the test fails.

    Raises:
        ConfigurationError: an option does not exist or is wrong.
    """
    __tracebackhide__ = True
    _checks.function("what is explored", test)
    _check_each({"runs": runs, "seconds": seconds, "processes": processes})
    if simulation is not None:
        others = {**_like(simulation), **others}
    others["seed"] = others.get("seed", 0) if seed is None else seed
    setup = make_setup(faults=faults, most_faults=most_faults, invariants=invariants, **others)
    repeat = repeat or partial(_call, test)
    explorer = Explorer(test, setup, others["seed"], repeat, observations, on_progress)
    with _undisturbed():
        if choices is not None:
            return explorer.repeat(parse_choices(choices))
        if processes != 1 and (cores := usable_cores()) > 1:
            return explore_in_processes(explorer, processes or cores, runs, seconds)
        return explorer.explore(runs, seconds)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Silence the log of workers that meet faults; the explorer collects the garbage itself."""
    logger = logging.getLogger("flowy")
    level, collects = logger.level, gc.isenabled()
    logger.setLevel(logging.CRITICAL + 1)
    gc.disable()
    gc.freeze()  # Objects that exist now are not garbage of runs, and scanning them takes long.
    try:
        yield
    finally:
        gc.unfreeze()
        logger.setLevel(level)
        if collects:
            gc.enable()


def _call(test: Test, written: str) -> str:
    name = getattr(test, "__name__", "test")
    return f"explore({name}, …, choices={written!r})"


# Options

_SIMULATION = ("seed", "start", "latency", "limits", "region", "account")


def _like(simulation: Simulation) -> dict[str, Any]:
    """Return the arguments that make a simulation like another one."""
    __tracebackhide__ = True
    if not isinstance(simulation, Simulation):
        raise ConfigurationError(f"simulation must be a Simulation, not {simulation!r}")
    engine = simulation.engine()
    return {
        "seed": simulation.seed,
        "start": simulation.clock.now,
        "region": simulation.region,
        "account": simulation.account,
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


_LIMITS = ("runs", "seconds", "processes")
"""The options that are about the exploration and not about each run."""

_CHECKS: dict[str, Callable[[Any], object]] = {
    "faults": checked_faults,
    "most_faults": partial(_checks.whole_number, "most_faults"),
    "invariants": _checked_invariants,
    "runs": partial(_checks.whole_number, "runs", least=1),
    "seconds": partial(_checks.number, "seconds"),
    "processes": _check_processes,
    "most_turns": partial(_checks.whole_number, "most_turns", least=1),
}
"""The options of `find` itself, and what checks each of them."""

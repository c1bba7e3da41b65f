"""Exploring: a test is run under many orders and faults, until it fails or there are no more."""

from __future__ import annotations

import gc
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from flowy import _checks
from flowy._checks import function
from flowy.errors import ConfigurationError
from flowy_sim.explore import _choices as chosen
from flowy_sim.explore._attempt import Setting, Test
from flowy_sim.explore._explorer import Explorer, Tell
from flowy_sim.explore._processes import cores, explore_in_processes
from flowy_sim.explore._report import Exploration, FoundError, Tally
from flowy_sim.faults._fault import InjectedFault, checked_faults
from flowy_sim.testing import Runner
from flowy_sim.testing._runner import MOST_FAULTS

RUNS = 10_000


SECONDS = 10.0


def explore(test: Test, *, strict: bool = True, **options: Any) -> Exploration:
    """Run a test under many orders and faults.

    Args:
        test: runs workflows with the `Runner` that it is given, and asserts what has to hold. It
            has to do the same each time it is called, and to leave nothing behind.
        strict: whether it also fails if it has a stub that no run has used.
        **options: those of `find`.

    Returns:
        How much was explored.

    Raises:
        FoundError: it fails.
        AssertionError: a stub was never used; the message names it.

    Example:
        ::

            def no_order_is_lost(runner):
                runner.stubs("ship", 1, result="shipped")
                assert runner(Order, 7).result == "shipped"

            explore(no_order_is_lost, faults=[WorkerDies(), AnswerLost()])
    """
    __tracebackhide__ = True
    tally = options.setdefault("tally", Tally())
    found = find(test, **options)
    if found.failure is not None:
        raise FoundError(found) from found.failure.error
    unused = tally.uses.unused()
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
    seed: int = 0,
    choices: str | None = None,
    repeat: Callable[[str], str] | None = None,
    tally: Tally | None = None,
    tell: Tell | None = None,
    **others: Any,
) -> Exploration:
    """Run a test under many orders and faults; return what was found.

    Args:
        test: as for `explore`.
        faults: what may go wrong.
        most_faults: how many faults strike in a run at most.
        invariants: what holds after every turn; see `flowy_sim.explore.invariant`.
        runs: after how many runs to stop.
        seconds: after how long to stop.
        processes: in how many processes to explore; None for one on each core. It is one where
            processes cannot be forked, or other threads run.
        seed: of each simulation; and which samples of a large space are taken follows from it.
        choices: make only the run with these choices, as a failure has named them.
        repeat: makes the line that repeats a failure, given its choices.
        tally: notes what all runs have met.
        tell: called with the numbers of runs and states so far, and the share of the space, a few
            times a second.
        **others: ``most_turns``, after which a run is taken to be endless; and what `Simulation`
            (start, latency, limits) and `Runner` (activities, workflows, workers, freeze) take.

    Returns:
        How much was explored, and how the test fails, if it does.

    Raises:
        ConfigurationError: there is no such option, or one is wrong.
    """
    __tracebackhide__ = True
    function("what is explored", test)
    check({"runs": runs, "seconds": seconds, "processes": processes})
    setting = setting_for(
        faults=faults, most_faults=most_faults, invariants=invariants, seed=seed, **others
    )
    explorer = Explorer(test, setting, seed, repeat or partial(_call, test), tally, tell)
    with _quiet():
        if choices is not None:
            return explorer.repeat(chosen.parse(choices))
        if processes != 1 and (most := cores()) > 1:
            return explore_in_processes(explorer, processes or most, runs, seconds)
        return explorer.explore(runs, seconds)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let workers not log the accidents that they meet; the explorer collects the garbage."""
    logger = logging.getLogger("flowy")
    level, collects = logger.level, gc.isenabled()
    logger.setLevel(logging.CRITICAL + 1)
    gc.disable()
    gc.freeze()  # What is there already is no garbage of runs; to look through it takes long.
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


ENDS = ("runs", "seconds", "processes")


"""The options that are not about one run."""


_SIMULATION = ("seed", "start", "latency", "limits", "region", "account")


def setting_for(
    *,
    faults: Iterable[InjectedFault] = (),
    most_faults: int = MOST_FAULTS,
    invariants: Iterable[Callable[..., object]] = (),
    **others: Any,
) -> Setting:
    """Put together how each run is set up, from options of `flowy_sim.explore.find`.

    Raises:
        ConfigurationError: there is no such option, or one is wrong.
    """
    __tracebackhide__ = True
    check({"faults": faults, "most_faults": most_faults, "invariants": invariants, **others})
    made = {name: others.pop(name) for name in _SIMULATION if name in others}
    turns = {"most_turns": others.pop("most_turns")} if "most_turns" in others else {}
    return Setting(
        checked_faults(faults), most_faults, made, others, _invariants(invariants), **turns
    )


def check(options: Mapping[str, Any]) -> None:
    """Check options of `flowy_sim.explore.find`; those of Simulation and Runner are checked there.

    Raises:
        ConfigurationError: there is no such option, or one is wrong.
    """
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


def _invariants(given: object) -> tuple[Callable[..., object], ...]:
    __tracebackhide__ = True
    found = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(map(callable, found)):
        raise ConfigurationError(
            f"invariants must be a list of functions that assert what always holds, not {given!r}"
        )
    return found


def _processes(given: object) -> None:
    __tracebackhide__ = True
    if given is not None:
        _checks.whole_number("processes", given, least=1)


_CHECKS: dict[str, Callable[[Any], object]] = {
    "faults": checked_faults,
    "most_faults": partial(_checks.whole_number, "most_faults"),
    "invariants": _invariants,
    "runs": partial(_checks.whole_number, "runs", least=1),
    "seconds": partial(_checks.number, "seconds"),
    "processes": _processes,
    "most_turns": partial(_checks.whole_number, "most_turns", least=1),
}


"""The options of exploring itself."""

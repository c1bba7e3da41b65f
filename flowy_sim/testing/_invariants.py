"""Invariants: conditions that are checked after every turn.

Invariants of a test or workflow are functions. One invariant always applies: no execution restarts
itself forever.

Example:
    ::

        @invariant
        def no_image_is_filed_twice(run):
            assert len(run.calls(RenameImage)) <= 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction, signature
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

from flowy._client import Execution
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads
from flowy_sim._clients.simulation import Simulation
from flowy_sim._engine.engine import Engine
from flowy_sim.testing._run import Run, fetch

C = TypeVar("C", bound=Callable[..., object])

_MARK = "_flowy_invariant"

_MOST_RESTARTS = 1_000
_RESTARTS_WITHIN = 60_000
"""An execution that starts this often within this many simulated milliseconds counts as endless."""


def invariant(check: C) -> C:
    """Mark a function as an invariant; a decorator.

    ``flowy-sim explore`` checks the invariants in the workflow's module. The functions
    `flowy_sim.explore.explore` and `flowy_sim.explore.find` take them as ``invariants``.

    Args:
        check: a function that asserts the condition and is named after it. A function without
            parameters is called after every turn. A function with one parameter is called with
            each execution whose history has grown in a turn, as a `flowy_sim.testing.Run`.
    """
    setattr(check, _MARK, True)
    return check


def invariants_in(module: ModuleType) -> list[Callable[..., object]]:
    """Return the functions in a module that are decorated with `invariant`."""
    return [each for each in vars(module).values() if getattr(each, _MARK, False) is True]


class Invariants:
    """The invariants of one runner.

    Args:
        simulation: the service.
        client: a client whose calls no fault strikes.
        domain: the executions' domain.
        payloads: decodes their arguments and results.
    """

    def __init__(
        self, simulation: Simulation, client: Any, domain: str, payloads: Payloads
    ) -> None:
        self._simulation = simulation
        self._client = client
        self._domain = domain
        self._payloads = payloads
        self._of_all: list[Callable[[], object]] = []
        self._of_each: list[Callable[[Run], object]] = []
        self._seen: dict[str, int] = {}

    def add(self, check: Any) -> None:
        """Add an invariant.

        Raises:
            ConfigurationError: it cannot be called without arguments or with a run.
        """
        __tracebackhide__ = True
        if not callable(check) or iscoroutinefunction(check):
            raise ConfigurationError(
                f"an invariant must be an ordinary function that asserts a condition, not {check!r}"
            )
        shown = signature(check)
        try:
            shown.bind(*[None] * bool(shown.parameters))
        except TypeError:
            raise ConfigurationError(
                "an invariant is called without arguments or with a run, which "
                f"{_name(check)}{shown} does not accept"
            ) from None
        (self._of_each if shown.parameters else self._of_all).append(check)

    def check(self) -> None:
        """Check all invariants, after a turn.

        Raises:
            AssertionError: an invariant is violated; or any other error that it raises.
            ConfigurationError: an invariant returns something instead of asserting it.
        """
        __tracebackhide__ = True
        for check in self._of_all:
            _check(check)
        if self._of_each:
            for run in self._changed_runs():
                for each in self._of_each:
                    _check(each, run)

    def _changed_runs(self) -> Iterator[Run]:
        """Yield the executions whose histories have grown."""
        for execution in list(self._simulation.engine().executions.values()):
            known = self._seen.get(execution.run_id)
            if execution.domain.name == self._domain and len(execution) != known:
                self._seen[execution.run_id] = len(execution)
                ids = Execution(execution.workflow_id, execution.run_id)
                written = self._simulation.engine().written or ()
                yield fetch(self._client, self._domain, ids, self._payloads, written=written)


def _check(check: Callable[..., object], *run: Run) -> None:
    __tracebackhide__ = True
    returned = check(*run)
    if returned is not None:
        raise ConfigurationError(
            f"the invariant {_name(check)} returned {returned!r}, which is ignored; assert the "
            "condition instead of returning it"
        )


def _name(check: object) -> str:
    return getattr(check, "__name__", repr(check))


class EndlessRestartsError(AssertionError):
    """An execution restarts itself immediately, and probably forever."""

    __module__ = "flowy_sim.testing"


class Restarts:
    """Finds executions that continue as new, or are started again, immediately and forever.

    Args:
        engine: where they run.
        most: how many times in a minute of simulated time is too many, if that is more than 1,000.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine = engine
        self._most = max(most, _MOST_RESTARTS)
        self._seen = 0
        self._runs: dict[tuple[str, str], list[int]] = {}

    def check(self) -> None:
        """Check the executions that were started since.

        Raises:
            EndlessRestartsError: one has been started many times in a short simulated time.
        """
        executions = self._engine.executions
        if len(executions) == self._seen:
            return
        # They are in the order of their starts, so only the new ones are looked at.
        for each in islice(executions.values(), self._seen, None):
            runs = self._runs.setdefault((each.domain.name, each.workflow_id), [])
            runs.append(each.started_at)
            recent = runs[-self._most :]
            if len(recent) == self._most and recent[-1] - recent[0] < _RESTARTS_WITHIN:
                raise EndlessRestartsError(
                    f"the execution {each.workflow_id} "
                    f"was started {self._most} times within "
                    f"{(recent[-1] - recent[0]) / 1000:g} simulated seconds, and probably restarts "
                    "itself forever; let it end, or wait for something before it continues as new"
                )
        self._seen = len(executions)

"""Invariants: conditions of a test or workflow that are checked after every turn.

Example:
    ::

        @invariant
        def no_image_is_filed_twice(run):
            assert len(run.calls(RenameImage)) <= 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction, signature
from types import ModuleType
from typing import Any, TypeVar

from flowy._client import Execution
from flowy.errors import ConfigurationError
from flowy.payloads import Payloads
from flowy_sim._clients.simulation import Simulation
from flowy_sim.testing._run import Run, fetch

C = TypeVar("C", bound=Callable[..., object])

_MARK = "_flowy_invariant"


def invariant(check: C) -> C:
    """Mark a function as an invariant; a decorator.

    ``flowy-sim explore`` checks the invariants in the workflow's module. Functions that explore
    take them as the argument ``invariants``.

    Args:
        check: asserts the condition, and is named after it. Without parameters, it is called after
            every turn. With one parameter, it is called with each execution whose history has
            grown in a turn, as a `flowy_sim.testing.Run`.
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

"""What the author of a workflow says always holds, checked after every turn.

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
from flowy_sim._simulation.simulation import Simulation
from flowy_sim.testing._run import Run, fetch

C = TypeVar("C", bound=Callable[..., object])

_MARK = "holds_always"


def invariant(check: C) -> C:
    """Mark a function as saying what always holds; a decorator.

    ``flowy-sim explore`` finds those of the workflow's module; others take them as ``invariants``.

    Args:
        check: asserts. It has no parameters, and is called after every turn; or one, and is
            called with each execution, as a `flowy_sim.testing.Run`, after every turn in which its
            history has grown. Its name says what holds.
    """
    setattr(check, _MARK, True)
    return check


def invariants_in(module: ModuleType) -> list[Callable[..., object]]:
    """Return the functions of a module that are decorated with `invariant`."""
    return [each for each in vars(module).values() if getattr(each, _MARK, False) is True]


class Invariants:
    """The invariants of one runner.

    Args:
        simulation: where its executions are.
        client: calls it without ever failing.
        domain: the executions' domain.
        payloads: how their arguments and results travel.
    """

    def __init__(
        self, simulation: Simulation, client: Any, domain: str, payloads: Payloads
    ) -> None:
        """Start with none."""
        self._simulation = simulation
        self._client = client
        self._domain = domain
        self._payloads = payloads
        self._of_all: list[Callable[[], object]] = []
        self._of_each: list[Callable[[Run], object]] = []
        self._seen: dict[str, int] = {}

    def add(self, check: Any) -> None:
        """Hold one more thing to be true.

        Raises:
            ConfigurationError: it cannot be called without arguments or with one.
        """
        __tracebackhide__ = True
        if not callable(check) or iscoroutinefunction(check):
            raise ConfigurationError(
                f"an invariant must be an ordinary function that asserts what holds, not {check!r}"
            )
        shown = signature(check)
        try:
            shown.bind(*[None] * bool(shown.parameters))
        except TypeError:
            raise ConfigurationError(
                f"an invariant is called without arguments or with a run, so {_name(check)}{shown} "
                "cannot be one"
            ) from None
        (self._of_each if shown.parameters else self._of_all).append(check)

    def check(self) -> None:
        """Check them all, after a turn.

        Raises:
            AssertionError: one does not hold; or whatever else it raises.
            ConfigurationError: one returns something, and so does not assert.
        """
        __tracebackhide__ = True
        for check in self._of_all:
            _hold(check)
        if self._of_each:
            for run in self._grown():
                for each in self._of_each:
                    _hold(each, run)

    def _grown(self) -> Iterator[Run]:
        """Yield the executions whose histories have grown."""
        for execution in list(self._simulation.engine().executions.values()):
            known = self._seen.get(execution.run_id)
            if execution.domain.name == self._domain and len(execution) != known:
                self._seen[execution.run_id] = len(execution)
                ids = Execution(execution.workflow_id, execution.run_id)
                yield fetch(self._client, self._domain, ids, self._payloads)


def _hold(check: Callable[..., object], *run: Run) -> None:
    __tracebackhide__ = True
    said = check(*run)
    if said is not None:
        raise ConfigurationError(
            f"the invariant {_name(check)} returned {said!r}, which is not looked at; it has to "
            "assert what holds: assert …"
        )


def _name(check: object) -> str:
    return getattr(check, "__name__", repr(check))

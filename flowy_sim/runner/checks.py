"""What the author of a workflow says always holds, checked after every turn.

Example:
    ::

        @invariant
        def no_image_is_filed_twice(run):
            assert len(run.calls(RenameImage)) <= 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from types import ModuleType
from typing import Any, TypeVar

from flowy.client import Execution
from flowy.serialization import Payloads
from flowy_sim.run import Run, fetch
from flowy_sim.simulation import Simulation

C = TypeVar("C", bound=Callable[..., object])

_MARK = "holds_always"


def invariant(check: C) -> C:
    """Mark a function as saying what always holds; a decorator.

    ``flowy-sim explore`` finds those of the workflow's module; others take them as ``invariants``.

    Args:
        check: asserts. It has no parameters, and is called after every turn; or one, and is
            called with each execution, as a `flowy_sim.run.Run`, after every turn in which its
            history has grown. Its name says what holds.
    """
    setattr(check, _MARK, True)
    return check


def invariants_in(module: ModuleType) -> list[Callable[..., object]]:
    """Return the functions of a module that are decorated with `invariant`."""
    return [each for each in vars(module).values() if getattr(each, _MARK, False) is True]


class Checks:
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

    def add(self, check: Callable[..., object]) -> None:
        """Hold one more thing to be true."""
        (self._of_each if signature(check).parameters else self._of_all).append(check)

    def check(self) -> None:
        """Check them all, after a turn.

        Raises:
            AssertionError: one does not hold; or whatever else it raises.
        """
        for check in self._of_all:
            check()
        if self._of_each:
            for run in self._grown():
                for each in self._of_each:
                    each(run)

    def _grown(self) -> Iterator[Run]:
        """Yield the executions whose histories have grown."""
        for execution in list(self._simulation.engine().executions.values()):
            known = self._seen.get(execution.run_id)
            if execution.domain.name == self._domain and len(execution) != known:
                self._seen[execution.run_id] = len(execution)
                ids = Execution(execution.workflow_id, execution.run_id)
                yield fetch(self._client, self._domain, ids, self._payloads)

"""The pool of a poll loop: one worker at a time, that is replaced when a fault kills it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

from flowy._installation import install_command
from flowy_sim.testing._loops import LoopWorker, PollingCode
from flowy_sim.testing._worker_client import WorkerClient
from flowy_sim.testing._worker_pool import PolledList, WorkerPool


class LoopPool(WorkerPool):
    """The one worker that runs some polling code.

    Args:
        current: returns the code of a new worker, or a class or a function that makes it.
        client: the client of all workers.
        role: the name of the worker, before its number.

    Attributes:
        abandoned: the lists that the workers before the present one have polled.
    """

    def __init__(self, current: Callable[[], PollingCode], client: WorkerClient, role: str) -> None:
        self._alive: list[LoopWorker] = []
        self.abandoned: set[PolledList] = set()
        lists: list[PolledList] = []

        def create(_: str) -> LoopWorker:
            for killed in self._alive:
                killed.discard()
            # A new worker may poll other lists, such as one of its own host.
            self.abandoned.update(lists)
            lists.clear()
            self._alive = [LoopWorker(current(), client, lists)]
            return self._alive[0]

        super().__init__(create, role, 1, lists)

    @property
    def answers(self) -> int:
        """A digest of what the worker has received."""
        return self._alive[0].digest()

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code can go on, or may find a task on the given lists."""
        return any(worker.is_ready(waiting) for worker in self._loops())

    def discard(self) -> None:
        """Never let the code go on."""
        for each in self._alive:
            each.discard()

    def is_ready_for_strangers(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code may be about to poll one of these lists for the first time."""
        return any(worker.is_ready_for_strangers(waiting) for worker in self._loops())

    def _loops(self) -> Iterator[LoopWorker]:
        for _, worker in self._idle:
            assert isinstance(worker, LoopWorker)
            yield worker


def check_greenlet() -> None:
    """Check that poll loops can be suspended.

    Raises:
        ImportError: greenlet is not installed.
    """
    try:
        import greenlet  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "poll loops need greenlet, which is not installed; install it: "
            f"{install_command('pytest')}"
        ) from error

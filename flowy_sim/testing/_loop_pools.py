"""Poll loops as workers: one at a time for each loop; one for all that are coroutines.

Coroutines are one process, in one event loop: if a fault kills it, all of them are started again.
What they run by `asyncio.to_thread` takes part; see `flowy_sim.testing._coroutines`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from flowy._installation import install_command
from flowy_sim.testing._coroutines import AsyncClient
from flowy_sim.testing._loop_threads import LoopThread
from flowy_sim.testing._loops import POLLED, LoopWorker
from flowy_sim.testing._polling_code import PollingCode, made, takes_client
from flowy_sim.testing._worker_client import WorkerClient
from flowy_sim.testing._worker_pool import PolledList, WorkerPool


class LoopPool(WorkerPool):
    """The one worker that runs some polling code.

    Args:
        current: returns the code of a new worker, or a class or a function that makes it.
        client: the client of all workers.
        name: the name of the code.
        prefix: the beginning of the name of the worker, before that of the code.

    Attributes:
        name: as given.
        abandoned: the lists that the workers before the present one have polled.
    """

    def __init__(
        self,
        current: Callable[[], PollingCode],
        client: WorkerClient,
        name: str,
        prefix: str = "",
    ) -> None:
        self.name = name
        self._alive: list[LoopWorker] = []
        self._threads: dict[LoopThread, LoopPool] = {}
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

        super().__init__(create, f"{prefix}{name}", 1, lists)

    @property
    def state(self) -> tuple[object, ...]:
        """What the worker remembers counts as well: a digest of what it has received."""
        return *super().state, self._alive[0].digest()

    def is_ready(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code can go on, or may find a task on the given lists."""
        return any(worker.is_ready(waiting) for worker in self._loops())

    def discard(self) -> None:
        """Never let the code go on."""
        for each in self._alive:
            each.discard()

    @property
    def threads(self) -> list[LoopPool]:
        """Pools of the threads that the code has started."""
        running = [thread for worker in self._alive for thread in worker.threads]
        if running or self._threads:
            before = self._threads
            self._threads = {
                each: before.get(each) or ThreadPool(each, self, self._role) for each in running
            }
        return list(self._threads.values())

    @property
    def last_call(self) -> str:
        """The operation that the code has called last; may be empty."""
        return self._alive[0].spins.last_call if self._alive else ""

    def kill(self) -> None:
        """Replace the process: the loop and all its threads."""
        self.restart()

    def is_ready_for_strangers(self, waiting: AbstractSet[PolledList]) -> bool:
        """Return whether the code may be about to poll one of these lists for the first time."""
        return any(worker.is_ready_for_strangers(waiting) for worker in self._loops())

    def is_ready_to_answer(self) -> bool:
        """Return whether the code polls while it holds a task, and may answer that one next."""
        return any(worker.is_ready_to_answer() for worker in self._loops())

    def wants_turn(self) -> bool:
        """Return whether the code can go on, whatever there is on task lists."""
        return any(worker.wants_turn for worker in self._loops())

    def advice(self) -> str:
        """Return what to do about a loop that waits busily; empty if none does."""
        found = ((name, worker.spins.advice()) for name, worker in self._named_loops())
        return "\n".join(f"the loop {name} {advice}" for name, advice in found if advice)

    def _loops(self) -> Iterator[LoopWorker]:
        for _, worker in self._named_loops():
            yield worker

    def _named_loops(self) -> Iterator[tuple[str, LoopWorker]]:
        for name, worker in self._idle:
            assert isinstance(worker, LoopWorker)
            yield name, worker


class ThreadPool(LoopPool):
    """One thread that a poll loop has started, as a worker.

    Args:
        thread: the thread.
        process: the pool of the loop.
        role: what the loop is called.
    """

    def __init__(self, thread: LoopThread, process: LoopPool, role: str) -> None:
        self.name = f"{role} thread {thread.number}"
        self.abandoned = set()
        self._alive = [thread]
        self._threads = {}
        self._process = process
        WorkerPool.__init__(self, lambda _: thread, self.name, None, thread.lists)
        self._idle.append((self.name, thread))

    @property
    def has_idle(self) -> bool:
        """Whether the thread waits for a turn."""
        return bool(self._idle)

    @property
    def answers(self) -> int:
        """Nothing: the digest of the loop contains what its threads have received."""
        return 0

    def restart(self) -> None:
        """Wait for the loop to start other threads."""
        self._busy = set()
        self._idle = deque()

    def replace(self, name: str) -> None:
        """Replace the process of the thread, which was killed."""
        self._process.kill()

    def discard(self) -> None:
        """Leave the thread to its loop."""


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


class AsyncLoops:
    """The poll loops of a runner that are coroutines.

    Args:
        client: the client of all workers.
        deployed: the code that has replaced other code, by its name.
    """

    def __init__(self, client: WorkerClient, deployed: Mapping[str, PollingCode]) -> None:
        self._worker_client = client
        self._client: Any = AsyncClient(client.client_of_loop())
        self._deployed = deployed
        self._codes: dict[str, PollingCode] = {}
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._failed: asyncio.Future[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def beside(self, deployed: Mapping[str, PollingCode]) -> AsyncLoops:
        """Return the same loops for another worker, in which other code has replaced some."""
        loops = AsyncLoops(self._worker_client, deployed)
        loops._codes = self._codes
        return loops

    def add(self, name: str, code: PollingCode) -> None:
        """Add a loop, also while the others run."""
        self._codes[name] = code
        if self._event_loop is not None and not self._event_loop.is_closed():
            self._event_loop.call_soon_threadsafe(self._start, name)

    async def main(self) -> None:
        """Run all loops, until one fails."""
        self._event_loop = asyncio.get_running_loop()
        self._failed = self._event_loop.create_future()
        for name in self._codes:
            self._start(name)
        try:
            await self._failed
        except Exception:
            self._event_loop = None
            raise

    def _start(self, name: str) -> None:
        task = asyncio.ensure_future(self._repeat(self._deployed.get(name, self._codes[name])))
        task.add_done_callback(self._end)
        self._tasks[name] = task

    def _end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _repeat(self, code: PollingCode) -> None:
        """Call code again and again, if it returns."""
        code = made(code, self._client)
        while True:
            polled: set[Any] = set()
            POLLED.set(polled)
            result: Any = code(self._client) if takes_client(code) else code()
            result = await result if inspect.iscoroutine(result) else result
            await asyncio.sleep(0)
            if callable(result) and not polled:
                code = result  # It was a function that makes the code.
            elif not polled:
                loop = self._worker_client.loop
                assert loop is not None
                await loop.poll_in_event_loop(None)

"""A timer queue of the calls that workers make later, in simulated time.

It holds the answers and heartbeats of tasks that take time, tasks that a fault has delayed, and
the actions of the test itself (`flowy_sim.testing.Runner.after`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from flowy._client import fault_code
from flowy_sim._engine.queues import TimerQueue
from flowy_sim._simulation.clock import Clock, later
from flowy_sim.faults._fault import is_injected
from flowy_sim.testing._worker_client import HeldAnswer, WorkerClient

_ANSWER, _HEARTBEAT, _DELIVERY, _ACTION = "answer", "heartbeat", "delivery", "action"
_PAUSE, _SLEEP = "pause", "sleep"

_RETRY_SECONDS = 1
"""Seconds after which an answer that did not reach the service is sent again."""


class HeldWorker(NamedTuple):
    """What can happen to a worker while it works.

    Attributes:
        cancel: called when a heartbeat reports that cancellation of its task was requested.
        kill: called when the worker dies at a heartbeat.
    """

    cancel: Callable[[], None]
    kill: Callable[[], None]


class DelayedCalls:
    """Makes calls when they are due.

    Args:
        clock: the simulation's clock.
        client: the client that makes the calls.
        choose: chooses among calls that are due at the same instant.

    Attributes:
        actions: the actions of the test, and whether each was called.
        on_action: called before each action of the test.
    """

    def __init__(
        self, clock: Clock, client: WorkerClient, choose: Callable[[str, int], int]
    ) -> None:
        self._clock = clock
        self._client = client
        self._due = TimerQueue(choose)
        self.actions: dict[str, bool] = {}
        self.on_action: Callable[[], None] = _do_nothing

    def clear(self) -> None:
        """Forget the calls of workers. The actions of the test stay."""
        for _, key, (kind, _) in list(self._due.entries()):
            if kind not in (_ACTION, _PAUSE):
                self._due.cancel(key)

    def hold_answer(
        self, held: HeldAnswer, free: Callable[[], None], replace: Callable[[], None]
    ) -> None:
        """Send an answer when it is due, and heartbeats until then.

        Args:
            held: the answer. If it is never sent, its worker has died over the task, and another
                worker can take the next turn at once.
            free: called when its worker can take turns again.
            replace: called when its worker has died.
        """
        until, key = math.inf, 0
        if math.isinf(held.takes):
            free()
            free = replace = _do_nothing
        else:
            until, key = self._add(held.takes, _ANSWER, self._send, held, free, replace)
        worker = HeldWorker(
            partial(self._cancel, key, held, free, replace), partial(self._kill, key, replace)
        )
        self._add_heartbeat(held, until, worker)

    def add_delivery(self, seconds: float, task: object, deliver: Callable[[], object]) -> None:
        """Deliver a task later."""
        self._add(seconds, _DELIVERY, deliver, task)

    def add_action(self, seconds: float, action: Callable[[], object]) -> None:
        """Call a function of the test later, and note whether it was called in `actions`."""
        name = getattr(action, "__qualname__", type(action).__qualname__)
        key = f"after({seconds:g}, {name})"
        while key in self.actions:
            key += " again"
        self.actions[key] = False
        self._add(seconds, _ACTION, self._act, None, key, action)

    def add_pause(self, seconds: float, action: Callable[[], object]) -> None:
        """Call a function of the runner itself later."""
        self._add(seconds, _PAUSE, action, None)

    def _act(self, about: None, key: str, action: Callable[[], object]) -> None:
        self.actions[key] = True
        self.on_action()
        action()

    def add_sleep(self, seconds: float) -> tuple[int, int]:
        """Note that a poll loop sleeps.

        Returns:
            When it wakes up, in milliseconds since 1970, and the key for `cancel_sleep`.
        """
        return self._add(seconds, _SLEEP, _do_nothing, None)

    def cancel_sleep(self, key: int) -> None:
        """Forget the sleep of a poll loop, if it is not over."""
        self._due.cancel(key)

    def next_instant(self) -> int | None:
        """Return when the next call is due, in milliseconds since 1970; None if there is none."""
        return self._due.next_instant()

    def run_due(self, until: int | None = None) -> None:
        """Make the calls that are due by now, or by a given instant."""
        latest = self._clock.milliseconds if until is None else until
        while (instant := self.next_instant()) is not None and instant <= latest:
            kind, (call, *arguments) = self._due.pop(instant)
            if kind in (_DELIVERY, _PAUSE, _SLEEP):
                call()
            else:
                call(*arguments)

    def entries(self) -> Iterator[tuple[int, str, object]]:
        """Yield the instant, the kind and the subject of each call, in no particular order."""
        for at, _, (kind, (_, about, *_)) in self._due.entries():
            yield at, kind, about

    def _send(
        self, held: HeldAnswer, free: Callable[[], None], replace: Callable[[], None]
    ) -> None:
        self._client.begin_turn(held.call.worker)
        try:
            self._client.send_held(held)
        except BaseException as error:
            if not is_injected(error):
                raise
            if isinstance(error, Exception):
                self._add(_RETRY_SECONDS, _ANSWER, self._send, held, free, replace)
            else:
                replace()
            return
        finally:
            self._client.worker = ""
        if self._client.held is None:
            free()
        else:  # A fault has delayed it.
            self.hold_answer(self._client.held, free, replace)

    def _add_heartbeat(self, held: HeldAnswer, until: float, worker: HeldWorker) -> None:
        if held.heartbeat is None:
            return
        instant = later(self._clock.milliseconds, held.heartbeat)
        if instant < until:
            self._due.set(instant, _HEARTBEAT, self._send_heartbeat, held, until, worker)

    def _send_heartbeat(self, held: HeldAnswer, until: float, worker: HeldWorker) -> None:
        self._client.begin_turn(held.call.worker, held.call.task)
        token = held.call.request["taskToken"]
        try:
            reply = self._client.record_activity_task_heartbeat(taskToken=token)
        except BaseException as error:
            if isinstance(error, Exception) and fault_code(error) == "UnknownResourceFault":
                return
            if not is_injected(error):
                raise
            if not isinstance(error, Exception):
                worker.kill()
                return
        else:
            if reply.get("cancelRequested"):
                worker.cancel()
                return
        finally:
            self._client.worker = ""
        self._add_heartbeat(held, until, worker)

    def _kill(self, key: int, replace: Callable[[], None]) -> None:
        """Never send an answer, because its worker has died over the task."""
        self._due.cancel(key)
        replace()

    def _cancel(
        self, key: int, held: HeldAnswer, free: Callable[[], None], replace: Callable[[], None]
    ) -> None:
        """Answer that a task was canceled, as a heartbeat has asked for."""
        self._due.cancel(key)
        self.hold_answer(self._client.cancellation(held), free, replace)

    def _add(self, seconds: float, kind: str, *arguments: Any) -> tuple[int, int]:
        """Add a call; return when it is due, and the key that cancels it."""
        instant = later(self._clock.milliseconds, seconds)
        return instant, self._due.set(instant, kind, *arguments)


def _do_nothing() -> None:
    """Do nothing: no worker is busy with the task, or the one that sleeps takes a turn."""

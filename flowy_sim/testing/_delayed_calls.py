"""A timer queue of the calls that workers make later, in simulated time.

It holds the answers and heartbeats of tasks that take time, tasks that a fault has delayed, and
the actions of the test itself (`flowy_sim.testing.Runner.after`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flowy._client import fault_code
from flowy_sim._engine.queues import TimerQueue
from flowy_sim._simulation.clock import Clock, later
from flowy_sim.faults._fault import is_injected
from flowy_sim.testing._worker_pool import HeldAnswer, WorkerClient

_ANSWER, _HEARTBEAT, _DELIVERY, _ACTION = "answer", "heartbeat", "delivery", "action"
_SLEEP = "sleep"

_RETRY_SECONDS = 1
"""Seconds after which an answer that did not reach the service is sent again."""


class DelayedCalls:
    """Makes calls when they are due.

    Args:
        clock: the simulation's clock.
        client: the client that makes the calls.
        choose: chooses among calls that are due at the same instant.
    """

    def __init__(
        self, clock: Clock, client: WorkerClient, choose: Callable[[str, int], int]
    ) -> None:
        self._clock = clock
        self._client = client
        self._due = TimerQueue(choose)

    def clear(self) -> None:
        """Forget the calls of workers. The actions of the test stay."""
        for _, key, (kind, _) in list(self._due.entries()):
            if kind != _ACTION:
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
        self._add_heartbeat(held, until, partial(self._cancel, key, held, free, replace))

    def add_delivery(self, seconds: float, task: object, deliver: Callable[[], object]) -> None:
        """Deliver a task later."""
        self._add(seconds, _DELIVERY, deliver, task)

    def add_action(self, seconds: float, action: Callable[[], object]) -> None:
        """Call a function of the test later."""
        self._add(seconds, _ACTION, action, None)

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

    def run_due(self) -> None:
        """Make the calls that are due by now."""
        while (instant := self.next_instant()) is not None and instant <= self._clock.milliseconds:
            kind, (call, *arguments) = self._due.pop(instant)
            if kind in (_DELIVERY, _ACTION, _SLEEP):
                call()
            else:
                call(*arguments)

    def entries(self) -> Iterator[tuple[int, str, object]]:
        """Yield the instant, the kind and the subject of each call, in no particular order."""
        for at, (kind, (_, about, *_)) in self._due:
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

    def _add_heartbeat(self, held: HeldAnswer, until: float, cancel: Callable[[], None]) -> None:
        if held.heartbeat is None:
            return
        instant = later(self._clock.milliseconds, held.heartbeat)
        if instant < until:
            self._due.set(instant, _HEARTBEAT, self._send_heartbeat, held, until, cancel)

    def _send_heartbeat(self, held: HeldAnswer, until: float, cancel: Callable[[], None]) -> None:
        self._client.begin_turn(held.call.worker)
        token = held.call.request["taskToken"]
        try:
            reply = self._client.record_activity_task_heartbeat(taskToken=token)
        except Exception as error:
            if fault_code(error) == "UnknownResourceFault":
                return
            if not is_injected(error):
                raise
        else:
            if reply.get("cancelRequested"):
                cancel()
                return
        finally:
            self._client.worker = ""
        self._add_heartbeat(held, until, cancel)

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

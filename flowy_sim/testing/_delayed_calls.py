"""What is done later: answers and heartbeats of tasks that take simulated time, late deliveries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flowy._client import fault_code
from flowy_sim._engine.deadlines import Deadlines
from flowy_sim._simulation.clock import Clock, later
from flowy_sim.faults._fault import is_injected
from flowy_sim.testing._worker_pool import HeldAnswer, WorkerClient

_DELIVERY, _OTHERS = "delivery", "what others do"

_AGAIN = 1
"""Seconds after which an answer that did not get through is given once more."""


class DelayedCalls:
    """Keeps answers until they are due.

    Args:
        clock: tells when that is.
        worker_client: where answers are given.
        choose: picks among what is due at the same instant.
    """

    def __init__(
        self, clock: Clock, worker_client: WorkerClient, choose: Callable[[str, int], int]
    ) -> None:
        """Start with nothing to do."""
        self._clock = clock
        self._worker_client = worker_client
        self._due = Deadlines(choose)

    def clear(self) -> None:
        """Forget everything that has to do with workers; what others do stays."""
        for _, key, (kind, _) in list(self._due.entries()):
            if kind != _OTHERS:
                self._due.cancel(key)

    def hold(
        self, held: HeldAnswer, come_back: Callable[[], None], lose: Callable[[], None]
    ) -> None:
        """Keep an answer until it is due, and send heartbeats meanwhile.

        Args:
            held: the answer. One that takes for ever means that its worker has died: another
                comes in its place at once.
            come_back: called when its worker has nothing to do any more.
            lose: called when its worker has died.
        """
        until, key = math.inf, 0
        if math.isinf(held.takes):
            come_back()
            come_back = lose = _do_nothing
        else:
            until, key = self._set(held.takes, "answer", self._give, held, come_back, lose)
        self._plan_heartbeat(held, until, partial(self._cancel, key, held, come_back, lose))

    def put_off(self, seconds: float, about: object, action: Callable[[], object]) -> None:
        """Do something later; what it is about tells it from others."""
        self._set(seconds, _DELIVERY, action, about)

    def let_others(self, seconds: float, action: Callable[[], object]) -> None:
        """Let something be done later that is no matter of workers."""
        self._set(seconds, _OTHERS, action, None)

    def next_instant(self) -> int | None:
        """Return when something is due next, in milliseconds; None if nothing is."""
        return self._due.next_instant()

    def catch_up(self) -> bool:
        """Do what is due by now; return whether anything was."""
        done = False
        while (instant := self.next_instant()) is not None and instant <= self._clock.milliseconds:
            kind, (action, *arguments) = self._due.pop(instant)
            if kind in (_DELIVERY, _OTHERS):
                action()
            else:
                action(*arguments)
            done = True
        return done

    def entries(self) -> Iterator[tuple[int, str, object]]:
        """Yield when, what kind of thing and about what is to be done, in no order."""
        for at, (kind, (_, about, *_)) in self._due:
            yield at, kind, about

    def _give(
        self, held: HeldAnswer, come_back: Callable[[], None], lose: Callable[[], None]
    ) -> None:
        self._worker_client.clear(held.call.worker)
        try:
            self._worker_client.give(held)
        except BaseException as error:
            if not is_injected(error):
                raise
            if isinstance(error, Exception):
                self._set(_AGAIN, "answer", self._give, held, come_back, lose)
            else:
                lose()
            return
        finally:
            self._worker_client.worker = ""
        if self._worker_client.held is None:
            come_back()
        else:
            self.hold(self._worker_client.held, come_back, lose)

    def _plan_heartbeat(self, held: HeldAnswer, until: float, cancel: Callable[[], None]) -> None:
        if held.heartbeat is None:
            return
        instant = later(self._clock.milliseconds, held.heartbeat)
        if instant < until:
            self._due.set(instant, "heartbeat", self._beat, held, until, cancel)

    def _beat(self, held: HeldAnswer, until: float, cancel: Callable[[], None]) -> None:
        self._worker_client.clear(held.call.worker)
        token = held.call.request["taskToken"]
        try:
            reply = self._worker_client.record_activity_task_heartbeat(taskToken=token)
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
            self._worker_client.worker = ""
        self._plan_heartbeat(held, until, cancel)

    def _cancel(
        self, key: int, held: HeldAnswer, come_back: Callable[[], None], lose: Callable[[], None]
    ) -> None:
        """Give up what was worked on, as its workflow wants it."""
        self._due.cancel(key)
        self.hold(self._worker_client.cancellation(held), come_back, lose)

    def _set(self, seconds: float, kind: str, *arguments: Any) -> tuple[int, int]:
        """Set something; return when it is due, and the key that cancels it."""
        instant = later(self._clock.milliseconds, seconds)
        return instant, self._due.set(instant, kind, *arguments)


def _do_nothing() -> None:
    """Do nothing for a worker who is not busy with the task any more."""

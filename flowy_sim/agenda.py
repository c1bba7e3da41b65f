"""What workers do later: the answers and heartbeats of tasks that take simulated time."""

from __future__ import annotations

import math
from collections.abc import Callable

from flowy.client import fault_code
from flowy_sim.clock import Clock, later
from flowy_sim.crews import Desk, Held
from flowy_sim.engine.deadlines import Deadlines


class Agenda:
    """Keeps answers until they are due.

    Args:
        clock: tells when that is.
        desk: where answers are given.
        choose: picks among what is due at the same instant.
    """

    def __init__(self, clock: Clock, desk: Desk, choose: Callable[[str, int], int]) -> None:
        """Start with nothing to do."""
        self._clock = clock
        self._desk = desk
        self._due = Deadlines(choose)

    def hold(self, held: Held, come_back: Callable[[], None]) -> None:
        """Keep an answer until it is due, and send heartbeats meanwhile.

        Args:
            held: the answer. One that takes for ever means that its worker has died: another
                comes in its place at once.
            come_back: called when its worker has nothing to do any more.
        """
        due = math.inf
        if math.isinf(held.answer.takes):
            come_back()
        else:
            instant = later(self._clock.milliseconds, held.answer.takes)
            self._due.set(instant, "answer", self._give, held, come_back)
            due = instant
        self._plan_heartbeat(held, due)

    def next_instant(self) -> int | None:
        """Return when something is due next, in milliseconds; None if nothing is."""
        return self._due.next_instant()

    def catch_up(self) -> None:
        """Do what is due by now."""
        while (instant := self.next_instant()) is not None and instant <= self._clock.milliseconds:
            _, (action, *arguments) = self._due.pop(instant)
            action(*arguments)

    def _give(self, held: Held, come_back: Callable[[], None]) -> None:
        self._desk.give(held)
        come_back()

    def _plan_heartbeat(self, held: Held, until: float) -> None:
        if held.answer.heartbeat is None:
            return
        instant = later(self._clock.milliseconds, held.answer.heartbeat)
        if instant < until:
            self._due.set(instant, "heartbeat", self._beat, held, until)

    def _beat(self, held: Held, until: float) -> None:
        try:
            self._desk.record_activity_task_heartbeat(taskToken=held.request["taskToken"])
        except Exception as error:
            if fault_code(error) != "UnknownResourceFault":
                raise
        else:
            self._plan_heartbeat(held, until)

"""The event loop of a served simulation: calls await their replies in it, and time passes in it.

It does for connections what `flowy_sim._simulation.waiters` does for threads. Both ask the same
`TimeSkipping` whether time may jump.
"""

from __future__ import annotations

import asyncio

from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Poll

_DAY = 86_400.0


class EventLoop:
    """Lets the time of a simulation pass in the running event loop.

    Time settles soon after every change, and again when it has said that it should.

    Args:
        host: the simulation; it is used in this event loop only.
    """

    def __init__(self, host: Host) -> None:
        self._time_skipping = host.time_skipping
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._is_due = False
        self._is_stopped = False
        host.time_skipping.settle_soon = self.settle_soon

    def wait(self, poll: Poll) -> asyncio.Future[None]:
        """Return a future that is done when `wake` of a poll is called: when it is answered."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        poll.wake = wake
        if poll.is_answered:
            wake()
        self.settle_soon()
        return waiter

    def settle_soon(self) -> None:
        """Let time settle as soon as the loop comes round: something has changed."""
        if self._is_due or self._is_stopped:
            return
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._settle)

    def stop(self) -> None:
        """Let time pass no more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        self._is_due = False
        if self._is_stopped:
            return
        pause = self._time_skipping.settle()
        if pause is None:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + min(pause, _DAY)
        if self._timer is not None:
            if self._timer_at <= at:
                return  # That is soon enough, and costs nothing.
            self._timer.cancel()
        # The handle itself need not know when: uvloop makes an ordinary one if that is now.
        self._timer, self._timer_at = loop.call_at(at, self._timed), at

    def _timed(self) -> None:
        self._timer = None
        self._settle()

"""Looks after time in an event loop: when polls are answered and things happen by themselves."""

from __future__ import annotations

import asyncio

from flowy_sim._simulation.time_skipping import Passage

_DAY = 86_400.0


class Pace:
    """Lets a passage settle: soon after every change, and whenever it asks for it.

    Args:
        passage: what is looked after.
    """

    def __init__(self, passage: Passage) -> None:
        """Do nothing yet."""
        self._passage = passage
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._stopped = False

    def soon(self) -> None:
        """See to it that the passage settles soon: something has changed."""
        if self._is_due or self._stopped:
            return
        self._is_due = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asyncio.get_running_loop().call_soon(self._settle, 0.0)

    def stop(self) -> None:
        """Do nothing any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self, waited: float) -> None:
        self._is_due = False
        if self._stopped:
            return
        pause = self._passage.settle(waited)
        if pause is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(pause, _DAY), self._settle, pause)

"""Histories of closed executions, read only when a call asks for them.

Nothing in a closed execution changes any more. What its history has led to is kept beside it, and
of its events only the first and the last are read when a server starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from flowy_sim._engine.events import Event
from flowy_sim._storage.plain import decode_events


class StoredEvents(Sequence[Event]):
    """The events of a history that has come to its end, read when somebody asks for them.

    Args:
        texts: the events as they were written, in their order, as JSON texts.
        length: how many events there are.

    Raises:
        LookupError, TypeError, ValueError: the first or the last cannot be read.
    """

    __slots__ = ("_events", "_first", "_last", "_length", "_texts")

    def __init__(self, texts: Sequence[str], length: int) -> None:
        """Read the first and the last."""
        first = decode_events(texts[0])
        self._first = first[0]
        self._last = (first if len(texts) == 1 else decode_events(texts[-1]))[-1]
        self._length = length
        self._texts = texts
        self._events: list[Event] | None = None

    def __len__(self) -> int:
        """Return how many events there are."""
        return self._length

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        """Return an event, or some."""
        if index == 0:
            return self._first
        if index == self._length - 1:
            return self._last
        if self._events is None:
            self._events = [event for text in self._texts for event in decode_events(text)]
            self._texts = ()
        return self._events[index]

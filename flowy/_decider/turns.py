"""The turns of an execution, passed one after the other.

What is decided in a turn is held against what the history shows of it, before the next one begins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowy._decider.history import History, NewEvent, Turn
from flowy._decider.outbox import Outbox
from flowy._determinism.differences import explained
from flowy._payloads.text import HISTORY_LIMIT, LONG_HISTORY
from flowy.errors import HistoryError, NonDeterminismError

logger = logging.getLogger("flowy.workflow")


class Turns:
    """How far the replay of a history has come.

    Args:
        history: the history; it may grow while the turns are passed.
        outbox: what is decided in the turn at hand.
        workflow_id: whose history it is, for the log.
        pause: called when no turn is left; returns when there are more, or raises to end it. None
            to go on, and find that there is none.
    """

    def __init__(
        self,
        history: History,
        outbox: Outbox,
        workflow_id: str,
        pause: Callable[[], None] | None,
    ) -> None:
        self._history = history
        self._outbox = outbox
        self._workflow_id = workflow_id
        self._pause = pause
        self._at_hand: Turn | None = None

    @property
    def started(self) -> Mapping[str, Any]:
        """The attributes of the WorkflowExecutionStarted event."""
        return self._history.started

    @property
    def at_hand(self) -> Turn:
        """The turn at hand.

        Raises:
            HistoryError: the first has not begun.
        """
        if self._at_hand is None:
            raise HistoryError("there is nothing to decide yet")
        return self._at_hand

    @property
    def replaying(self) -> bool:
        """Whether what is decided now was decided before."""
        return self._at_hand is not None and self._at_hand.completed_event_id is not None

    def next(self) -> Sequence[NewEvent] | None:
        """Finish the turn at hand and begin the next one.

        Returns:
            What is new in it; None if there is no next one, and the turn at hand goes on.

        Raises:
            NonDeterminismError: see `match`.
        """
        following = self._history.turns
        if not following and self._at_hand is not None and self._pause is not None:
            self._pause()
        self.match()
        if not following:
            return None
        before, self._at_hand = self._at_hand, following.popleft()
        self._warn_of_length(before, self._at_hand)
        self._outbox.next_turn()
        return self._at_hand.new_events

    def match(self) -> None:
        """Hold what is decided in the turn at hand against the history, as far as it shows that.

        Raises:
            NonDeterminismError: they differ.
        """
        turn = self._at_hand
        if turn is None or turn.completed_event_id is None:
            return
        outbox = self._outbox
        difference = explained(
            outbox.finished(), turn.recorded, turn.completed_event_id, outbox.call_sites
        )
        if difference is not None:
            raise NonDeterminismError(difference)

    def _warn_of_length(self, before: Turn | None, turn: Turn) -> None:
        last = 0 if before is None else before.started_event_id
        if last < LONG_HISTORY <= turn.started_event_id and not self.replaying:
            logger.warning(
                "%s: its history has %d events, and Amazon SWF terminates it at %d; let it "
                "self.restart() where self.history_is_long",
                self._workflow_id,
                turn.started_event_id,
                HISTORY_LIMIT,
            )

"""The turns of an execution, one after the other.

The decisions of a turn are compared with those that the history records before the next turn
begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowy._decider.history import History, NewEvent, Turn
from flowy._decider.outbox import Outbox
from flowy._determinism.differences import explained
from flowy._payloads.text import HISTORY_LIMIT, LONG_HISTORY
from flowy._safe_text import safe_logger
from flowy.errors import HistoryError, NonDeterminismError

logger = safe_logger("flowy.workflow")


class Turns:
    """The position of a replay in a history.

    Args:
        history: the history; it may grow meanwhile.
        outbox: the decisions of the current turn.
        workflow_id: the execution's workflow id, for the log.
        pause: called when no turn is left; returns when there are more, or raises to end the
            replay. None to continue without more turns.
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
        self._current: Turn | None = None

    @property
    def started(self) -> Mapping[str, Any]:
        """The attributes of the WorkflowExecutionStarted event."""
        return self._history.started

    @property
    def current(self) -> Turn:
        """The current turn.

        Raises:
            HistoryError: the first turn has not begun.
        """
        if self._current is None:
            raise HistoryError("there is nothing to decide yet")
        return self._current

    @property
    def replaying(self) -> bool:
        """Whether the current decisions repeat those of the history."""
        return self._current is not None and self._current.completed_event_id is not None

    def next(self) -> Sequence[NewEvent] | None:
        """Finish the current turn and begin the next one.

        Returns:
            Its new events; None if there is no next turn and the current one continues.

        Raises:
            NonDeterminismError: see `match`.
        """
        following = self._history.turns
        if not following and self._current is not None and self._pause is not None:
            self._pause()
        self.match()
        if not following:
            return None
        before, self._current = self._current, following.popleft()
        self._warn_of_length(before, self._current)
        self._outbox.next_turn()
        return self._current.new_events

    def match(self) -> None:
        """Compare the decisions of the current turn with those of the history, if it records any.

        Raises:
            NonDeterminismError: they differ.
        """
        turn = self._current
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
                "%s: its history has %d events, and Amazon SWF terminates it at %d; call "
                "self.restart() when self.history_is_long",
                self._workflow_id,
                turn.started_event_id,
                HISTORY_LIMIT,
            )

"""Which signals a workflow waits for, found by replaying it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowy._calls.waits import SignalCall
from flowy._decider.decider import UNKNOWN, Decider
from flowy._decider.history import Event, History
from flowy.errors import FlowyError, TaskError
from flowy.payloads import PLAIN, Payloads
from flowy.result import Call
from flowy.workflow import Workflow


class _Watched(Decider):
    """A decider that keeps what is waited for."""

    waited: Sequence[Call] = ()

    def wait_for_any(self, calls: Sequence[Call]) -> None:
        """Keep it."""
        self.waited = calls
        super().wait_for_any(calls)


def awaited_signals(
    workflow: type[Workflow], events: Sequence[Event], payloads: Payloads = PLAIN
) -> list[str]:
    """Return which signals a workflow waits for at the end of a history.

    Args:
        workflow: its class.
        events: the history, in which all that can be decided is decided.
        payloads: how its arguments and results travel.

    Returns:
        Such as ``the signal 'approval'``; nothing if the workflow waits for something else.
    """
    decider: Any = _Watched(workflow, History(events), payloads, UNKNOWN)
    try:
        decider.replay()
    except FlowyError:
        return []
    waited = [call for call in decider.waited if isinstance(call, SignalCall) and not call.done]
    return [call.failure(TaskError).type for call in waited]

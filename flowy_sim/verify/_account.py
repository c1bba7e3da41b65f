"""The rest of the account, as far as a history shows it: what others had used up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from flowy_sim._engine.limits import Throttle
from flowy_sim.verify._decided import DECISIONS
from flowy_sim.verify._links import Links
from flowy_sim.verify._recording import Event

_RATE_EXCEEDED = "_RATE_EXCEEDED"
_OPEN_WORKFLOWS = "OPEN_WORKFLOWS_LIMIT_EXCEEDED"


class RecordedThrottle(Throttle):
    """A throttle that refuses the decisions that were refused when a history was recorded.

    The rates are those of an account, so a history shows only that they were exceeded.
    """

    def __init__(self) -> None:
        """Refuse nothing."""
        super().__init__(enabled=False)
        self._expected: dict[str, deque[bool]] = {}

    def expect(self, batch: Iterable[Event], links: Links) -> None:
        """Note which decisions of the coming batch are refused, from the events it wrote."""
        self._expected = {}
        for event in batch:
            cause = event["cause"] or links.outcome(event.id, "cause") or ""
            refused = str(cause).endswith(_RATE_EXCEEDED)
            # What fails for another cause at once is not counted.
            if refused or event["cause"] is None:
                answers = self._expected.setdefault(DECISIONS.get(event.type, ""), deque())
                answers.append(not refused)

    def allows(self, decision: str, now: int) -> bool:
        """Return whether the next decision of a type is taken."""
        answers = self._expected.get(decision)
        return answers.popleft() if answers else True


def is_crowded(events: Iterable[Event]) -> bool:
    """Tell whether the domain had all the open executions that it may have."""
    return any(event["cause"] == _OPEN_WORKFLOWS for event in events)

"""What came of verifying a history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowy_sim.verify._comparing import Difference


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of verifying one history.

    Attributes:
        name: the history's name.
        events: how many events it has.
        agreed: how many of them agree, up to the first difference.
        difference: the first difference; None if there is none.
        error: why it could not be verified; empty if it could.
    """

    name: str
    events: int
    agreed: int
    difference: Difference | None
    error: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the simulation writes this history."""
        return self.difference is None and not self.error

    def __str__(self) -> str:
        """Tell it in one line."""
        if self.error:
            return f"unreadable: {self.name}: {self.error}"
        if self.difference is not None:
            agreed = f"{self.agreed:,} of {count(self.events, 'event')} agree"
            return f"differs: {self.name}, {agreed}; {self.difference}"
        return f"agrees: {self.name}, {count(self.events, 'event')}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as an object for JSON."""
        document: dict[str, Any] = {
            "name": self.name,
            "agrees": self.agrees,
            "events": self.events,
            "agreed": self.agreed,
        }
        if self.difference is not None:
            document["difference"] = {
                "eventId": self.difference.event_id,
                "eventType": self.difference.event_type,
                "field": self.difference.field,
                "recorded": self.difference.recorded,
                "got": self.difference.got,
            }
        if self.error:
            document["error"] = self.error
        return document


def count(number: int, noun: str) -> str:
    """Return how many there are of something.

    Example:
        >>> count(1, "event"), count(2040, "event"), count(2, "history")
        ('1 event', '2,040 events', '2 histories')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"

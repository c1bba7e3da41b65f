"""What came of verifying a history."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flowy_sim.verify.comparing import Difference


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
            agreed = f"{self.agreed:,} of {count(self.events)} agree"
            return f"differs: {self.name}, {agreed}; {self.difference}"
        return f"agrees: {self.name}, {count(self.events)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as an object for JSON."""
        document: dict[str, Any] = {
            "name": self.name,
            "agrees": self.agrees,
            "events": self.events,
            "agreed": self.agreed,
        }
        if self.difference is not None:
            document["difference"] = asdict(self.difference)
        if self.error:
            document["error"] = self.error
        return document


def count(events: int) -> str:
    """Return a number of events in words.

    Example:
        >>> count(1), count(2040)
        ('1 event', '2,040 events')
    """
    return "1 event" if events == 1 else f"{events:,} events"

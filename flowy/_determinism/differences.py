"""The first difference between code and history: what, where, the likely reason, and the fix.

The history records the decisions of a turn, event by event, and the code makes them again. The
first pair that does not match is explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowy._call_sites import SourceLine
from flowy._decisions import DECISION_EVENTS, Decision, RecordedEvent
from flowy._determinism.causes import (
    Reason,
    RequestedAction,
    likely_cause,
    requested_action,
    same_text,
)
from flowy._payloads.text import cut
from flowy._safe_text import safe_text


class Difference(NamedTuple):
    """The first difference between a history and the decisions of the code."""

    event_id: int
    """The first event at which they differ."""
    expected: str
    """What the history records there."""
    got: str
    """What the code decided instead."""
    site: SourceLine | None
    """The line of the author's code that asked for it, if that is known."""
    reason: Reason
    why: str
    """The likely reason, as a sentence."""
    fix: str
    """What to do, as a sentence."""
    turn: str
    """All that the history records for this turn and all that the code decided, line by line."""

    def __str__(self) -> str:
        """Return a report, whose first line names the difference."""
        place = f" ({self.site})" if self.site else ""
        return (
            f"event {self.event_id} of the history shows {self.expected}, but the workflow's code "
            f"decided {self.got}{place}\n"
            f"likely reason: {self.why}\n"
            f"what to do: {self.fix}\n"
            f"{self.turn}"
        )


def matches(trace: RecordedEvent, decision: Decision) -> bool:
    """Whether an event records a decision, as far as they have to be the same."""
    row = DECISION_EVENTS.get(trace.event_type)
    if row is None or row.decision != decision.type:
        return False
    there, here = trace.attributes, decision.attributes
    for name in row.attributes:
        if there.get(name) != here.get(name) and not same_text(there.get(name), here.get(name)):
            return False
    return True


def explained(
    decided: Sequence[Decision],
    recorded: Sequence[RecordedEvent],
    completed_event_id: int,
    sites: Callable[[], Sequence[SourceLine | None]] = tuple,
) -> Difference | None:
    """Explain how the decisions of the code in a turn differ from those that the history records.

    Args:
        decided: the decisions of the code, in order.
        recorded: the events that the earlier decisions wrote, in order.
        completed_event_id: the DecisionTaskCompleted event that precedes them.
        sites: returns the source line that asked for each decision; it may return fewer.

    Returns:
        The first difference, or None if there is none.
    """
    index = _first_difference(decided, recorded)
    if index is None:
        return None
    places = sites()
    here = decided[index] if index < len(decided) else None
    there = recorded[index] if index < len(recorded) else None
    last = recorded[-1].event_id if recorded else completed_event_id
    reason, why = likely_cause(
        [requested_action(decision.type, decision.attributes) for decision in decided],
        [_recorded_action(trace) for trace in recorded],
        index,
    )
    return Difference(
        event_id=last + 1 if there is None else there.event_id,
        expected="no further decision" if there is None else _event_text(there),
        got="nothing" if here is None else _decision_text(here),
        site=places[index] if here is not None and index < len(places) else None,
        reason=reason,
        why=why,
        fix=_FIXES.get(reason, _FIX),
        turn="\n".join(_lines(decided, recorded, places, index)),
    )


def _first_difference(decided: Sequence[Decision], recorded: Sequence[RecordedEvent]) -> int | None:
    for index, (decision, trace) in enumerate(zip(decided, recorded, strict=False)):
        if not matches(trace, decision):
            return index
    return None if len(decided) == len(recorded) else min(len(decided), len(recorded))


def _recorded_action(trace: RecordedEvent) -> RequestedAction:
    row = DECISION_EVENTS.get(trace.event_type)
    return requested_action(row.decision if row else trace.event_type, trace.attributes)


_FIX = (
    "run the code that wrote this history, and the execution continues; to change what running "
    'executions do, check `if self.patched("…")` and keep the old code next to the new, or give '
    "the changed workflow a new version"
)
_UNCHANGED = (
    f"{_FIX}. If the code has not changed, look for something that differs at each replay, such as "
    "the order of a set"
)
_FIXES = {
    Reason.ARGUMENTS: _UNCHANGED,
    Reason.OUTCOME: _UNCHANGED,
    Reason.RAISES: f"fix what raises the exception; or {_FIX}",
    Reason.PATCH_REMOVED: (
        "call self.patched() there again; it can be removed once no execution is open that has "
        "passed it"
    ),
}


# The two lists.


_AROUND = 10
"""How many lines before and after the difference are shown."""
_LONGEST = 300
"""How many characters of one value are shown."""


def _lines(
    decided: Sequence[Decision],
    recorded: Sequence[RecordedEvent],
    sites: Sequence[SourceLine | None],
    index: int,
) -> Iterator[str]:
    events = [f"{trace.event_id:>6} {_event_text(trace)}" for trace in recorded]
    decisions = [
        f"{'':>6} {_decision_text(decision)}" + (f" ({site})" if site else "")
        for decision, site in zip(decided, _padded(sites, len(decided)), strict=True)
    ]
    yield "in this turn the history shows"
    yield from _marked(events, index)
    yield "and the code decided"
    yield from _marked(decisions, index)


def _padded(sites: Sequence[SourceLine | None], length: int) -> list[SourceLine | None]:
    return [*sites[:length], *[None] * (length - len(sites))]


def _marked(lines: list[str], index: int) -> Iterator[str]:
    first, last = max(index - _AROUND, 0), index + _AROUND + 1
    if first:
        yield f"  … {first} before"
    for number, line in enumerate(lines[first:last], first):
        yield f"{'>' if number == index else ' '}{line}"
    if len(lines) > last:
        yield f"  … {len(lines) - last} after"
    if index >= len(lines):
        yield f">{'':>6} nothing more" if lines else f">{'':>6} nothing"


def _event_text(trace: RecordedEvent) -> str:
    row = DECISION_EVENTS.get(trace.event_type)
    return _text(trace.event_type, trace.attributes, row.attributes if row else ())


def _decision_text(decision: Decision) -> str:
    rows = (row.attributes for row in DECISION_EVENTS.values() if row.decision == decision.type)
    return _text(decision.type, decision.attributes, max(rows, key=len, default=()))


def _text(name: str, attributes: Mapping[str, Any], recorded: tuple[str, ...]) -> str:
    values = (_value_text(attributes[key]) for key in recorded if key in attributes)
    return f"{name}({', '.join(values)})"


def _value_text(value: object) -> str:
    if isinstance(value, Mapping):
        value = " ".join(str(part) for part in value.values())
    return safe_text(cut(str(value), _LONGEST))

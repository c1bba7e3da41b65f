"""Values that are determined once, and kept in the history for all replays by markers.

A marker is the only text that a decider can write into a history for itself. Cadence and Temporal
record side effects and versions in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import get_annotations
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from flowy._decisions import record_marker
from flowy._payloads.hints import converter
from flowy._payloads.text import reason_and_details
from flowy.errors import TaskFailed

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy._payloads.serializers import Converter
    from flowy.payloads import Payloads

T = TypeVar("T")


class Markers:
    """Randomness, side effects and patches of one execution."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._patches: dict[str, bool] = {}
        self._random: Random | None = None
        self._side_effects = 0

    def recorded(self, name: str, make: Callable[[], str]) -> str | None:
        """Make a text once, and record it in a marker for all replays.

        Args:
            name: the marker's name.
            make: returns the text; not called in a replay.

        Returns:
            The text, made now or recorded earlier.
        """
        decider = self._decider
        decider.ensure_active()
        if not decider.turns.replaying:
            text: str | None = make()
        else:
            found = self._next(name)
            text = None if found is None else found.get("details")
            if found is None:
                decider.add(record_marker(name))
                decider.report_difference()
        decider.add(record_marker(name, text))
        return text

    def random(self) -> Random:
        """Return the execution's own random number generator.

        It is seeded with the execution's IDs. A marker records the seed, because a replay from a
        file may not know the IDs.
        """
        if self._random is None:
            workflow_id, run_id = self._decider.execution
            self._random = Random(self.recorded("random", lambda: f"{workflow_id} {run_id}") or "")
        return self._random

    def side_effect(self, function: Callable[[], T]) -> T:
        """Call a function once, and record its outcome, a value or an error.

        Args:
            function: takes no arguments and returns a value that can be sent; not called in a
                replay.

        Returns:
            The value that the function returned, now or earlier.

        Raises:
            TaskFailed: the function raised an exception, or its return value cannot be sent.
        """
        self._decider.make_room()
        self._side_effects += 1
        name = f"side effect {self._side_effects}"
        payloads = self._decider.payloads
        text = self.recorded(name, lambda: _outcome(name, function, payloads))
        if text is not None and text.startswith(_FAILED):
            raise TaskFailed("a side effect", name, 1, text.removeprefix(_FAILED))
        value: T = payloads.decode_value(name, text, _returned(function))
        return value

    def patched(self, patch: str) -> bool:
        """Return whether this execution uses a change of the code; a marker records it."""
        if patch not in self._patches:
            name = f"patched: {patch}"
            holds = not self._decider.turns.replaying or self._next(name) is not None
            self._patches[patch] = holds
            if holds:
                self._decider.add(record_marker(name))
        return self._patches[patch]

    def _next(self, name: str) -> Mapping[str, Any] | None:
        """Return the next marker that the history records for this turn, if it has this name."""
        return self._decider.turns.current.marker(name, self._decider.outbox.markers)


_FAILED = "flowy:failed:"
"""The beginning of a side effect's marker if it failed; no JSON text begins like this."""


def _outcome(name: str, function: Callable[[], object], payloads: Payloads) -> str:
    try:
        return payloads.encode_value(name, function())
    except Exception as error:
        return _FAILED + reason_and_details(error)[0]


def _returned(function: Callable[..., Any]) -> Converter | None:
    try:
        return converter(get_annotations(function, eval_str=True).get("return", Any))
    except Exception:  # Evaluating an annotation runs code of the author's.
        return None

"""What a workflow finds out once, and its history keeps for all replays, in markers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import get_annotations
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from flowy._decider.decisions import record_marker
from flowy._payloads.hints import converter
from flowy._payloads.text import reason_and_details
from flowy.errors import TaskFailed

if TYPE_CHECKING:
    from flowy._decider.decider import Decider
    from flowy._payloads.serializers import Converter
    from flowy.payloads import Payloads

T = TypeVar("T")


class Markers:
    """Chance, side effects and patches of one execution."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._patches: dict[str, bool] = {}
        self._random: Random | None = None
        self._side_effects = 0

    def recorded(self, name: str, make: Callable[[], str]) -> str | None:
        """Make something once, and keep it in a marker for all replays.

        Args:
            name: the marker's name.
            make: makes it; not called in a replay.

        Returns:
            What was made, now or then.
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
        """The execution's own source of chance; a marker keeps what it began with."""
        if self._random is None:
            workflow_id, run_id = self._decider.execution
            self._random = Random(self.recorded("random", lambda: f"{workflow_id} {run_id}") or "")
        return self._random

    def side_effect(self, function: Callable[[], T]) -> T:
        """Call a function once, and keep what came of it, a value or an error.

        Args:
            function: takes nothing and returns what can be sent; not called in a replay.

        Returns:
            What it returned, now or then.

        Raises:
            TaskFailed: it raised an exception, or what it returned cannot be sent.
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
        """Tell whether a change of the code holds for this execution; a marker keeps that."""
        if patch not in self._patches:
            name = f"patched: {patch}"
            holds = not self._decider.turns.replaying or self._next(name) is not None
            self._patches[patch] = holds
            if holds:
                self._decider.add(record_marker(name))
        return self._patches[patch]

    def _next(self, name: str) -> Mapping[str, Any] | None:
        """Find the next marker of the turn at hand in the history, if it has a name."""
        return self._decider.turns.at_hand.marker(name, self._decider.outbox.markers)


_FAILED = "flowy:failed:"
"""What the details of a side effect's marker begin with if it failed; no JSON begins so."""


def _outcome(name: str, function: Callable[[], object], payloads: Payloads) -> str:
    try:
        return payloads.encode_value(name, function())
    except Exception as error:
        return _FAILED + reason_and_details(error)[0]


def _returned(function: Callable[..., Any]) -> Converter | None:
    try:
        return converter(get_annotations(function, eval_str=True).get("return", Any))
    except (NameError, TypeError):
        return None

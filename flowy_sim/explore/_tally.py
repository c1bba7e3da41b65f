"""What all runs of an exploration have met together, beside whether they fail."""

from __future__ import annotations

from typing import Any

from flowy_sim.testing import Runner
from flowy_sim.testing._coverage import Coverage, observe
from flowy_sim.testing._stubs.uses import Uses


class Tally:
    """Notes of each run which stubs it has used and, if wanted, what its workflows have met.

    Args:
        coverage: where that is noted; None for nowhere.

    Attributes:
        uses: the stubs that were used.
        first: who made the first run, the plainest one; None before it.
    """

    def __init__(self, coverage: Coverage | None = None) -> None:
        """Start with nothing."""
        self.uses = Uses()
        self.first: Runner | None = None
        self._coverage = coverage

    def note(self, runner: Runner) -> None:
        """Note a run that was made, up to its end or to where it became like another."""
        if self.first is None:
            self.first = runner
        self.uses.note(runner.stubs, runner.stand_ins.called)
        if self._coverage is not None:
            observe(self._coverage, runner.simulation, runner)

    def empty(self) -> Tally:
        """Return one that notes the same, with nothing noted, for another process."""
        return Tally(None if self._coverage is None else Coverage())

    def rows(self) -> tuple[Any, Any]:
        """Return all that was noted as plain data, to be carried to another process."""
        return self.uses.rows(), self._coverage.rows() if self._coverage is not None else []

    def merge(self, rows: tuple[Any, Any]) -> None:
        """Add what `rows` of another process has given."""
        uses, met = rows
        self.uses.merge(uses)
        if self._coverage is not None:
            self._coverage.merge(met)

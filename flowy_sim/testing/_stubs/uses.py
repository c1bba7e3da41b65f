"""Which stubs were used: by one run of a test, or by all runs that exploring makes."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple

from flowy_sim.testing._stubs.stubs import Stubs


class Row(NamedTuple):
    """The uses of one stub, as plain data.

    Attributes:
        kind, name, version: what it stands in for.
        own: whether an answer was given, other than for certain arguments.
        cases: each ``when(…)``, and whether it has answered.
    """

    kind: str
    name: str
    version: str
    own: bool
    cases: tuple[tuple[str, bool], ...]

    def __add__(self, other: Any) -> Row:
        """Put together what two runs have used."""
        most = max(self.cases, other.cases, key=len)
        both = zip(self.cases, other.cases, strict=False)
        cases = [(name, mine or theirs) for (name, mine), (_, theirs) in both]
        return self._replace(own=self.own or other.own, cases=(*cases, *most[len(cases) :]))

    def unused(self) -> list[str]:
        """Say what of it was never used."""
        stub = f"the stub of {self.name} {self.version}".rstrip()
        unused = [f"{case} of {stub}" for case, used in self.cases if not used]
        return unused if self.own or len(unused) < len(self.cases) else [stub]


class Uses:
    """Which stubs were used, and what was called.

    Example:
        ::

            uses = Uses()
            uses.note(runner.stubs, runner.stand_ins.called)
            assert uses.unused() == []
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._called: dict[str, None] = {}

    def note(self, stubs: Stubs, called: Iterable[str] = ()) -> None:
        """Note what a run has used.

        Args:
            stubs: the stubs that it had.
            called: what it has called, such as ``resize 1``.
        """
        rows = (
            Row(stub.kind, stub.name, stub.version, stub.used, stub.cases_used()) for stub in stubs
        )
        self.merge((rows, called))

    def rows(self) -> tuple[list[Row], list[str]]:
        """Return all that was noted as plain data, to be carried to another process."""
        return list(self._rows.values()), list(self._called)

    def merge(self, noted: tuple[Iterable[Row], Iterable[str]]) -> None:
        """Add what `rows` of others has given."""
        rows, called = noted
        for row in rows:
            key = row[:3]
            self._rows[key] = self._rows[key] + row if key in self._rows else row
        self._called.update(dict.fromkeys(called))

    def unused(self, *, misnamed: bool = False) -> list[str]:
        """Say which stubs were never used, each with the nearest that was called.

        Args:
            misnamed: whether only those are told that were probably meant for something else.
        """
        known = {label.removeprefix("child ").rpartition(" ")[0]: label for label in self._called}
        sentences = []
        for row in self._rows.values():
            label = f"{row.name} {row.version}".rstrip()
            near = get_close_matches(row.name, known, 1) if label not in known.values() else ()
            nearest = f"; the nearest that was called is {known[near[0]]}" if near else ""
            if near or not misnamed:
                sentences += [f"{what} was never used{nearest}" for what in row.unused()]
        return sentences

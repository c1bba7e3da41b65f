"""Which stubs of a test were used, so that none is left that answers nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple

from flowy_sim._simulation.stubs import Stubs


class StubUsageRow(NamedTuple):
    """The usage of one stub, as plain data.

    Attributes:
        kind, name, version: those of the stub.
        own: whether it has answered a call that fits no case.
        cases: each case, and whether it has answered a call.
    """

    kind: str
    name: str
    version: str
    own: bool
    cases: tuple[tuple[str, bool], ...]

    def __add__(self, other: Any) -> StubUsageRow:
        """Return the usage of the same stub in two runs together."""
        most = max(self.cases, other.cases, key=len)
        both = zip(self.cases, other.cases, strict=False)
        cases = [(name, mine or theirs) for (name, mine), (_, theirs) in both]
        return self._replace(own=self.own or other.own, cases=(*cases, *most[len(cases) :]))

    def unused(self) -> list[str]:
        """Name the parts of the stub that have answered no call."""
        stub = f"the stub of {self.name} {self.version}".rstrip()
        unused = [f"{case} of {stub}" for case, used in self.cases if not used]
        return unused if self.own or len(unused) < len(self.cases) else [stub]


class StubUsage:
    """Records which stubs were used in one or more runs.

    Example:
        ::

            usage = StubUsage()
            usage.note(runner.stubs, runner.stub_dispatch.called)
            assert usage.unused() == []
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], StubUsageRow] = {}
        self._called: dict[str, None] = {}

    def note(self, stubs: Stubs, called: Iterable[str] = ()) -> None:
        """Add the usage of a run.

        Args:
            stubs: the stubs of the run.
            called: what it has called, such as ``resize 1``.
        """
        rows = (
            StubUsageRow(stub.kind, stub.name, stub.version, stub.used, stub.cases_used())
            for stub in stubs
        )
        self.merge((rows, called))

    def rows(self) -> tuple[list[StubUsageRow], list[str]]:
        """Return everything as plain data, to be sent to another process."""
        return list(self._rows.values()), list(self._called)

    def merge(self, noted: tuple[Iterable[StubUsageRow], Iterable[str]]) -> None:
        """Add the `rows` of another process."""
        rows, called = noted
        for row in rows:
            key = row[:3]
            self._rows[key] = self._rows[key] + row if key in self._rows else row
        self._called.update(dict.fromkeys(called))

    def unused(self, *, misnamed: bool = False) -> list[str]:
        """Return a sentence for each unused stub or case, with the nearest name that was called.

        Args:
            misnamed: whether to return only those whose name was probably misspelled.
        """
        known = {label.removeprefix("child ").rpartition(" ")[0]: label for label in self._called}
        sentences = []
        for row in self._rows.values():
            label = f"{row.name} {row.version}".rstrip()
            near = get_close_matches(row.name, known, 1) if label not in known.values() else ()
            nearest = f"; the nearest that was called is {known[near[0]]}" if near else ""
            if near or not misnamed:
                sentences += [f"{part} was never used{nearest}" for part in row.unused()]
        return sentences

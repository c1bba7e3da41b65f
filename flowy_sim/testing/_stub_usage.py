"""Which stubs of a test were used, so that none is left that answers nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from flowy_sim._simulation.stubs import Stubs

_ACTION = "action"


class StubUsageRow(NamedTuple):
    """The usage of one stub, as plain data.

    Attributes:
        kind, name, version: those of the stub; or of an action of `Runner.after`.
        own: whether it has answered a call that fits no case; or whether the action was called.
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
        if self.kind == _ACTION:
            return [] if self.own else [f"the action of {self.name}"]
        stub = f"the stub of {self.name} {self.version}".rstrip()
        unused = [f"{case} of {stub}" for case, used in self.cases if not used]
        return unused if self.own or len(unused) < len(self.cases) else [stub]


class StubUsage:
    """Records which stubs, and which actions of `Runner.after`, were used in one or more runs.

    Example:
        ::

            usage = StubUsage()
            usage.note(runner.stubs, runner.stub_dispatch.called)
            assert usage.unused() == []
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], StubUsageRow] = {}
        self._called: dict[str, None] = {}

    def note(
        self, stubs: Stubs, called: Iterable[str] = (), actions: Mapping[str, bool] | None = None
    ) -> None:
        """Add the usage of a run.

        Args:
            stubs: the stubs of the run.
            called: what it has called, such as ``resize 1``.
            actions: its actions, and whether each was called.
        """
        rows = [
            StubUsageRow(stub.kind, stub.name, stub.version, stub.used, stub.cases_used())
            for stub in stubs
        ]
        given = actions or {}
        rows += [StubUsageRow(_ACTION, name, "", done, ()) for name, done in given.items()]
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
            is_known = label in known.values() or row.kind == _ACTION
            near = () if is_known else get_close_matches(row.name, known, 1)
            nearest = f"; the nearest that was called is {known[near[0]]}" if near else ""
            verb = "called: the test ended before" if row.kind == _ACTION else "used"
            if near or not misnamed:
                sentences += [f"{part} was never {verb}{nearest}" for part in row.unused()]
        return sentences

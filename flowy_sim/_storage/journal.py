"""The journal: what a served simulation commits its changes to.

Everything that an answer depends on is durable before the answer is sent. A commit names the
engines that have changed, never the calls: each engine reports its own changes (see
`flowy_sim._engine.changes`), and a journal stores those.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from flowy_sim._engine.engine import Engine


class SimulationKey(NamedTuple):
    """Identifies a simulation of a server.

    Attributes:
        name: as in the path; empty for the simulation without a name.
        account: twelve digits.
    """

    name: str
    account: str


class JournalError(Exception):
    """Nothing can be made durable at present; the message says why.

    Calls that would change something are answered with a server error (HTTP 500).
    """


class Durable(Awaitable[None], Protocol):
    """Completes as soon as a change is durable.

    It may be awaited any number of times, or not at all.

    Raises:
        JournalError: the change cannot be made durable.
    """

    def add_done_callback(self, callback: Callable[[Future[None]], object], /) -> None:
        """Let a function be called when it completes, with a future that has its outcome."""
        ...


class Journal(Protocol):
    """Makes changes durable, in the order in which they are committed.

    Each of `begin`, `commit` and `end` returns what completes as soon as this change and all before
    it are durable. If that is impossible, all engines are again as they were after the last durable
    commit. To wait for several commits, wait only for the last.
    """

    def check(self) -> None:
        """Refuse while nothing can be made durable; called before a call that may change something.

        Raises:
            JournalError: nothing can be made durable at present; the call is not carried out.
        """
        ...

    def begin(
        self, simulation: SimulationKey, settings: Mapping[str, Any], mode: str, now: int
    ) -> Durable:
        """Begin a simulation; one that had the same key ends.

        Args:
            simulation: its key.
            settings: how it is set up, as data that JSON can carry.
            mode: the mode of its clock.
            now: where its clock begins, in milliseconds since 1970.
        """
        ...

    def commit(
        self, simulation: SimulationKey, engines: Iterable[Engine], mode: str, now: int
    ) -> Durable:
        """Make durable what has changed in a simulation.

        Args:
            simulation: its key.
            engines: those in which something may have changed.
            mode: the mode of its clock.
            now: the instant up to which everything has happened, in milliseconds since 1970.
        """
        ...

    def end(self, simulation: SimulationKey) -> Durable:
        """Remove a simulation with everything in it."""
        ...

    async def close(self) -> None:
        """Make everything durable, and stop."""
        ...


class _Done:
    def __await__(self) -> Generator[Any, None, None]:
        return
        yield

    def add_done_callback(self, callback: Callable[[Future[None]], object], /) -> None:
        raise AssertionError("there is nothing to wait for")


#: What is durable already.
DONE: Durable = _Done()


class NullJournal:
    """Stores nothing: a simulation ends with its process."""

    def check(self) -> None:
        """Accept every call."""

    def begin(
        self, simulation: SimulationKey, settings: Mapping[str, Any], mode: str, now: int
    ) -> Durable:
        """Do nothing."""
        return DONE

    def commit(
        self, simulation: SimulationKey, engines: Iterable[Engine], mode: str, now: int
    ) -> Durable:
        """Store nothing, now or later."""
        for engine in engines:
            if engine.changes is not None and not engine.changes.only_counts:
                engine.changes.only_count()
        return DONE

    def end(self, simulation: SimulationKey) -> Durable:
        """Do nothing."""
        return DONE

    async def close(self) -> None:
        """Do nothing."""


class SimulationJournal:
    """The journal of one simulation, and the last commit to wait for.

    Args:
        journal: of the whole server.
        simulation: the simulation's key.

    Attributes:
        journal: as given; a server that has restored its simulations replaces it.
        changes: how many commits there were.
        until: the instant of the last commit, in milliseconds since 1970.
    """

    def __init__(self, journal: Journal, simulation: SimulationKey) -> None:
        self.journal = journal
        self.changes = 0
        self.until = 0
        self._simulation = simulation
        self._last: Durable = DONE

    def check(self) -> None:
        """Refuse while nothing can be made durable; see `Journal.check`."""
        self.journal.check()

    def begin(self, settings: Mapping[str, Any], mode: str, now: int) -> None:
        """Begin the simulation; see `Journal.begin`."""
        self._wait_for(self.journal.begin(self._simulation, settings, mode, now), now)

    def commit(self, engines: Iterable[Engine], mode: str, now: int) -> None:
        """Commit what has changed; see `Journal.commit`."""
        # The body of `_wait_for`, without the call: most calls to the service come here.
        self._last = self.journal.commit(self._simulation, engines, mode, now)
        self.changes += 1
        self.until = now

    def end(self, now: int) -> None:
        """Remove the simulation; see `Journal.end`."""
        self._wait_for(self.journal.end(self._simulation), now)

    @property
    def is_durable(self) -> bool:
        """Whether everything that was committed is known to be durable."""
        return self._last is DONE

    async def durable(self) -> None:
        """Wait until everything that was committed is durable.

        Raises:
            JournalError: some of it could not be made durable, and is undone.
        """
        last = self._last
        try:
            await last
        finally:
            if self._last is last:
                self._last = DONE

    def when_durable(self, callback: Callable[[Future[None]], object]) -> None:
        """Let a function be called when everything that was committed is durable.

        To be used only if it is not known to be so. The function gets a future that has the
        outcome: None, or a `JournalError`.
        """
        last = self._last

        def called(outcome: Future[None]) -> None:
            if self._last is last:
                self._last = DONE
            callback(outcome)

        last.add_done_callback(called)

    def _wait_for(self, commit: Durable, now: int) -> None:
        self.changes += 1
        self.until = now
        self._last = commit


class Regions(Protocol):
    """The engines of a simulation."""

    def of(self, region: str) -> Engine:
        """Return the engine of a region, which is made if there is none."""
        ...


class RestoredSimulation(Protocol):
    """A simulation while it is restored.

    Attributes:
        engines: the service in each region.
    """

    @property
    def engines(self) -> Regions: ...

    def catch_up(self, mode: str, now: int) -> None:
        """Set the clock, and let happen what falls due until `now`; nothing is committed."""
        ...


class RestoreTarget(Protocol):
    """Receives the simulations that are restored: a server."""

    def restore(
        self, name: str, account: str, settings: dict[str, Any], begun: int
    ) -> RestoredSimulation:
        """Return a simulation with nothing in it, as it once began; nothing is committed.

        Args:
            name: as in the path; empty for the simulation without a name.
            account: twelve digits.
            settings: how it was set up.
            begun: when, in milliseconds since 1970.
        """
        ...


#: Restores simulations, and returns the journal that they continue with.
OpenJournal = Callable[[RestoreTarget], Awaitable[Journal]]


async def open_nothing(target: RestoreTarget) -> Journal:
    """Return a journal that stores nothing."""
    return NullJournal()

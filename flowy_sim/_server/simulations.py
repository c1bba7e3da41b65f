"""The simulations of a server: one for each name in the path and each account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowy._safe_text import safe_logger
from flowy_sim._engine.domains import TOO_MANY_DOMAINS
from flowy_sim._engine.faults import Fault, LimitExceededFault
from flowy_sim._server.served_simulation import OpenPolls, ServedSimulation
from flowy_sim._server.settings import ServerSettings
from flowy_sim._simulation.settings import Settings, check_account, check_name
from flowy_sim._storage.journal import Journal, NullJournal, SimulationKey

_log = safe_logger("flowy_sim")

_MOST_HINTS = 1_000


class Simulations:
    """The simulations of a server. Each is made when it is first used.

    Args:
        settings: how the server is set up.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._journal: Journal = NullJournal()
        self._open_polls = OpenPolls(settings.max_polls)
        self._simulations: dict[tuple[str, str], ServedSimulation] = {}
        self._is_closed = False
        self._hints: set[str] = set()

    def __iter__(self) -> Iterator[ServedSimulation]:
        return iter(list(self._simulations.values()))

    def find(self, name: str, account: str) -> ServedSimulation | None:
        """Return a simulation; None if there is no such simulation."""
        return self._simulations.get(SimulationKey(name, account))

    def of(self, name: str, account: str) -> ServedSimulation:
        """Return a simulation; one that does not exist begins.

        Raises:
            ValueError: name or account cannot be one.
            LimitExceededFault: there are too many.
        """
        simulation = self._simulations.get((name, account))
        return self.begin(name, account, {}) if simulation is None else simulation

    def find_or_preview(self, name: str, account: str) -> ServedSimulation:
        """Return a simulation, or, if it has not begun, one like it that nothing else can reach.

        Raises:
            ValueError: name or account cannot be one.
        """
        simulation = self.find(name, account)
        if simulation is not None:
            return simulation
        preview = ServedSimulation(
            *SimulationKey(check_name(name), check_account(account)),
            self._settings.simulation,
            self._settings,
            NullJournal(),
            self._open_polls,
        )
        preview.close()
        return preview

    def begin(self, name: str, account: str, settings: dict[str, Any]) -> ServedSimulation:
        """Let a simulation begin, or begin again with nothing in it.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: what differs from how it was set up before, or from how the server sets up
                simulations; see `Settings`.

        Raises:
            ValueError: name, account or a setting is wrong.
            LimitExceededFault: there are too many.
            JournalError: nothing can be made durable at present.
        """
        key = SimulationKey(check_name(name), check_account(account))
        former = self._simulations.get(key)
        base = self._settings.simulation if former is None else former.settings
        chosen = Settings.read(settings, base)
        if former is None and len(self._simulations) >= self._settings.max_simulations:
            raise LimitExceededFault(
                f"There are {len(self._simulations)} simulations already; remove one"
            )
        self._journal.check()
        simulation = self._replace(key, chosen)
        simulation.begin()
        return simulation

    def remove(self, name: str, account: str) -> ServedSimulation | None:
        """Remove a simulation with everything in it; return it, or None if it did not exist."""
        self._journal.check()
        simulation = self._simulations.pop(SimulationKey(name, account), None)
        if simulation is not None:
            simulation.end()
        return simulation

    # Hints

    def warn_of(
        self,
        fault: Fault,
        members: Mapping[str, Any],
        simulation: ServedSimulation,
        region: str,
    ) -> None:
        """Log a hint, once, for a fault that often has a cause which its message does not name.

        Args:
            fault: the fault.
            members: those of the call.
            simulation: the simulation that was called.
            region: the region that was called.
        """
        domain = members.get("domain") or members.get("name")
        if fault.message == f"Unknown domain: {domain}":
            hint = self._found_elsewhere(str(domain), simulation, region)
        elif fault.message == TOO_MANY_DOMAINS:
            limit = simulation.settings.make_limits().domains
            hint = (
                f"{_place(simulation, region)} has {limit} domains, the limit. Raise it, for "
                "example with --limit domains=10000, or reset the simulation between tests."
            )
        else:
            return
        if hint and hint not in self._hints:
            if len(self._hints) >= _MOST_HINTS:
                self._hints.clear()
            self._hints.add(hint)
            _log.warning("%s", hint)

    def _found_elsewhere(self, domain: str, simulation: ServedSimulation, region: str) -> str:
        for other in self:
            for engine in other.engines:
                if domain in engine.domains:
                    return (
                        f"A call names the domain {domain!r}, which {_place(simulation, region)} "
                        f"does not have, but {_place(other, engine.region)} does. Check the "
                        "region, the path of the endpoint, and the account that the client uses."
                    )
        return ""

    # Restarts

    def restore(
        self, name: str, account: str, settings: dict[str, Any], begun: int
    ) -> ServedSimulation:
        """Return a simulation with nothing in it, as it once began; nothing is committed.

        Args:
            name: as in the path; empty for the one without a name.
            account: twelve digits.
            settings: how it was set up, as `Settings.written` returned it.
            begun: when it began, in milliseconds since 1970.
        """
        simulation = self._replace(SimulationKey(name, account), Settings.read(settings))
        simulation.clock.resume(simulation.settings.clock, begun)
        simulation.engines.stubs.is_active = False
        return simulation

    def resume(self, journal: Journal) -> None:
        """Continue after everything was restored; from now on, commit to a journal."""
        self._journal = journal
        for simulation in self:
            simulation.resume(journal)

    def close(self) -> None:
        """Answer all waiting polls, and let no further poll wait."""
        self._is_closed = True
        for simulation in self:
            simulation.close()

    def _replace(self, key: SimulationKey, settings: Settings) -> ServedSimulation:
        former = self._simulations.pop(key, None)
        if former is not None:
            former.close()
        simulation = ServedSimulation(
            *key, settings, self._settings, self._journal, self._open_polls
        )
        if self._is_closed:
            simulation.close()
        self._simulations[key] = simulation
        return simulation


def _place(simulation: ServedSimulation, region: str) -> str:
    """Return what a message calls a region of a simulation."""
    named = f"the simulation {simulation.name!r}" if simulation.name else "the simulation"
    return f"{region} of {named} of account {simulation.account}"

"""How a server is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowy_sim._simulation.settings import Settings, check_account


@dataclass(frozen=True)
class ServerSettings:
    """How a server is set up.

    Attributes:
        simulation: how simulations are set up by default.
        account: the account of clients whose credentials name none, twelve digits.
        region: the region of clients that name none.
        poll_seconds: for how many simulated seconds a poll waits for a task.
        hold_seconds: for how many real seconds without a sign of life a client is taken to work
            on its task; time on a virtual clock stands still as long.
        newcomer_seconds: for how many real seconds a task on a list that no client has polled yet
            waits for a client that may still be starting, on a virtual clock.
        secrets: secret keys by access key ID; without any, signatures are not checked.
        accounts: accounts by access key ID.
        allow_remote: whether other machines may call without signing.
        hosts: names under which the server may be called, besides those of this machine;
            ``*`` for any.
        origins: web pages that may call, such as ``http://localhost:3000``; ``*`` for any.
        max_connections: the number of connections that may be open.
        max_polls: the number of polls that may wait, of all simulations together.
        max_simulations: the number of simulations.

    Raises:
        ValueError: a setting is wrong; the message names it.
    """

    simulation: Settings = field(default_factory=Settings)
    account: str = "123456789012"
    region: str = "us-east-1"
    poll_seconds: float = 60
    hold_seconds: float = 300
    newcomer_seconds: float = 3
    secrets: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    allow_remote: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    max_connections: int = 10_000
    max_polls: int = 10_000
    max_simulations: int = 1_000

    def __post_init__(self) -> None:
        for account in (self.account, *self.accounts.values()):
            check_account(account)
        for name in ("poll_seconds", "hold_seconds", "newcomer_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)!r}: give a number of at least 0.")

"""The settings of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowy_sim._server.stub_definitions import Members, read_stub
from flowy_sim._simulation.settings import Settings, check_account, check_region

#: Real seconds for which a poll waits at most on a clock that does not run on its own. Clients give
#: up after 60 or 70 seconds.
LONGEST_POLL = 50.0
#: How time may pass while a task is held.
WHILE_HELD = ("still", "real")


@dataclass(frozen=True)
class ServerSettings:
    """How a server is set up.

    Attributes:
        simulation: how simulations are set up by default.
        account: the account of clients whose credentials name none, twelve digits.
        region: the region of clients that name none.
        poll_seconds: for how many simulated seconds a poll waits for a task; on a virtual or
            paused clock real seconds, at most `LONGEST_POLL`.
        hold_seconds: for how many real seconds without a sign of life a client is taken to work
            on its task; time on a virtual clock stands still as long.
        while_held: how time passes on a virtual clock while a task is held: ``still``, or ``real``
            for the real pace.
        stubs: definitions of the stubs that every simulation has from its start; see
            `flowy_sim._server.stub_definitions`.
        secrets: secret keys by access key ID; without any, signatures are not checked.
        accounts: accounts by access key ID.
        control_token: what control requests may send instead of a signature; empty for no token.
            With a token or with keys, they have to send one of them.
        allow_remote: whether other machines may call without signing.
        hosts: names under which the server may be called, besides those of this machine;
            ``*`` for any.
        origins: web pages that may call, such as ``http://localhost:3000``; ``*`` for any.
        request_seconds: real seconds after which a request that is not complete is given up.
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
    while_held: str = "still"
    stubs: tuple[Members, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    control_token: str = ""
    allow_remote: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    request_seconds: float = 60
    max_connections: int = 10_000
    max_polls: int = 10_000
    max_simulations: int = 1_000

    def __post_init__(self) -> None:
        for account in (self.account, *self.accounts.values()):
            check_account(account)
        check_region(self.region)
        for name in ("poll_seconds", "hold_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)!r}: give a number of at least 0.")
        for definition in self.stubs:
            read_stub(definition)
        if self.while_held not in WHILE_HELD:
            raise ValueError(f"while_held={self.while_held!r}: give 'still' or 'real'.")

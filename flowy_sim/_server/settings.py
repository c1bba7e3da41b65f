"""How a server and the simulations in it are set up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from flowy_sim._engine import Latency, Limits
from flowy_sim._server.clock import REAL, check_mode
from flowy_sim._simulation.clock import DEFAULT_START, RealClock, parse_instant

LATENCIES = {
    "default": Latency.DEFAULT,
    "none": Latency.ZERO,
    "recorded": Latency.RECORDED,
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Settings:
    """How a simulation is set up. All of it can be written as JSON; so it is recorded.

    Attributes:
        seed: run ids and tokens follow from it and from the calls made.
        clock: ``real``, ``virtual``, or ``x60`` and the like.
        start: where the clock starts unless it is real, as an ISO 8601 string with a time zone.
        limits: the quotas that are not the service's own, by their names in `Limits`.
        latency: how late effects are: ``default``, ``none`` or ``recorded``.
    """

    seed: int = 0
    clock: str = REAL
    start: str = DEFAULT_START
    limits: Mapping[str, Any] = field(default_factory=dict)
    latency: str = "default"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: a setting is wrong; it is named.
        """
        if type(self.seed) is not int:
            raise ValueError(f"seed={self.seed!r}: a seed is a whole number.")
        check_mode(self.clock)
        parse_instant(self.start)
        self.make_limits()
        if self.latency not in list(LATENCIES):
            raise ValueError(f"latency={self.latency!r}: give one of {', '.join(LATENCIES)}.")

    @classmethod
    def read(cls, members: Mapping[str, Any], base: Self | None = None) -> Self:
        """Return settings as they were written as JSON.

        Args:
            members: some or all of the settings.
            base: says the rest; the defaults if None.

        Raises:
            ValueError: a setting is wrong, or there is none of that name.
        """
        known = [each.name for each in fields(cls)]
        for name in members:
            if name not in known:
                raise ValueError(f"There is no setting {name!r}; there are {', '.join(known)}.")
        return cls(**{**({} if base is None else base.written()), **members})

    def written(self) -> dict[str, Any]:
        """Return all settings, to be written as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def make_limits(self) -> Limits:
        """Return the quotas.

        Raises:
            ValueError: one is wrong, or there is none of that name.
        """
        if not isinstance(self.limits, Mapping):
            raise ValueError(f"limits={self.limits!r}: give numbers by the names of the limits.")
        known = [each.name for each in fields(Limits)]
        for name, value in self.limits.items():
            if name not in known:
                raise ValueError(f"There is no limit {name!r}; there are {', '.join(known)}.")
            if isinstance(value, bool) != (name == "throttling"):
                raise ValueError(
                    f"limits: {name} is {value!r}; throttling is true or false, every other "
                    "limit is a whole number of at least 1."
                )
        return Limits(**self.limits)

    def begins_at(self) -> int:
        """Return where the clock begins, in milliseconds since 1970."""
        return RealClock().milliseconds if self.clock == REAL else parse_instant(self.start)


def read_limit(text: str) -> tuple[str, int | bool]:
    """Return the name and the value of a limit written as ``NAME=VALUE``.

    Raises:
        ValueError: it is not written so.

    >>> read_limit("polls=5000"), read_limit("throttling=true")
    (('polls', 5000), ('throttling', True))
    """
    name, _, value = text.partition("=")
    if value in ("true", "false"):
        return name, value == "true"
    if _WHOLE.fullmatch(value):
        return name, int(value)
    raise ValueError(f"{text!r} is no limit; write it as NAME=NUMBER, such as polls=5000.")


@dataclass(frozen=True)
class ServerSettings:
    """How a server is set up.

    Attributes:
        simulation: how simulations are set up that nothing else is said about.
        account: the account of callers whose credentials name none, twelve digits.
        region: the region of callers who name none.
        poll_seconds: for how many simulated seconds a poll waits for a task.
        hold_seconds: for how many real seconds somebody who gives no sign of life is taken to be
            at work on a task; time stands still for so long on a virtual clock.
        newcomer_seconds: for how many real seconds a task on a list that nobody has polled yet
            waits for somebody who may still be starting, on a virtual clock.
        secrets: secret keys by access key id; without any, signatures are not looked at.
        accounts: accounts by access key id.
        allow_remote: whether other machines may call without signing.
        hosts: names under which the server may be called, besides those of this machine;
            ``*`` for any.
        origins: web pages that may call, as in ``http://localhost:3000``; ``*`` for any.
        max_connections: how many connections may be open.
        max_polls: how many polls may wait, of all simulations together.
        max_simulations: how many simulations there may be, and regions in use in each of them.
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
        """Refuse what cannot be.

        Raises:
            ValueError: a setting is wrong; it is named.
        """
        for account in (self.account, *self.accounts.values()):
            check_account(account)
        for name in ("poll_seconds", "hold_seconds", "newcomer_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)!r}: give a number of at least 0.")


def check_account(account: str) -> str:
    """Return an account, if it can be one.

    Raises:
        ValueError: it has not twelve digits.
    """
    if not _ACCOUNT.fullmatch(account):
        raise ValueError(f"{account!r} is no account; an account has twelve digits.")
    return account


def check_name(name: str) -> str:
    """Return the name of a simulation, if it can be one; empty for the one without a name.

    Raises:
        ValueError: it cannot be the name of one.
    """
    if name and not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a simulation; it has up to 64 letters, digits, "
            "'.', '-' and '_', and begins with a letter or digit."
        )
    return name

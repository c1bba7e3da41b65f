"""The settings of a simulation that is served, or kept in a file, as data that JSON represents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits
from flowy_sim._simulation.clock import RealClock, is_duration, parse_instant

#: The modes of a clock; a factor such as ``x60`` is a mode too.
REAL = "real"
VIRTUAL = "virtual"
PAUSED = "paused"

#: Real seconds for which a client of a server may be silent; programs take a while to start.
PATIENCE = 10.0

LATENCIES = {
    "default": Latency.DEFAULT,
    "none": Latency.ZERO,
    "recorded": Latency.RECORDED,
}

_SCALED = re.compile(r"x([0-9]{1,7}(?:\.[0-9]{1,3})?)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: What is accepted as a region; new ones need no new version.
REGION = re.compile(r"[a-z0-9-]{1,32}")
ACCOUNT = re.compile(r"[0-9]{12}")
_WHOLE = re.compile(r"[0-9]{1,9}")


def check_mode(mode: object) -> str:
    """Return the mode of a clock, after checking it.

    Raises:
        ValueError: it isn't a mode of a clock.

    >>> check_mode("x60")
    'x60'
    """
    if isinstance(mode, str) and (mode in (REAL, VIRTUAL, PAUSED) or rate_of(mode) > 0):
        return mode
    raise ValueError(
        f"{mode!r} is not a clock; give 'real', 'virtual', 'paused', or how many times as fast as "
        "real time it runs, such as 'x60'."
    )


def rate_of(mode: str) -> float:
    """Return how many times as fast as real time a scaled clock runs; 0 for any other mode."""
    found = _SCALED.fullmatch(mode)
    return float(found[1]) if found else 0.0


@dataclass(frozen=True)
class Settings:
    """How a simulation is set up.

    Attributes:
        seed: run IDs and tokens follow from it and from the calls made.
        clock: ``real``, ``virtual``, ``paused``, or a factor such as ``x60``.
        start: where the clock starts unless it is real, as an ISO 8601 string with a time zone;
            None for the time at which the simulation begins.
        limits: the quotas that differ from the service's own, by their names in `Limits`.
        latency: how late effects are: ``default``, ``none`` or ``recorded``.
        patience: for how many real seconds a virtual clock waits for a client that may be about
            to take a task, or that may prevent a time-out; see
            `flowy_sim._simulation.time_skipping`.
        empty_poll_token: whether the reply to a poll that finds no task has an empty
            ``taskToken``, as documented, instead of none, as recorded.

    Raises:
        ValueError: a setting is wrong; the message names it.
    """

    seed: int = 0
    clock: str = REAL
    start: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    latency: str = "default"
    patience: float = PATIENCE
    empty_poll_token: bool = False

    def __post_init__(self) -> None:
        if type(self.seed) is not int:
            raise ValueError(f"seed={self.seed!r}: give a whole number.")
        check_mode(self.clock)
        if self.start is not None:
            parse_instant(self.start)
        self.make_limits()
        if self.latency not in list(LATENCIES):
            raise ValueError(f"latency={self.latency!r}: give one of {', '.join(LATENCIES)}.")
        if not isinstance(self.empty_poll_token, bool):
            raise ValueError(f"empty_poll_token={self.empty_poll_token!r}: give true or false.")
        if not is_duration(self.patience):
            raise ValueError(f"patience={self.patience!r}: give a number of seconds of at least 0.")

    @classmethod
    def read(cls, members: Mapping[str, Any], base: Self | None = None) -> Self:
        """Return settings from JSON.

        Args:
            members: some or all of the settings.
            base: supplies the others; the defaults if None.

        Raises:
            ValueError: a setting is wrong, or has an unknown name.
        """
        known = [each.name for each in fields(cls)]
        for name in members:
            if name not in known:
                raise ValueError(f"There is no setting {name!r}; there are {', '.join(known)}.")
        return cls(**{**({} if base is None else base.written()), **members})

    def written(self) -> dict[str, Any]:
        """Return all settings, for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def make_limits(self) -> Limits:
        """Return the quotas.

        Raises:
            ValueError: one is wrong, or has an unknown name.
        """
        if not isinstance(self.limits, Mapping):
            raise ValueError(f"limits={self.limits!r}: give a mapping of names to numbers.")
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
        if self.clock == REAL or self.start is None:
            return RealClock().milliseconds
        return parse_instant(self.start)


def read_limit(text: str) -> tuple[str, int | bool]:
    """Return the name and the value of a limit written as ``NAME=VALUE``.

    Raises:
        ValueError: it is not of that form.

    >>> read_limit("polls=5000"), read_limit("throttling=true")
    (('polls', 5000), ('throttling', True))
    """
    name, _, value = text.partition("=")
    if value in ("true", "false"):
        return name, value == "true"
    if name == "throttling":
        raise ValueError(f"{text!r}: write throttling=true or throttling=false.")
    if _WHOLE.fullmatch(value):
        return name, int(value)
    raise ValueError(f"{text!r} is not a limit; write NAME=NUMBER, such as polls=5000.")


def check_region(region: str) -> str:
    """Return a region, after checking it.

    Raises:
        ValueError: it isn't a region.
    """
    if not REGION.fullmatch(region):
        raise ValueError(f"{region!r} is not a region; give one such as 'eu-west-1'.")
    return region


def check_account(account: str) -> str:
    """Return an account, after checking it.

    Raises:
        ValueError: it isn't an account.
    """
    if not ACCOUNT.fullmatch(account):
        raise ValueError(f"{account!r} is not an account; an account has twelve digits.")
    return account


def check_name(name: str) -> str:
    """Return the name of a simulation, after checking it; empty for the one without a name.

    Raises:
        ValueError: it can't be the name of a simulation.
    """
    if name and not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a simulation; it has up to 64 letters, digits, "
            "'.', '-' and '_', and begins with a letter or digit."
        )
    return name

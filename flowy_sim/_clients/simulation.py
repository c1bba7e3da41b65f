"""A simulation: Amazon SWF in memory, with its own clock and schedule.

The schedule is the one place where a simulation makes choices. Wherever the service leaves
something open (which waiting task is handed out, which of two effects at one instant comes first),
the simulation asks its schedule. There is no other randomness.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from flowy_sim._engine.engine import Engine
from flowy_sim._engine.lambda_functions import LambdaFunction
from flowy_sim._engine.latency import Latency
from flowy_sim._engine.limits import Limits, limits_named
from flowy_sim._engine.tokens import request_ids
from flowy_sim._simulation.clock import DEFAULT_START, Clock, VirtualClock, is_duration
from flowy_sim._simulation.host import Host
from flowy_sim._simulation.polls import Polls
from flowy_sim._simulation.presence import PATIENCE, Presence
from flowy_sim._simulation.regions import ACTIVITY_POLL, DECISION_POLL, Engines
from flowy_sim._simulation.waiters import Threads

if TYPE_CHECKING:
    from flowy_sim._clients.in_process import Client


class Schedule(Protocol):
    """Makes the choices of a simulation."""

    def choose(self, kind: str, count: int) -> int:
        """Choose one of several possibilities.

        Args:
            kind: what is chosen, such as ``activity task``.
            count: the number of possibilities, at least 1.

        Returns:
            The index of the possibility chosen, from 0 to `count` - 1.
        """
        ...


class FirstChoice:
    """Always chooses the first possibility: the one that has waited longest."""

    def choose(self, kind: str, count: int) -> int:
        """Return 0."""
        return 0


class RandomChoice:
    """Makes random choices; the same seed makes the same choices.

    Args:
        seed: the seed of the random numbers.

    Example:
        >>> schedule = RandomChoice(7)
        >>> [schedule.choose("poll", 3) for _ in range(5)]
        [0, 0, 1, 0, 1]
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def choose(self, kind: str, count: int) -> int:
        """Return a random index."""
        # Only random() is guaranteed to return the same numbers on every version of Python.
        return int(self._random.random() * count)


class Simulation:
    """Amazon SWF in memory, with its own time, contents and choices.

    Args:
        seed: run IDs, tokens and request IDs follow from it and from the calls made.
        start: where the virtual clock starts: a datetime with a time zone, or an ISO 8601 string
            with one; 2024-01-01T00:00:00Z by default.
        region: the region of clients that name none; by default that of the variable
            ``AWS_DEFAULT_REGION``, as for boto3, or else us-east-1.
        account: twelve digits; part of the names of resources.
        clock: used instead of a virtual clock; it has its own start.
        schedule: makes the choices that the service leaves open; the first possibility by default.
        limits: the service's quotas.
        latency: how late effects happen; `Latency.DEFAULT` by default.
        patience: for how many real seconds the virtual clock waits for a client that may be
            about to take a task, or that may prevent a time-out; 0 in tests of time-outs.
        empty_poll_token: whether the reply to a poll that finds no task has an empty `taskToken`,
            as documented. By default it has none, as recorded.

    Attributes:
        seed, region, account: as given.
        clock: the time; ``clock.advance(seconds)`` lets time pass.
        schedule: as given.
        settings: the other arguments, by name: ``Simulation(**simulation.settings)`` is another
            simulation with the same settings.
        lambdas: the Lambda functions that executions can call, by name. Add to it at any time.
            They may call the simulation themselves, but cannot poll.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: `start` is not an instant, or `clock` is given too or has a simulation.

    Example:
        >>> simulation = Simulation(start="2024-02-29T12:00:00Z")
        >>> request = {"name": "shop", "workflowExecutionRetentionPeriodInDays": "7"}
        >>> simulation.call("RegisterDomain", request)
        {}
        >>> simulation.clock.now.isoformat()
        '2024-02-29T12:00:00+00:00'
    """

    def __init__(
        self,
        seed: int = 0,
        start: datetime | str | None = None,
        region: str | None = None,
        account: str = "123456789012",
        clock: Clock | None = None,
        schedule: Schedule | None = None,
        limits: Limits | str | None = None,
        latency: Latency | None = None,
        patience: float = PATIENCE,
        empty_poll_token: bool = False,
    ) -> None:
        if clock is not None and start is not None:
            raise ValueError("Give the simulation a clock or a start, not both.")
        _check("seed", seed, isinstance(seed, int), "a whole number")
        _check("clock", clock, hasattr(clock, "reach"), "a VirtualClock, ScaledClock or RealClock")
        _check(
            "schedule",
            schedule,
            hasattr(schedule, "choose"),
            "FirstChoice(), RandomChoice(seed), or an object with such a method choose",
        )
        _check(
            "limits",
            limits,
            isinstance(limits, Limits | str),
            "a Limits, such as Limits(polls=1), or the name of a preset",
        )
        _check(
            "latency",
            latency,
            hasattr(latency, "delays"),
            "Latency.DEFAULT, Latency.ZERO, Latency.RECORDED, or a Latency of your own",
        )
        _check("patience", patience, is_duration(patience), "a number of seconds of at least 0")
        _check(
            "empty_poll_token",
            empty_poll_token,
            isinstance(empty_poll_token, bool),
            "True or False",
        )
        _check("region", region, bool(region) and isinstance(region, str), "its name as text")
        self.seed = seed
        self.region = region or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self.account = account
        self.clock = clock or VirtualClock(DEFAULT_START if start is None else start)
        self.schedule = schedule or FirstChoice()
        self.lambdas: dict[str, Callable[..., Any] | LambdaFunction] = {}
        self.settings: dict[str, Any] = {
            "seed": seed,
            "start": start,
            "region": self.region,
            "account": account,
            "limits": None if limits is None else limits_named(limits),
            "latency": latency,
            "patience": patience,
            "empty_poll_token": empty_poll_token,
        }
        self._limits = self.settings["limits"] or _LIMITS
        self._latency = latency or Latency.DEFAULT
        self._empty_poll_token = empty_poll_token
        self._lock = threading.RLock()
        self._request_ids = request_ids(seed)
        engines, presence = Engines(self._make_engine), Presence(patience)
        polls = Polls(engines, presence, self.schedule.choose, self._limits.polls)
        self.host = Host(
            self.clock, engines, presence, polls, lambda: self.threads.others_can_call()
        )
        self.threads = Threads(self.host, self._lock)
        self.clock.belong_to(self._lock, self.host.time_skipping.advance_to)

    def call(
        self, operation: str, request: Mapping[str, Any], region: str | None = None
    ) -> dict[str, Any]:
        """Carry out one call at this instant.

        Args:
            operation: such as ``StartWorkflowExecution``.
            request: its members, as boto3 takes them.
            region: the region whose service is called; the simulation's by default.

        Returns:
            The reply as boto3 gives it, without ``ResponseMetadata``. A poll never waits.

        Raises:
            flowy_sim.Fault: the call is refused and has changed nothing.
        """
        with self._lock:
            return self.host.carry_out(operation, request, region or self.region)

    def next_instant(self) -> int | None:
        """Return when the next effect is due, such as a timer, in milliseconds since 1970.

        Waiting polls do not count. None if nothing will happen before the next call.
        """
        with self._lock:
            return self.host.time_skipping.next_instant()

    def skip_time(self, until: int | None = None) -> bool:
        """Let time pass until the next effect happens, whatever pollers are doing.

        On a clock that runs on its own, this waits.

        Args:
            until: an instant in milliseconds since 1970 at which time stops if nothing happens
                before; None if there is none.

        Returns:
            Whether there was anything to wait for.
        """
        return self.host.time_skipping.skip(until)

    def lists_with_tasks(self, domain: str, region: str | None = None) -> set[tuple[str, str]]:
        """Return the task lists on which a poll would find a task now.

        Args:
            domain: the domain's name.
            region: its region; the simulation's by default.

        Returns:
            ``PollForDecisionTask`` or ``PollForActivityTask``, and the list's name, of each; none
            if the domain is not registered.
        """
        with self._lock:
            if self.clock.runs:
                self.host.engines.run_until(self.host.time_skipping.present())
            found = self.host.engines.of(region or self.region).domains.get(domain)
            if found is None:
                return set()
            # Does not build the full names of the lists: a test runner asks before each turn.
            lists = (DECISION_POLL, found.decision_lists), (ACTIVITY_POLL, found.activity_lists)
            return {(poll, name) for poll, waiting in lists for name in waiting.names()}

    def engine(self) -> Engine:
        """Return the engine of the simulation's region, for inspection."""
        return self.host.engines.of(self.region)

    def client(
        self, region: str | None = None, poll_seconds: float = 60, exact: bool = False
    ) -> Client:
        """Return an object with the methods of ``boto3.client("swf")``.

        Args:
            region: the region whose service it calls; the simulation's by default.
            poll_seconds: for how many simulated seconds its polls wait for a task; with 0 it is
                exact, too.
            exact: whether its calls take no simulated time. Otherwise each takes a millisecond, or
                as long as the kind ``call`` of the `Latency`.
        """
        from flowy_sim._clients.in_process import Client

        return Client(self, region or self.region, poll_seconds, exact)

    def boto3_client(self, wire: bool = False, poll_seconds: float = 60, **arguments: Any) -> Any:
        """Return a real boto3 client that this simulation answers.

        Args:
            wire: whether every byte of request and response is really made and parsed.
            poll_seconds: for how many simulated seconds its polls wait for a task.
            arguments: passed on to ``boto3.client``. Region and credentials need not be given;
                those of the user are not read.
        """
        from flowy_sim._clients.boto3 import boto3_client

        return boto3_client(self, wire, poll_seconds, arguments)

    def request_id(self) -> str:
        """Return the ID of another request: a UUID that follows from the seed."""
        return next(self._request_ids)

    def _make_engine(self, region: str) -> Engine:
        return Engine(
            account=self.account,
            region=region,
            seed=self.seed,
            choose=self.schedule.choose,
            limits=self._limits,
            latency=self._latency,
            lambdas=self.lambdas,
            empty_poll_token=self._empty_poll_token,
        )


_LIMITS = Limits()
"""The limits of all simulations that are given none; limits never change."""


def _check(name: str, given: object, fits: bool, wanted: str) -> None:
    """Raise an error for an argument that is given and has the wrong type."""
    if given is not None and not fits:
        raise TypeError(f"{name}={given!r}: give {wanted}.")
